/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Entering, finding and removing connections. */
#ifndef PUCK_SOCKTRACE_CONNECTION_H
#define PUCK_SOCKTRACE_CONNECTION_H

#include "../include/call.h"
#include "announce.h"

/* known_connection returns the entry of this very socket, or NULL. */
static __always_inline struct connection *known_connection(struct socket_ref *ref)
{
	__u64 key = (__u64)ref->sk;
	struct connection *conn = bpf_map_lookup_elem(&connections, &key);

	if (conn && conn->inode == ref->inode)
		return conn;
	return NULL;
}

/* end_side tells once that no more bytes come on a side. */
static __always_inline void end_side(struct connection *conn, __u8 side)
{
	__u8 *ended = side == SIDE_SEND ? &conn->ended[SIDE_SEND] : &conn->ended[SIDE_RECV];
	struct end_event event = {};

	if (*ended || conn->ignored)
		return;
	*ended = 1;
	if (!conn->announced)
		return;
	event.header.conn = conn->id;
	event.header.kind = EVENT_END;
	event.header.side = side;
	event.header.role = conn->role;
	event.header.ts_ns = bpf_ktime_get_ns();
	event.pos = known_pos(conn, side);
	event.moved_ns = side == SIDE_SEND ? conn->moved_ns[SIDE_SEND] :
					     conn->moved_ns[SIDE_RECV];
	submit(conn->id, &event, sizeof(event));
}

static __always_inline void remove_connection(struct connection *conn, __u64 key)
{
	struct close_event event = {};

	if (conn->announced) {
		event.header.conn = conn->id;
		event.header.kind = EVENT_CLOSE;
		event.header.role = conn->role;
		event.header.ts_ns = bpf_ktime_get_ns();
		event.bytes[SIDE_SEND] = conn->bytes[SIDE_SEND];
		event.bytes[SIDE_RECV] = conn->bytes[SIDE_RECV];
		event.pos[SIDE_SEND] = known_pos(conn, SIDE_SEND);
		event.pos[SIDE_RECV] = known_pos(conn, SIDE_RECV);
		event.moved_ns[SIDE_SEND] = conn->moved_ns[SIDE_SEND];
		event.moved_ns[SIDE_RECV] = conn->moved_ns[SIDE_RECV];
		submit(conn->id, &event, sizeof(event));
	}
	if (bpf_map_delete_elem(&connections, &key) == 0)
		count(COUNT_CLOSED, 1);
}

/* next_id numbers connections densely, so that verdict words are rarely shared:
 * each CPU takes every id_stride-th number, and the iterator, which may move from
 * CPU to CPU, those that are left.
 */
static __always_inline __u64 next_id(void)
{
	__u32 zero = 0;
	__u64 *next = bpf_map_lookup_elem(&next_ids, &zero);

	if (!next)
		return 0;
	*next += 1;
	return *next * id_stride + bpf_get_smp_processor_id();
}

static __always_inline __u64 next_adopted_id(void)
{
	adopted += 1;
	return (__u64)adopted * id_stride + id_stride - 1;
}

static __always_inline bool wanted_port(__u16 local, __u16 remote)
{
	__u8 *at_local = bpf_map_lookup_elem(&ports, &local);
	__u8 *at_remote = bpf_map_lookup_elem(&ports, &remote);
	__u8 rules = (at_local ? *at_local : 0) | (at_remote ? *at_remote : 0);

	if (rules & PORT_EXCLUDE)
		return false;
	return !only_included_ports || (rules & PORT_INCLUDE);
}

static __always_inline bool wanted_role(__u8 role)
{
	return !(role == ROLE_CLIENT && !trace_clients) &&
	       !(role == ROLE_SERVER && !trace_servers);
}

/* transport_of returns what a socket is, or 0 if it is nothing that is traced. */
static __always_inline __u8 transport_of(struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	__u16 type = BPF_CORE_READ(sk, sk_type);
	__u16 protocol;

	if (family == AF_UNIX)
		return trace_unix && type == SOCK_STREAM ? TRANSPORT_UNIX : 0;
	if (family != AF_INET && family != AF_INET6)
		return 0;
	/* Streams that are not TCP, such as MPTCP and SMC, are read as streams all the
	 * same: their positions come from the calls alone.
	 */
	if (type == SOCK_STREAM)
		return TRANSPORT_TCP;
	protocol = BPF_CORE_READ(sk, sk_protocol);
	return trace_udp && type == SOCK_DGRAM && protocol == IPPROTO_UDP ? TRANSPORT_UDP : 0;
}

