/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a bucket of counters is known by: the socket's address, or the part of it that was asked for. The members
 * have the names that they have in a segment's record, so one filter serves both; see bpf/record.h for the subset
 * of C that this is.
 */
#ifndef TCPIO_BUCKET_H
#define TCPIO_BUCKET_H

struct tcp_bucket {
	u64 laddr[2];	/* address, network order, IPv4 as v4-mapped (RFC 4291, 2.5.5.2) */
	u64 raddr[2];	/* address, as laddr; 0 for a listener */
	u32 netns;	/* inode, of the network namespace: net->ns.inum */
	u16 lport;	/* port, host order */
	u16 rport;	/* port, host order */
};
_Static_assert(sizeof(struct tcp_bucket) == 40, "as tcpio/schema/bucket.py reads it");

/* A socket that closed, and what its struct tcp_sock said of its life; its bucket's members come first. */
struct tcp_closed {
	u64 laddr[2];	/* address, as in tcp_bucket */
	u64 raddr[2];	/* address, as in tcp_bucket */
	u32 netns;	/* inode, as in tcp_bucket */
	u16 lport;	/* port, as in tcp_bucket */
	u16 rport;	/* port, as in tcp_bucket */
	u64 ts_ns;	/* ns, CLOCK_MONOTONIC: when it closed */
	u64 lifetime_ns;	/* ns, from its beginning to ts_ns, 0 if that was not seen */
	u64 bytes_acked;	/* bytes, tp->bytes_acked: sent and acknowledged */
	u64 bytes_received;	/* bytes, tp->bytes_received */
	u64 bytes_retrans;	/* bytes, tp->bytes_retrans */
	u32 segs_out;	/* segments, tp->segs_out */
	u32 segs_in;	/* segments, tp->segs_in */
	u32 srtt_us;	/* us, tp->srtt_us >> 3 */
	u32 min_rtt_us;	/* us, tp->rtt_min, ~0 if none was measured */
	u32 dsack_dups;	/* blocks, tp->dsack_dups */
	u32 reord_seen;	/* events, tp->reord_seen */
};
_Static_assert(sizeof(struct tcp_closed) == 104, "as tcpio/schema/bucket.py reads it");

#endif
