/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a call that moved bytes to data events. */
#ifndef PUCK_SOCKTRACE_TRANSFER_H
#define PUCK_SOCKTRACE_TRANSFER_H

#include "connection.h"

/* transfer is one call's movement of bytes. */
struct transfer {
	struct connection *conn;
	struct scratch *scratch;
	__u64 ts_ns;
	__u64 pos;
	__u64 len;  /* bytes to tell of, from pos on */
	__u64 skip; /* bytes of the call before them */
	__u32 queue_ns;
	__u32 capture; /* bytes to copy of each buffer, 0 for none */
	__u8 side;
	__u8 _pad[7];
};

/* receive_shutdown says whether the peer will send no more. */
static __always_inline bool receive_shutdown(struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_shutdown) & RCV_SHUTDOWN;
}

/* tcp_end returns the position behind the call's last byte as the kernel counts
 * it, so that bytes moved by calls that are not hooked (io_uring, vmsplice) show
 * as a jump. With kTLS the sequence numbers count records, and the calls count.
 */
static __always_inline __u64 tcp_end(struct sock *sk, __u8 side, __u64 by_calls, bool placed)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	__u64 end;
	__u32 seq;

	if (has_cast())
		seq = side == SIDE_SEND ? CAST(tcp_sock, sk)->write_seq :
					  CAST(tcp_sock, sk)->copied_seq;
	else
		seq = side == SIDE_SEND ? BPF_CORE_READ(tp, write_seq) :
					  BPF_CORE_READ(tp, copied_seq);
	if (!placed)
		return seq;
	end = by_calls + (__s32)(seq - (__u32)by_calls);
	if (end == by_calls)
		return end;
	if (BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_ulp_ops))
		return by_calls;
	/* A FIN has taken a sequence number. */
	if (side == SIDE_RECV && end == by_calls + 1 && receive_shutdown(sk))
		return by_calls;
	count(COUNT_UNPLACED, 1);
	return end;
}

/* place finds where in the byte stream a call's n bytes lie, and counts them. */
static __always_inline __u64 place(struct connection *conn, struct sock *sk, __u8 side, __u64 n)
{
	__u8 *placed = side == SIDE_SEND ? &conn->placed[SIDE_SEND] : &conn->placed[SIDE_RECV];
	__u64 *pos = side == SIDE_SEND ? &conn->pos[SIDE_SEND] : &conn->pos[SIDE_RECV];
	__u64 *bytes = side == SIDE_SEND ? &conn->bytes[SIDE_SEND] : &conn->bytes[SIDE_RECV];
	__u64 end = *pos + n;

	if (conn->tcp_sock)
		end = tcp_end(sk, side, end, *placed);
	*placed = 1;
	*pos = end;
	*bytes += n;
	return end - n;
}

/* when returns the time of a call. A send's exit may come long after the bytes
 * left, since on loopback the peer's receive path runs inside it: the departure of
 * the connection's last segment is the better time where it lies within the call.
 */
static __always_inline __u64 when(struct connection *conn, struct sock *sk, __u8 side,
				  __u32 *queue_ns)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	__u64 now = bpf_ktime_get_ns();
	__u64 ts = now;
	__u64 t;

	if (conn->tcp_sock) {
		if (side == SIDE_SEND) {
			t = has_cast() ? CAST(tcp_sock, sk)->tcp_wstamp_ns :
					 BPF_CORE_READ(tp, tcp_wstamp_ns);
			if (t > conn->last_ns && t < now)
				ts = t;
		} else {
			t = has_cast() ? CAST(tcp_sock, sk)->tcp_mstamp :
					 BPF_CORE_READ(tp, tcp_mstamp);
			t = now - t * 1000;
			*queue_ns = t < 0xffffffff ? t : 0;
		}
	}
	if (side == SIDE_SEND)
		conn->moved_ns[SIDE_SEND] = ts;
	else
		conn->moved_ns[SIDE_RECV] = ts;
	conn->last_ns = now;
	return ts;
}

/* connection_tag is what of a connection's id tells it from those that share its
 * entry of verdicts.
 */
static __always_inline __u64 connection_tag(__u64 id)
{
	return (id * 0x9e3779b97f4a7c15ULL) >> 48;
}

/* wanted_bytes returns how many bytes of each buffer to copy, or -1 to tell user
 * space nothing.
 */