/* wanted says whether the configuration lets the connection be traced. */
static __always_inline bool wanted(struct connection *conn, struct sock *sk,
				   struct task_struct *task)
{
	if (conn->tgid == agent_tgid || !wanted_role(conn->role))
		return false;
	if (conn->transport == TRANSPORT_UNIX) {
		if (only_included_ports)
			return false;
	} else if (!wanted_port(BPF_CORE_READ(sk, __sk_common.skc_num),
				bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport)))) {
		return false;
	}
	return wanted_process(task, conn->tgid, conn->start_ns, conn->id);
}

/* forget_verdict has the connection's bytes copied until user space decides again:
 * it may have left out the former owner.
 */
static __always_inline void forget_verdict(struct connection *conn)
{
	__u32 slot = (__u32)conn->id & verdict_mask;
	struct verdict_entry *entry = bpf_map_lookup_elem(&verdicts, &slot);

	if (entry && entry->word >> 8 == conn->id)
		entry->word = conn->id << 8 | VERDICT_DEFAULT;
}

/* set_owner makes task's process the owner and tells user space. */
static __noinline int set_owner(struct connection *conn, struct sock *sk,
				struct task_struct *task)
{
	if (!conn)
		return 0;
	forget_verdict(conn);
	conn->tgid = BPF_CORE_READ(task, tgid);
	conn->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	conn->ignored = 0;
	conn->announced = 0;
	if (wanted(conn, sk, task)) {
		announce(conn, sk);
		return 0;
	}
	conn->ignored = 1;
	count(COUNT_FILTERED, 1);
	return 0;
}

/* place_start notes where the byte streams of a connection begin that has just been
 * accepted or connected, so that a loss of its very first bytes shows.
 */
static __always_inline void place_start(struct connection *conn, struct sock *sk)
{
	__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
	struct tcp_sock *tp = (struct tcp_sock *)sk;

	/* Before the SYN is sent (TCP_FASTOPEN_CONNECT) there is no sequence number. */
	if (state != TCP_SYN_SENT && state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT)
		return;
	conn->pos[SIDE_SEND] = BPF_CORE_READ(tp, write_seq);
	conn->placed[SIDE_SEND] = 1;
	/* The peer's is known with its SYN. */
	if (state != TCP_ESTABLISHED)
		return;
	conn->pos[SIDE_RECV] = BPF_CORE_READ(tp, copied_seq);
	conn->placed[SIDE_RECV] = 1;
}

/* enter_connection adds the socket to the map and tells user space. It returns
 * the entry, or NULL if there is no room or it is nothing that is traced.
 */
static __always_inline struct connection *enter_connection(struct socket_ref *ref, __u8 role,
							   struct task_struct *task, __u64 id)
{
	struct connection fresh = {};
	struct sock *sk = ref->sk;
	struct connection *conn;
	__u64 key = (__u64)sk;

	fresh.transport = transport_of(sk);
	if (!fresh.transport)
		return NULL;
	/* A socket that ended without a word was at this address before. */
	conn = bpf_map_lookup_elem(&connections, &key);
	if (conn)
		remove_connection(conn, key);
	fresh.id = id;
	fresh.inode = ref->inode;
	fresh.role = role;
	fresh.family = BPF_CORE_READ(sk, __sk_common.skc_family);
	fresh.last_side = SIDES;
	if (fresh.transport == TRANSPORT_TCP && BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP) {
		fresh.tcp_sock = 1;
		if (role != ROLE_UNKNOWN)
			place_start(&fresh, sk);
	}
	if (bpf_map_update_elem(&connections, &key, &fresh, BPF_ANY)) {
		count(COUNT_MAP_FULL, 1);
		return NULL;
	}
	count(COUNT_OPENED, 1);
	conn = bpf_map_lookup_elem(&connections, &key);
	if (!conn)
		return NULL;
	set_owner(conn, sk, task);
	return conn;
}

/* open_connection enters a socket that connect or accept has just returned. */
static __always_inline void open_connection(struct socket_ref *ref, __u32 role)
{
	struct connection *conn = known_connection(ref);

	if (conn) { /* a second connect, or a call that came before accept's exit */
		conn->role = role;
		return;
	}
	enter_connection(ref, role, current_task(), next_id());
}

/* adopt_connection enters a socket that was open before the agent. */
static __always_inline void adopt_connection(struct socket_ref *ref, struct task_struct *task)
{
	struct sock *sk = ref->sk;
	__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);

	if (state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT && state != TCP_SYN_SENT)
		return;
	if (!known_connection(ref))
		enter_connection(ref, ROLE_UNKNOWN, task, next_adopted_id());
}

/* connection_of returns the entry for a socket that the current task used. */
static __always_inline struct connection *connection_of(struct socket_ref *ref)
{
	struct connection *conn = known_connection(ref);
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	if (!conn)
		return enter_connection(ref, ROLE_UNKNOWN, current_task(), next_id());
	if (conn->tgid != tgid)
		set_owner(conn, ref->sk, current_task());
	return conn;
}

#endif
