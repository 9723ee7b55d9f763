/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel side and the Go side of the socket tracer share. Go reads these
 * types through bpf2go, so that neither side can drift.
 */
#ifndef PUCK_SOCKTRACE_H
#define PUCK_SOCKTRACE_H

#include <linux/types.h>

enum limit {
	/* The most bytes that are copied of one call. A power of two. */
	MAX_CAPTURE = 65536,
	/* The verifier on 5.10 walks each iteration. */
	MAX_IOVECS = 16,
	/* Messages of one recvmmsg or sendmmsg that are told of: servers of datagrams are
	 * seen to take up to 64. The kernel allows UIO_MAXIOV.
	 */
	MAX_MESSAGES = 64,
	MAX_MESSAGES_UNROLLED = 8, /* before 5.17 */
	MAX_MESSAGE_IOVECS = 4,	   /* of each of them */
	/* Bytes copied of a call in the middle of a body while the ring is half full. */
	BULK_CAPTURE = 256,
	ARGS_LEN = 512,
	EXE_LEN = 64,
	CGROUP_LEN = 128,
	UNIX_PATH_LEN = 108,
};

enum side {
	SIDE_SEND,
	SIDE_RECV,
	SIDES, /* no side yet */
};

/* The same numbers as the column trace_role. */
enum role {
	ROLE_CLIENT = 1,
	ROLE_SERVER = 2,
	ROLE_UNKNOWN = 4,
};

enum transport {
	TRANSPORT_TCP = 1,
	TRANSPORT_UDP = 2,
	TRANSPORT_UNIX = 3,
};

enum event_kind {
	EVENT_DATA = 1, /* struct data_event and the bytes */
	EVENT_DATAGRAM, /* struct data_event, struct datagram_peer and the bytes */
	EVENT_OPEN,	/* struct open_event: a connection, or its next owner */
	EVENT_END,	/* struct end_event: no more bytes on a side */
	EVENT_CLOSE,	/* struct close_event: the socket is gone */
	EVENT_PROCESS,	/* struct process_event: before its first connection */
	EVENT_EXIT,	/* struct exit_event: a process seen before has ended */
};

/* What the byte of a verdict word says: 0 copy as configured, 1 copy nothing, n
 * copy up to 2^n bytes of each call.
 */
enum verdict {
	VERDICT_DEFAULT = 0,
	VERDICT_IGNORE = 1,
};

enum port_rule {
	PORT_INCLUDE = 1,
	PORT_EXCLUDE = 2,
};

/* Every path that drops something counts it here. */
enum counter {
	COUNT_DATA_EVENTS,     /* data events handed over */
	COUNT_DATA_BYTES,      /* bytes copied in them */
	COUNT_MOVED_BYTES,     /* bytes that traced calls moved */
	COUNT_RING_FULL_DATA,  /* data events dropped, the ring had no room for data */
	COUNT_RING_FULL_BYTES, /* bytes that the application moved with them */
	COUNT_RING_FULL_OTHER, /* other events dropped, sent again later if they can be */
	COUNT_MAP_FULL,	       /* calls on sockets that found no room in connections */
	COUNT_TRUNCATED_BYTES, /* bytes not copied: beyond the capture size */
	COUNT_FAULTS,	       /* calls whose memory could not be read */
	COUNT_IGNORED_CALLS,   /* calls on connections with VERDICT_IGNORE */
	COUNT_SKIPPED_CALLS,   /* calls that moved nothing but bytes to be skipped */
	COUNT_SKIPPED_BYTES,   /* bytes that user space asked to skip */
	COUNT_FILTERED,	       /* connections left out by configuration */
	COUNT_UNPLACED,	       /* sends and receives not seen: jumps in a byte stream */
	COUNT_OPENED,	       /* connections entered in the map */
	COUNT_CLOSED,	       /* connections removed from the map */
	COUNTERS,
};

struct event_header {
	__u64 conn;
	__u64 ts_ns; /* CLOCK_MONOTONIC */
	__u8 kind;   /* enum event_kind */
	__u8 side;   /* enum side */
	__u8 role;   /* enum role */
	__u8 _pad;
	__u32 captured; /* bytes behind the structure */
};

/* A slice of what an application read or wrote. pos is the offset of data in the
 * direction's byte stream: a jump in pos means that bytes were not copied. Its low
 * 32 bits are the TCP sequence number of the first byte.
 */
struct data_event {
	struct event_header header;
	__u64 pos;
	__u32 len;	/* bytes the application moved */
	__u32 queue_ns; /* received bytes: how long they lay in the socket's queue */
};