static __always_inline __s32 wanted_bytes(struct verdict_entry *entry, __u64 id)
{
	__u64 word = entry->word;
	__u8 verdict = word & 0xff;

	if (word >> 8 != id || verdict == VERDICT_DEFAULT)
		return capture_size;
	if (verdict == VERDICT_IGNORE)
		return -1;
	return 1U << (verdict & 31);
}

/* skip_until returns the position before which a side's bytes are of no use. */
static __always_inline __u64 skip_until(struct verdict_entry *entry, __u64 id, __u8 side)
{
	__u64 word = side == SIDE_SEND ? entry->skip[SIDE_SEND] : entry->skip[SIDE_RECV];

	return (word & 0xffff) == connection_tag(id) ? word >> 16 : 0;
}

/* bulk says whether a call goes on in the direction of the one before, as those that
 * move a long body do, while the ring fills: then its beginning must do, so that the
 * ring does not overflow.
 */
static __always_inline bool bulk(struct connection *conn, __u8 side, __u8 last_side)
{
	void *ring;

	if (side != last_side)
		return false;
	ring = ring_of(conn->id);
	return ring && waiting_bytes(ring) > data_room / 2;
}

/* begin finds the connection of a call that moved n bytes, places them, and notes
 * which of them are of use. It returns false if there is nothing more to do.
 */
static __always_inline bool begin(struct transfer *t, struct socket_ref *ref, __u64 n,
				  __u8 side)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct verdict_entry *entry;
	struct connection *conn;
	__u8 last_side;
	__s32 wanted;
	__u64 until;
	__u32 slot;

	conn = connection_of(ref);
	if (!conn)
		return false;
	t->conn = conn;
	t->side = side;
	t->queue_ns = 0;
	t->pos = place(conn, ref->sk, side, n);
	t->ts_ns = when(conn, ref->sk, side, &t->queue_ns);
	if (conn->ignored)
		return false;
	last_side = conn->last_side;
	conn->last_side = side;
	slot = (__u32)conn->id & verdict_mask;
	entry = bpf_map_lookup_elem(&verdicts, &slot);
	if (!entry)
		return false;
	wanted = wanted_bytes(entry, conn->id);
	if (wanted < 0) {
		count(COUNT_IGNORED_CALLS, 1);
		return false;
	}
	until = skip_until(entry, conn->id, side);
	t->skip = 0;
	if (until > t->pos) {
		if (until > t->pos + n) {
			count(COUNT_SKIPPED_CALLS, 1);
			count(COUNT_SKIPPED_BYTES, n);
			return false;
		}
		if (until == t->pos + n) /* when the last of them moved is of use */
			wanted = 0;
		else
			t->skip = until - t->pos;
	}
	t->pos += t->skip;
	t->len = n - t->skip;
	if (!conn->announced && !announce(conn, ref->sk)) {
		count(COUNT_RING_FULL_DATA, 1);
		count(COUNT_RING_FULL_BYTES, t->len);
		count(COUNT_MOVED_BYTES, t->len);
		return false;
	}
	if (wanted > BULK_CAPTURE && bulk(conn, side, last_side))
		wanted = BULK_CAPTURE;
	t->capture = wanted;
	t->scratch = bpf_map_lookup_elem(&scratches, &cpu);
	return t->scratch != NULL;
}

/* hand_over sends a data event: the captured bytes that lie in the scratch memory,
 * behind a datagram's peer where there is one, of len that the application moved.
 */
static __always_inline void hand_over(struct transfer *t, __u32 captured, __u32 len)
{
	struct data_event *event = &t->scratch->event;
	bool datagram = t->conn->transport == TRANSPORT_UDP;
	void *ring = ring_of(t->conn->id);
	struct counts *counts = all_counts();
	__u64 waiting;
	__u64 size;

	if (!ring || !counts)
		return;
	event->header.conn = t->conn->id;
	event->header.ts_ns = t->ts_ns;
	event->header.kind = datagram ? EVENT_DATAGRAM : EVENT_DATA;
	event->header.side = t->side;
	event->header.role = t->conn->role;
	event->pos = t->pos;
	event->len = len;
	event->queue_ns = t->queue_ns;
	t->pos += len;
	event->header.captured = captured;
	size = captured;
	barrier_var(size);
	if (size > MAX_CAPTURE)
		return;
	size += sizeof(*event);
	if (datagram)
		size += sizeof(struct datagram_peer);
	/* Only syscall exits run this, one at a time on a CPU: no atomics. */
	counts->of[COUNT_MOVED_BYTES] += len;
	counts->of[COUNT_SKIPPED_BYTES] += t->skip;
	waiting = waiting_bytes(ring);
	if (waiting + size > data_room ||
	    bpf_ringbuf_output(ring, event, size, wakeup_flags(waiting, size))) {
		counts->of[COUNT_RING_FULL_DATA]++;
		counts->of[COUNT_RING_FULL_BYTES] += len;
		return;
	}
	counts->of[COUNT_DATA_EVENTS]++;
	counts->of[COUNT_DATA_BYTES] += captured;
	counts->of[COUNT_TRUNCATED_BYTES] += len - captured;
}

