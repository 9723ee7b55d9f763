// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

/* The socket tracer: copies a slice of what each process reads from and writes to
 * its sockets into a ring buffer. It knows no protocol. What the parser thinks of
 * a connection comes back through the map verdicts.
 *
 * A connection is the socket that a descriptor points at, never the descriptor:
 * so dup, fork and descriptors passed between processes need no care.
 */
#include "../include/call.h"
#include "socktrace.h"

#include "maps.h"
#include "announce.h"
#include "connection.h"
#include "transfer.h"
#include "calls.h"

/* Types that Go needs and no map or function mentions: clang keeps only what is
 * used in the object's BTF.
 */
const enum limit *unused_limit __attribute__((unused));
const enum side *unused_side __attribute__((unused));
const enum role *unused_role __attribute__((unused));
const enum transport *unused_transport __attribute__((unused));
const enum event_kind *unused_event_kind __attribute__((unused));
const enum verdict *unused_verdict __attribute__((unused));
const enum port_rule *unused_port_rule __attribute__((unused));
const enum counter *unused_counter __attribute__((unused));
const struct data_event *unused_data_event __attribute__((unused));
const struct datagram_peer *unused_datagram_peer __attribute__((unused));
const struct open_event *unused_open_event __attribute__((unused));
const struct end_event *unused_end_event __attribute__((unused));
const struct close_event *unused_close_event __attribute__((unused));
const struct process_event *unused_process_event __attribute__((unused));
const struct exit_event *unused_exit_event __attribute__((unused));
const struct verdict_entry *unused_verdict_entry __attribute__((unused));
const struct live_socket *unused_live_socket __attribute__((unused));

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tracepoint/syscalls/sys_exit_read")
int trace_read_exit(struct sys_exit *ctx)
{
	return on_buffer(ctx, SIDE_RECV, 0);
}

SEC("tracepoint/syscalls/sys_exit_write")
int trace_write_exit(struct sys_exit *ctx)
{
	return on_buffer(ctx, SIDE_SEND, 0);
}

SEC("tracepoint/syscalls/sys_exit_recvfrom")
int trace_recvfrom_exit(struct sys_exit *ctx)
{
	return on_buffer(ctx, SIDE_RECV, 1);
}

SEC("tracepoint/syscalls/sys_exit_sendto")
int trace_sendto_exit(struct sys_exit *ctx)
{
	return on_buffer(ctx, SIDE_SEND, 1);
}

SEC("tracepoint/syscalls/sys_exit_readv")
int trace_readv_exit(struct sys_exit *ctx)
{
	return on_iovecs(ctx, SIDE_RECV);
}

SEC("tracepoint/syscalls/sys_exit_writev")
int trace_writev_exit(struct sys_exit *ctx)
{
	return on_iovecs(ctx, SIDE_SEND);
}

SEC("tracepoint/syscalls/sys_exit_recvmsg")
int trace_recvmsg_exit(struct sys_exit *ctx)
{
	return on_message(ctx, SIDE_RECV);
}

SEC("tracepoint/syscalls/sys_exit_sendmsg")
int trace_sendmsg_exit(struct sys_exit *ctx)
{
	return on_message(ctx, SIDE_SEND);
}

SEC("tracepoint/syscalls/sys_exit_recvmmsg")
int trace_recvmmsg_exit(struct sys_exit *ctx)
{
	return on_messages(ctx, SIDE_RECV, true);
}

SEC("tracepoint/syscalls/sys_exit_recvmmsg")
int trace_recvmmsg_exit_unrolled(struct sys_exit *ctx)
{
	return on_messages(ctx, SIDE_RECV, false);
}

SEC("tracepoint/syscalls/sys_exit_sendmmsg")
int trace_sendmmsg_exit(struct sys_exit *ctx)
{
	return on_messages(ctx, SIDE_SEND, true);
}

SEC("tracepoint/syscalls/sys_exit_sendmmsg")
int trace_sendmmsg_exit_unrolled(struct sys_exit *ctx)
{
	return on_messages(ctx, SIDE_SEND, false);
}

/* sendfile64(out_fd, in_fd, offset, count): the bytes come from a file, so that
 * only their number is told.
 */
SEC("tracepoint/syscalls/sys_exit_sendfile64")
int trace_sendfile_exit(struct sys_exit *ctx)
{
	return on_length(ctx, syscall_arg(user_registers(), 0), SIDE_SEND);
}

