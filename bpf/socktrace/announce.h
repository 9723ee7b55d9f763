/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Telling user space of processes and connections. */
#ifndef PUCK_SOCKTRACE_ANNOUNCE_H
#define PUCK_SOCKTRACE_ANNOUNCE_H

#include "maps.h"

static __always_inline void read_cgroup_names(struct process_event *event,
					      struct task_struct *task)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup_subsys_state *css;
	__u32 index;

	bpf_probe_read_kernel_str(event->cgroup, sizeof(event->cgroup),
				  BPF_CORE_READ(set, dfl_cgrp, kn, name));
	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return;
	index = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	if (bpf_core_read(&css, sizeof(css), &set->subsys[index]))
		return;
	bpf_probe_read_kernel_str(event->cgroup_memory, sizeof(event->cgroup_memory),
				  BPF_CORE_READ(css, cgroup, kn, name));
}

static __always_inline void read_args(struct process_event *event, struct mm_struct *mm)
{
	__u64 start = BPF_CORE_READ(mm, arg_start);
	__u64 len = BPF_CORE_READ(mm, arg_end) - start;

	if (len > sizeof(event->args))
		len = sizeof(event->args);
	if (bpf_probe_read_user(event->args, len, (void *)start) == 0)
		event->args_len = len;
}

/* announce_process tells what is known of a process while it lives: user space may
 * come too late to read /proc. Its arguments are read if it is the current one. It
 * returns the event's time, 0 if there was no room for it.
 */
static __noinline __u64 announce_process(struct task_struct *task, __u64 conn)
{
	struct process_event *event;
	struct mm_struct *mm;
	void *ring = ring_of(conn);
	__u64 now = bpf_ktime_get_ns();

	if (!ring)
		return 0;
	event = bpf_ringbuf_reserve(ring, sizeof(*event), 0);
	if (!event) {
		count(COUNT_RING_FULL_OTHER, 1);
		return 0;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->header.conn = conn;
	event->header.kind = EVENT_PROCESS;
	event->header.ts_ns = now;
	event->tgid = BPF_CORE_READ(task, tgid);
	event->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	BPF_CORE_READ_INTO(&event->comm, task, group_leader, comm);
	mm = BPF_CORE_READ(task, mm);
	bpf_probe_read_kernel_str(event->exe, sizeof(event->exe),
				  BPF_CORE_READ(mm, exe_file, f_path.dentry, d_name.name));
	if (task == current_task())
		read_args(event, mm);
	read_cgroup_names(event, task);
	/* It may live for milliseconds only: user space looks at /proc at once. */
	bpf_ringbuf_submit(event, BPF_RB_FORCE_WAKEUP);
	return now;
}

/* wanted_process says whether the task's process is traced as far as user space has
 * decided, and announces it at its first connection.
 */
static __always_inline bool wanted_process(struct task_struct *task, __u32 tgid, __u64 start_ns,
					   __u64 conn)
{
	struct process *known = bpf_map_lookup_elem(&processes, &tgid);
	struct process fresh = {.start_ns = start_ns};
	__u64 *decided_ns;

	if (known && known->start_ns == start_ns && known->announced_ns) {
		decided_ns = bpf_map_lookup_elem(&left_out, &tgid);
		return !decided_ns || *decided_ns != known->announced_ns;
	}
	fresh.announced_ns = announce_process(task, conn);
	bpf_map_update_elem(&processes, &tgid, &fresh, BPF_ANY);
	return true;
}

static __always_inline void read_local(struct endpoint *local, struct sock *sk)
{
	local->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	local->port = BPF_CORE_READ(sk, __sk_common.skc_num);
	if (local->family == AF_INET6)
		BPF_CORE_READ_INTO(&local->addr, sk, __sk_common.skc_v6_rcv_saddr);
	else
		bpf_core_read(&local->addr, 4, &sk->__sk_common.skc_rcv_saddr);
}

static __always_inline void read_remote(struct endpoint *remote, struct sock *sk)
{
	remote->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	remote->port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (remote->family == AF_INET6)
		BPF_CORE_READ_INTO(&remote->addr, sk, __sk_common.skc_v6_daddr);
	else
		bpf_core_read(&remote->addr, 4, &sk->__sk_common.skc_daddr);
}

/* The path that the server is bound to: its accepted sockets share its address, a
 * client's peer has it.
 */
static __always_inline void read_unix_path(struct open_event *event, struct sock *sk)
{
	struct unix_address *addr = BPF_CORE_READ((struct unix_sock *)sk, addr);
	struct unix_sock *peer;

	event->local.family = AF_UNIX;
	event->remote.family = AF_UNIX;
	if (!addr) {
		peer = (struct unix_sock *)BPF_CORE_READ((struct unix_sock *)sk, peer);
		addr = BPF_CORE_READ(peer, addr);
	}
	if (!addr)
		return;
	/* name is struct sockaddr_un: two bytes of family, then the path, which in the
	 * abstract namespace begins with NUL.
	 */
	bpf_probe_read_kernel(event->path, sizeof(event->path),
			      (void *)addr + bpf_core_field_offset(struct unix_address, name) +
				      2);
}

/* known_pos returns the position behind a side's last byte, 0 if it is not known. */
static __always_inline __u64 known_pos(struct connection *conn, __u8 side)
{
	if (side == SIDE_SEND)
		return conn->placed[SIDE_SEND] ? conn->pos[SIDE_SEND] : 0;
	return conn->placed[SIDE_RECV] ? conn->pos[SIDE_RECV] : 0;
}

/* announce tells user space of a connection, or of its next owner. It is tried
 * again at the next call if the ring is full.
 */
static __noinline bool announce(struct connection *conn, struct sock *sk)
{
	struct open_event *event;
	void *ring;

	if (!conn || !sk)
		return false;
	ring = ring_of(conn->id);
	if (!ring)
		return false;
	/* In the ring and not on the stack, of which programs have 512 bytes in all. */
	event = bpf_ringbuf_reserve(ring, sizeof(*event), 0);
	if (!event) {
		count(COUNT_RING_FULL_OTHER, 1);
		return false;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->header.conn = conn->id;
	event->header.kind = EVENT_OPEN;
	event->header.ts_ns = bpf_ktime_get_ns();
	event->header.role = conn->role;
	event->start_ns = conn->start_ns;
	event->bytes[SIDE_SEND] = conn->bytes[SIDE_SEND];
	event->bytes[SIDE_RECV] = conn->bytes[SIDE_RECV];
	event->pos[SIDE_SEND] = known_pos(conn, SIDE_SEND);
	event->pos[SIDE_RECV] = known_pos(conn, SIDE_RECV);
	event->tgid = conn->tgid;
	event->transport = conn->transport;
	event->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	if (conn->transport == TRANSPORT_UNIX) {
		read_unix_path(event, sk);
	} else {
		read_local(&event->local, sk);
		read_remote(&event->remote, sk);
	}
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	conn->announced = 1;
	return true;
}

#endif