/* payload returns where in the scratch memory a transfer's bytes go. */
static __always_inline __u8 *payload(struct transfer *t)
{
	if (t->conn->transport == TRANSPORT_UDP)
		return t->scratch->data + sizeof(struct datagram_peer);
	return t->scratch->data;
}

/* copy copies up to want bytes of a buffer of len bytes and returns how many. */
static __always_inline __u32 copy(__u8 *to, __u64 from, __u64 len, __u32 want)
{
	__u64 n = len < want ? len : want;

	/* Else clang takes the bound from another register than the verifier. */
	barrier_var(n);
	if (n == 0 || n > MAX_CAPTURE)
		return 0;
	if (bpf_probe_read_user(to, n, (void *)from)) {
		count(COUNT_FAULTS, 1);
		return 0;
	}
	return n;
}

/* gather copies up to want bytes of n that buffers hold behind the first skip, and
 * returns how many. It ends early at the constant most. Its progress is kept in the scratch memory,
 * where the verifier does not follow it: so all turns of the loop look alike, and
 * it need not walk each combination of lengths.
 */
static __always_inline __u32 gather(struct transfer *t, __u64 iov, __u64 buffers, __u64 n,
				    __u64 skip, const __u32 most)
{
	struct gathering *g = &t->scratch->gathering;
	__u8 *to = payload(t);

	if (buffers > most)
		buffers = most;
	barrier_var(buffers);
	if (t->capture == 0 || buffers == 0 || buffers > MAX_IOVECS)
		return 0;
	if (bpf_probe_read_user(g->iov, buffers * sizeof(g->iov[0]), (void *)iov)) {
		count(COUNT_FAULTS, 1);
		return 0;
	}
	g->skip = skip;
	g->got = 0;
	g->left = n < t->capture ? n : t->capture;
	g->buffers = buffers;
	for (__u32 i = 0; i < most; i++) {
		__u64 base = g->iov[i].iov_base;
		__u64 len = g->iov[i].iov_len;
		__u64 got = g->got;
		__u32 copied;

		barrier_var(got);
		if (i >= g->buffers || g->left == 0 || got >= MAX_CAPTURE)
			break;
		if (g->skip >= len) {
			g->skip -= len;
			continue;
		}
		base += g->skip;
		len -= g->skip;
		g->skip = 0;
		copied = copy(to + got, base, len, g->left);
		g->got += copied;
		g->left -= copied;
		if (g->left != 0 && copied != len)
			break; /* a hole: what follows has no place */
	}
	return g->got;
}

/* read_peer notes who a datagram came from or goes to: the address that the call
 * names, else the one that the socket is connected to.
 */
static __always_inline void read_peer(struct transfer *t, struct sock *sk, __u64 sockaddr,
				      __u64 len)
{
	struct endpoint *peer = &((struct datagram_peer *)t->scratch->data)->remote;
	struct {
		__u16 family;
		__be16 port;
		__u8 addr4[4];
		__u8 addr6[16];
	} sa = {};

	__builtin_memset(peer, 0, sizeof(*peer));
	if (sockaddr && len >= 16)
		bpf_probe_read_user(&sa, len >= 24 ? 24 : 16, (void *)sockaddr);
	if (sa.family == AF_INET) {
		__builtin_memcpy(peer->addr, sa.addr4, 4);
	} else if (sa.family == AF_INET6) {
		__builtin_memcpy(peer->addr, sa.addr6, 16);
	} else {
		read_remote(peer, sk);
		return;
	}
	peer->family = sa.family;
	peer->port = bpf_ntohs(sa.port);
}

#endif
