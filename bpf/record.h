/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one event that tcpio's eBPF programs send to user space: a TCP segment. This file is the only
 * description of its layout: the programs include it, and tcpio/schema/layout.py reads it to get the numpy
 * dtype. Presentation is not in it.
 *
 * What layout.py accepts is a strict subset of C: one member a line, fixed-size types, no implicit padding,
 * and a comment that begins with the unit.
 */
#ifndef TCPIO_RECORD_H
#define TCPIO_RECORD_H

struct tcp_record {
	u64 ts_ns;	/* ns, CLOCK_MONOTONIC: bpf_ktime_get_ns() when the program began */
	u64 laddr[2];	/* address, network order, IPv4 as v4-mapped (RFC 4291, 2.5.5.2) */
	u64 raddr[2];	/* address, as laddr */
	u16 lport;	/* port, host order */
	u16 rport;	/* port, host order */
	u32 netns;	/* inode, of the network namespace: net->ns.inum */
	u32 bytes;	/* bytes, TCP payload: skb->len from the TCP header on, less the header */
	u32 seq;	/* sequence number, host order: th->seq */
	u32 ack;	/* sequence number, host order: th->ack_seq */
	u16 segs;	/* segments in a GSO or GRO super-segment: skb_shinfo(skb)->gso_segs, at least 1 */
	u16 win;	/* window as in the header, not scaled: th->window */
	u16 flags;	/* bits of the TCP header: FIN is 0x01, CWR 0x80, AE 0x100 */
	u16 cpu;	/* CPU that ran the program: bpf_get_smp_processor_id() */
	u8 dir;	/* enum tcp_dir */
	u8 state;	/* TCP state of the sending socket (include/net/tcp_states.h), 0 where none is known */
	u8 rtx;	/* 1 if sent and not counted in OutSegs: a retransmission, see is_retransmit() */
	u8 thlen;	/* bytes, TCP header with options: th->doff * 4 */
};
_Static_assert(sizeof(struct tcp_record) == 72, "as tcpio/schema/layout.py reads it");

enum tcp_dir {
	TCP_DIR_SEND = 0,
	TCP_DIR_RECEIVE = 1,
};

/* What became of a segment that is not in a ring: the index into its CPU's counts. */
enum tcp_outcome {
	TCP_LOST = 0,	/* the ring had no room, or this CPU had none */
	TCP_UNREADABLE = 1,	/* the TCP header was not in the linear part of the packet */
	TCP_OUTCOMES = 2,
};

#endif
