/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The system calls by the form of their arguments. */
#ifndef PUCK_SOCKTRACE_CALLS_H
#define PUCK_SOCKTRACE_CALLS_H

#include "transfer.h"

/* moved_nothing handles a call that returned 0: a received stream has ended. */
static __always_inline int moved_nothing(struct socket_ref *ref, __u8 side)
{
	struct connection *conn;
	struct sock *sk = ref->sk;

	if (side == SIDE_SEND)
		return 0;
	conn = known_connection(ref);
	if (conn && conn->transport != TRANSPORT_UDP && receive_shutdown(sk))
		end_side(conn, SIDE_RECV);
	return 0;
}

/* length_only places and tells of bytes that are not copied. */
static __always_inline int length_only(struct socket_ref *ref, __u64 n, __u8 side)
{
	struct transfer t = {};

	if (begin(&t, ref, n, side))
		hand_over(&t, 0, t.len);
	return 0;
}

/* on_buffer handles read(fd, buf, len) and its likes; has_flags those with flags
 * and an address behind.
 */
static __always_inline int on_buffer(struct sys_exit *ctx, __u8 side, const bool has_flags)
{
	struct transfer t = {};
	struct pt_regs *regs;
	struct socket_ref ref;
	__u64 flags = 0;
	__u32 len = 0;

	if (ctx->ret < 0)
		return 0;
	regs = user_registers();
	if (!socket_of_file(file_of(syscall_arg(regs, 0)), &ref))
		return 0;
	if (has_flags)
		flags = syscall_arg(regs, 3);
	if (side == SIDE_RECV && (flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)))
		return 0;
	if (ctx->ret == 0)
		return moved_nothing(&ref, side);
	if (!begin(&t, &ref, ctx->ret, side))
		return 0;
	if (t.conn->transport == TRANSPORT_UDP) {
		if (has_flags && side == SIDE_RECV)
			bpf_probe_read_user(&len, sizeof(len), (void *)syscall_arg(regs, 5));
		else if (has_flags)
			len = syscall_arg(regs, 5);
		read_peer(&t, ref.sk, has_flags ? syscall_arg(regs, 4) : 0, len);
	} else if (side == SIDE_RECV && (flags & MSG_TRUNC)) {
		t.capture = 0; /* tcp(7): the bytes are discarded, not written */
	}
	hand_over(&t, copy(payload(&t), syscall_arg(regs, 1) + t.skip, t.len, t.capture),
		  t.len);
	return 0;
}

/* on_iovecs handles readv and writev(fd, iov, count). */
static __always_inline int on_iovecs(struct sys_exit *ctx, __u8 side)
{
	struct transfer t = {};
	struct pt_regs *regs;
	struct socket_ref ref;

	if (ctx->ret < 0)
		return 0;
	regs = user_registers();
	if (!socket_of_file(file_of(syscall_arg(regs, 0)), &ref))
		return 0;
	if (ctx->ret == 0)
		return moved_nothing(&ref, side);
	if (!begin(&t, &ref, ctx->ret, side))
		return 0;
	if (t.conn->transport == TRANSPORT_UDP)
		read_peer(&t, ref.sk, 0, 0);
	hand_over(&t,
		  gather(&t, syscall_arg(regs, 1), syscall_arg(regs, 2), t.len, t.skip,
			 MAX_IOVECS),
		  t.len);
	return 0;
}

/* message hands over n bytes of one struct user_msghdr, those behind the first skip. */
static __always_inline void message(struct transfer *t, struct sock *sk,
				    struct user_msghdr *header, __u64 n, __u64 skip,
				    const int most)
{
	if (t->conn->transport == TRANSPORT_UDP)
		read_peer(t, sk, header->msg_name, header->msg_namelen);
	hand_over(t, gather(t, header->msg_iov, header->msg_iovlen, n, skip, most), n);
}

