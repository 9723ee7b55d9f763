/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps, the configuration, and what every part uses: counters and rings. */
#ifndef PUCK_SOCKTRACE_MAPS_H
#define PUCK_SOCKTRACE_MAPS_H

#include "../include/kernel.h"
#include "socktrace.h"

const volatile __u32 capture_size = 4096; /* bytes of each call, at most MAX_CAPTURE */
const volatile __u32 ring_mask = 0;	  /* number of rings, a power of two, less one */
const volatile __u32 verdict_mask = 0;	  /* number of verdict words less one */
const volatile __u32 wakeup_bytes = 65536;
/* Bytes of a ring that data may fill. The rest is for the events that tell of
 * connections and processes, whose loss costs more.
 */
const volatile __u64 data_room = 4096;
const volatile __u32 id_stride = 1; /* number of possible CPUs and one for the iterator */
const volatile bool trace_udp = false;
const volatile bool trace_unix = false;
const volatile bool trace_clients = true;
const volatile bool trace_servers = true;
const volatile bool only_included_ports = false;

/* The agent's own thread group, set by iter_connections. */
__u32 agent_tgid;

/* How many connections iter_connections has entered. */
__u32 adopted;

/* What a call's bytes are gathered in. Twice MAX_CAPTURE, so that an offset and a
 * length below MAX_CAPTURE each are within bounds for the verifier.
 */
struct scratch {
	struct gathering {
		struct iovec iov[MAX_IOVECS];
		__u64 skip; /* bytes before those to copy */
		__u32 got;
		__u32 left;
		__u32 buffers;
		__u32 _pad;
	} gathering;
	/* The call's messages: struct mmsghdr[n] in user space. */
	struct messages {
		__u64 base;
		__u64 n;
		__u64 left; /* bytes of those not handed over yet */
		struct mmsghdr current;
	} messages;
	struct data_event event;
	__u8 data[2 * MAX_CAPTURE + 64];
};

struct counts {
	__u64 of[COUNTERS];
};

/* socket address -> connection. Entered at connect, accept, a first call or by
 * the iterator; removed when the socket is destroyed or closed, or by user space
 * once its socket is gone.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct connection);
} connections SEC(".maps");

/* thread group -> what is known of it. Entered by the kernel side; removed at exit
 * and exec. Dropping the least recently used costs one more process_event.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct process);
} processes SEC(".maps");

/* thread group -> ts_ns of the process_event by which user space decided to leave it
 * out. Written by user space, removed at exit. An exec may come between the two: the
 * decision is not about what is announced after it, and the times differ then.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u64);
} left_out SEC(".maps");

/* connection id & verdict_mask -> what user space wants of it, written through
 * mmap. A newer connection may take an older one's words: then that one is copied
 * again until user space says so again.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 131072);
	__type(key, __u32);
	__type(value, struct verdict_entry);
} verdicts SEC(".maps");

/* port -> enum port_rule bits, written by user space before attaching. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u16);
	__type(value, __u8);
} ports SEC(".maps");

/* ring of a connection: all events of one connection go to one ring, in order. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_RINGBUF);
			__uint(max_entries, 4096);
		});
} rings SEC(".maps");

/* CPU -> scratch. Not a per-CPU array, whose values must be under 32 KiB. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counts);
} counters SEC(".maps");

/* The next connection number of each CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} next_ids SEC(".maps");

static __always_inline struct counts *all_counts(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&counters, &zero);
}

/* count is atomic: a tracepoint in a soft interrupt may run within another's. */
static __always_inline void count(const __u32 counter, __u64 n)
{
	struct counts *counts = all_counts();

	if (counts)
		__sync_fetch_and_add(&counts->of[counter], n);
}

static __always_inline void *ring_of(__u64 conn)
{
	__u32 ring = (__u32)((conn * 0x9e3779b97f4a7c15ULL) >> 40) & ring_mask;

	return bpf_map_lookup_elem(&rings, &ring);
}

/* A reader is woken when the bytes that wait pass wakeup_bytes, not at each event;
 * it looks by itself from time to time for the rest.
 */
static __always_inline __u64 wakeup_flags(__u64 waiting, __u64 size)
{
	if (waiting < wakeup_bytes && waiting + size >= wakeup_bytes)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

static __always_inline __u64 waiting_bytes(void *ring)
{
	return bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
}

/* submit hands over an event other than data. */
static __always_inline bool submit(__u64 conn, void *event, __u64 size)
{
	void *ring = ring_of(conn);

	if (ring &&
	    bpf_ringbuf_output(ring, event, size, wakeup_flags(waiting_bytes(ring), size)) == 0)
		return true;
	count(COUNT_RING_FULL_OTHER, 1);
	return false;
}

#endif