struct endpoint {
	__u8 addr[16]; /* network order; IPv4 in the first four bytes */
	__u16 port;
	__u16 family; /* AF_INET, AF_INET6, or AF_UNIX: then nothing else is set */
};

/* What lies between a data_event of kind EVENT_DATAGRAM and the datagram's bytes. */
struct datagram_peer {
	struct endpoint remote;
	__u32 _pad;
};

struct open_event {
	struct event_header header;
	__u64 start_ns; /* of the owner, CLOCK_BOOTTIME */
	__u64 bytes[2]; /* moved so far, by side */
	__u64 pos[2];	/* offset of the next byte, by side; 0 if it is not known yet */
	struct endpoint local;
	struct endpoint remote;
	__u32 tgid;
	__u32 netns;
	__u8 transport;
	__u8 known; /* the connection was there before: this is a new owner */
	__u8 _pad[2];
	char path[UNIX_PATH_LEN];
};

struct end_event {
	struct event_header header;
	__u64 pos;	/* behind the side's last byte; 0 if it is not known */
	__u64 moved_ns; /* when it was moved */
};

struct close_event {
	struct event_header header;
	__u64 bytes[2];	   /* moved in all, by side */
	__u64 pos[2];	   /* behind the last byte, by side; 0 if it is not known */
	__u64 moved_ns[2]; /* when it was moved */
};

struct process_event {
	struct event_header header;
	__u64 start_ns;
	__u32 tgid;
	__u32 args_len;
	char comm[16];
	char exe[EXE_LEN];
	char cgroup[CGROUP_LEN];	/* leaf in the unified hierarchy */
	char cgroup_memory[CGROUP_LEN]; /* leaf in the hierarchy of the memory controller */
	char args[ARGS_LEN];		/* parted by NUL, cut */
};

struct exit_event {
	struct event_header header;
	__u64 start_ns;
	__u32 tgid;
	__u32 _pad;
};

/* Value of the map verdicts: what user space wants of a connection. Each word says
 * by itself whose it is, since connections may share the entry and its writer takes
 * no lock.
 */
struct verdict_entry {
	__u64 word;    /* (connection << 8) | enum verdict */
	__u64 skip[2]; /* by side: (position << 16) | tag of the connection: nothing
			* before the position is of use
			*/
};

/* Value of the map connections. */
struct connection {
	__u64 id;
	__u64 inode;  /* of the socket: an address is used again, an inode number is not soon */
	__u64 pos[2]; /* offset of the next byte, by side */
	__u64 bytes[2];	   /* moved, by side */
	__u64 moved_ns[2]; /* when the latest bytes were moved, by side */
	__u64 last_ns;	   /* when the latest call left */
	__u64 start_ns;	   /* of the owner */
	__u32 tgid;	   /* the owner: who moved bytes last */
	__u8 transport;
	__u8 role;
	__u8 family;
	__u8 last_side; /* of the latest call */
	/* What is so is 1. A byte each: two CPUs that change bits of one word would undo
	 * one another's change, and 5.10 has no atomic operation for it.
	 */
	__u8 announced; /* user space has its open_event */
	__u8 ignored;	/* left out by configuration */
	__u8 placed[2]; /* pos is known, by side */
	__u8 ended[2];	/* end_event was sent, by side */
	__u8 tcp_sock;	/* the socket is a struct tcp_sock */
	__u8 _pad;
};

/* Value of the map processes. */
struct process {
	__u64 start_ns;
	__u64 announced_ns; /* ts_ns of its process_event, 0 if it found no room */
};

/* What the iterator iter_sockets writes for each descriptor of a socket. */
struct live_socket {
	__u64 sk;
	__u64 inode;
};

_Static_assert(sizeof(struct event_header) == 24, "shared with Go");
_Static_assert(sizeof(struct data_event) == 40, "shared with Go");
_Static_assert(sizeof(struct endpoint) == 20, "shared with Go");
_Static_assert(sizeof(struct datagram_peer) == 24, "shared with Go");
_Static_assert(sizeof(struct open_event) == 224, "shared with Go");
_Static_assert(sizeof(struct end_event) == 40, "shared with Go");
_Static_assert(sizeof(struct close_event) == 72, "shared with Go");
_Static_assert(sizeof(struct process_event) == 888, "shared with Go");
_Static_assert(sizeof(struct exit_event) == 40, "shared with Go");
_Static_assert(sizeof(struct verdict_entry) == 24, "shared with Go");
_Static_assert(sizeof(struct connection) == 96, "shared with Go");

#endif