/* on_message handles sendmsg and recvmsg(fd, msghdr, flags). */
static __always_inline int on_message(struct sys_exit *ctx, __u8 side)
{
	struct transfer t = {};
	struct user_msghdr header;
	struct pt_regs *regs;
	struct socket_ref ref;
	__u64 flags;

	if (ctx->ret < 0)
		return 0;
	regs = user_registers();
	if (!socket_of_file(file_of(syscall_arg(regs, 0)), &ref))
		return 0;
	flags = syscall_arg(regs, 2);
	if (side == SIDE_RECV && (flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)))
		return 0;
	if (ctx->ret == 0)
		return moved_nothing(&ref, side);
	if (!begin(&t, &ref, ctx->ret, side))
		return 0;
	if (bpf_probe_read_user(&header, sizeof(header), (void *)syscall_arg(regs, 1))) {
		count(COUNT_FAULTS, 1);
		__builtin_memset(&header, 0, sizeof(header));
	}
	if (side == SIDE_RECV && (flags & MSG_TRUNC) && t.conn->transport != TRANSPORT_UDP)
		t.capture = 0;
	message(&t, ref.sk, &header, t.len, t.skip, MAX_IOVECS);
	return 0;
}

/* A walk over the messages of recvmmsg or sendmmsg. Its progress is in the scratch
 * memory for the same reason as gather's.
 */
struct message_walk {
	struct transfer t;
	struct sock *sk;
	struct messages *m;
};

/* Both are callbacks of bpf_loop, which end the loop by returning 1. */
static int add_length(__u32 i, struct message_walk *w)
{
	__u32 len = 0;

	if (i >= w->m->n)
		return 1;
	bpf_probe_read_user(&len, sizeof(len), &((struct mmsghdr *)w->m->base + i)->msg_len);
	w->m->left += len;
	return 0;
}

static int hand_over_message(__u32 i, struct message_walk *w)
{
	struct mmsghdr *m = &w->m->current;

	if (i >= w->m->n)
		return 1;
	if (bpf_probe_read_user(m, sizeof(*m), (struct mmsghdr *)w->m->base + i)) {
		count(COUNT_FAULTS, 1);
		return 1;
	}
	w->m->left -= m->msg_len;
	message(&w->t, w->sk, &m->msg_hdr, m->msg_len, 0, MAX_MESSAGE_IOVECS);
	return 0;
}

/* on_messages handles sendmmsg and recvmmsg(fd, mmsghdr, count, flags), which
 * return a number of messages. Of those beyond the bound only bytes are counted.
 * With loop, which needs bpf_loop, since 5.17 (commit e6f2dd0f8067), a message's code
 * is verified once and not for each turn. Kernels without it refuse a program that
 * takes a callback's address, even in dead code: so there are two of each.
 */
static __always_inline int on_messages(struct sys_exit *ctx, __u8 side, const bool loop)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct message_walk w = {};
	struct scratch *scratch;
	struct pt_regs *regs;
	struct socket_ref ref;

	if (ctx->ret <= 0)
		return 0;
	regs = user_registers();
	if (!socket_of_file(file_of(syscall_arg(regs, 0)), &ref))
		return 0;
	if (side == SIDE_RECV && (syscall_arg(regs, 3) & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)))
		return 0;
	scratch = bpf_map_lookup_elem(&scratches, &cpu);
	if (!scratch)
		return 0;
	w.sk = ref.sk;
	w.m = &scratch->messages;
	w.m->base = syscall_arg(regs, 1);
	w.m->n = ctx->ret;
	w.m->left = 0;
	if (loop) {
		bpf_loop(UIO_MAXIOV, add_length, &w, 0);
	} else {
		for (int i = 0; i < MAX_MESSAGES; i++)
			if (add_length(i, &w))
				break;
	}
	if (!begin(&w.t, &ref, w.m->left, side))
		return 0;
	w.t.pos -= w.t.skip; /* each message is told of as a whole */
	w.t.skip = 0;
	if (loop) {
		bpf_loop(MAX_MESSAGES, hand_over_message, &w, 0);
	} else {
		for (int i = 0; i < MAX_MESSAGES_UNROLLED; i++)
			if (hand_over_message(i, &w))
				break;
	}
	if (w.m->left == 0)
		return 0;
	if (w.t.conn->transport != TRANSPORT_UDP) {
		hand_over(&w.t, 0, w.m->left);
		return 0;
	}
	count(COUNT_MOVED_BYTES, w.m->left);
	count(COUNT_TRUNCATED_BYTES, w.m->left);
	return 0;
}

/* on_length handles calls that move bytes from or to fd without a buffer. */
static __always_inline int on_length(struct sys_exit *ctx, __u64 fd, __u8 side)
{
	struct socket_ref ref;

	if (ctx->ret <= 0 || !socket_of_file(file_of(fd), &ref))
		return 0;
	return length_only(&ref, ctx->ret, side);
}

#endif