/* splice(fd_in, off_in, fd_out, off_out, len, flags): one end is a pipe. */
SEC("tracepoint/syscalls/sys_exit_splice")
int trace_splice_exit(struct sys_exit *ctx)
{
	struct pt_regs *regs = user_registers();

	on_length(ctx, syscall_arg(regs, 0), SIDE_RECV);
	return on_length(ctx, syscall_arg(regs, 2), SIDE_SEND);
}

SEC("tracepoint/syscalls/sys_exit_connect")
int trace_connect_exit(struct sys_exit *ctx)
{
	struct socket_ref ref;

	if (ctx->ret != 0 && ctx->ret != -EINPROGRESS)
		return 0;
	if (socket_of_file(file_of(syscall_arg(user_registers(), 0)), &ref))
		open_connection(&ref, ROLE_CLIENT);
	return 0;
}

static __always_inline int on_accept(struct sys_exit *ctx)
{
	struct socket_ref ref;

	if (ctx->ret < 0)
		return 0;
	if (socket_of_file(file_of(ctx->ret), &ref))
		open_connection(&ref, ROLE_SERVER);
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_accept")
int trace_accept_exit(struct sys_exit *ctx)
{
	return on_accept(ctx);
}

SEC("tracepoint/syscalls/sys_exit_accept4")
int trace_accept4_exit(struct sys_exit *ctx)
{
	return on_accept(ctx);
}

/* The end of a TCP socket is told by its state, whoever ends it. Of other sockets
 * nothing but the close of the last descriptor tells it; what a killed process
 * leaves is found by the iterator below.
 */
SEC("tracepoint/syscalls/sys_enter_close")
int trace_close_enter(struct sys_enter *ctx)
{
	struct file *file = file_of(ctx->args[0]);
	struct connection *conn;
	struct socket_ref ref;

	if (!socket_of_file(file, &ref))
		return 0;
	conn = known_connection(&ref);
	if (conn && !conn->tcp_sock && last_reference(file))
		remove_connection(conn, (__u64)ref.sk);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(trace_sock_state, const struct sock *sk, int oldstate, int newstate)
{
	__u64 key = (__u64)sk;
	struct connection *conn;

	switch (newstate) {
	case TCP_FIN_WAIT1: /* our side closed first */
	case TCP_LAST_ACK:  /* our side closed after the peer */
	case TCP_CLOSE:	    /* reset, or all done */
		break;
	default:
		return 0;
	}
	conn = bpf_map_lookup_elem(&connections, &key);
	if (conn)
		end_side(conn, SIDE_SEND);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(trace_tcp_destroy, const struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct connection *conn;

	conn = bpf_map_lookup_elem(&connections, &key);
	if (conn)
		remove_connection(conn, key);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(trace_process_exit, struct task_struct *task)
{
	__u32 tgid = task->tgid;
	struct exit_event event = {};
	struct process *process;

	/* The last thread takes the process with it. */
	if (BPF_CORE_READ(task, signal, live.counter) != 0)
		return 0;
	process = bpf_map_lookup_elem(&processes, &tgid);
	if (!process)
		return 0;
	event.header.kind = EVENT_EXIT;
	event.header.ts_ns = bpf_ktime_get_ns();
	event.start_ns = process->start_ns;
	event.tgid = tgid;
	bpf_map_delete_elem(&processes, &tgid);
	bpf_map_delete_elem(&left_out, &tgid);
	submit(0, &event, sizeof(event));
	return 0;
}

/* A process that becomes another program is announced again. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(trace_process_exec, struct task_struct *task)
{
	__u32 tgid = task->tgid;

	bpf_map_delete_elem(&processes, &tgid);
	return 0;
}

/* Connections older than the agent. User space reads it to its end once, before
 * the other programs are attached: who reads it is the agent itself.
 */
SEC("iter/task_file")
int iter_connections(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket_ref ref;

	agent_tgid = bpf_get_current_pid_tgid() >> 32;
	if (!task || !file)
		return 0;
	if (socket_of_file(file, &ref))
		adopt_connection(&ref, task);
	return 0;
}

/* The sockets that processes hold, for user space to find the entries whose socket
 * is gone without a word: a killed process closes its UDP and UNIX sockets so, and
 * the kernel may have skipped a program.
 */
SEC("iter/task_file")
int iter_sockets(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct live_socket live = {};
	struct socket_ref ref;

	if (!ctx->task || !file || !socket_of_file(file, &ref))
		return 0;
	live.sk = (__u64)ref.sk;
	live.inode = ref.inode;
	bpf_seq_write(ctx->meta->seq, &live, sizeof(live));
	return 0;
}
