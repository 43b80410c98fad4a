// SPDX-License-Identifier: GPL-2.0-only
/* One record in the ring for each segment that bpf/segments.c sees, which stands before this file. */

/* The rings, one per CPU. Inserted by: tcpio/kernel/ring.py. Read by: submit(). Bound by: possible CPUs. */
BPF_PERF_OUTPUT(events);

/* enum tcp_outcome -> segments. Counted by: count(). Read by: tcpio/kernel/load.py, which sums the CPUs. */
BPF_PERCPU_ARRAY(counts, u64, TCP_OUTCOMES);

/* Atomic, since a softirq may run a program of its own in the middle; without fetch, which needs 5.12. */
static __always_inline void count(u32 outcome)
{
	u64 *counter = counts.lookup(&outcome);

	if (counter)
		__sync_fetch_and_add(counter, 1);
}

static __always_inline void count_refused(const volatile struct sk_buff *skb)
{
}

static __always_inline void count_unreadable(const volatile struct sk_buff *skb)
{
	count(TCP_UNREADABLE);
}

static __always_inline int is_left_out(struct sk_buff *skb, enum role role)
{
	return 0;
}

#define ENOSPC 28	/* include/uapi/asm-generic/errno-base.h: what perf_output_begin() gives if a ring has no room */
#define FLAG_BITS 8
#define PERIOD 1UL

#ifdef TCPIO_COUNTS_OVERLOAD

/* What is counted of segments that are not printed; read by tcpio/kernel/overload.py as a row of u64. */
struct tally {
	u64 segments;
	u64 bytes;	/* bytes, TCP payload */
	u64 flags[FLAG_BITS];	/* segments with this bit of the TCP header: FIN first */
};

/*
 * When the first ring was full, in ns of CLOCK_MONOTONIC, but for the lowest bit, which is the period's: of two that
 * follow each other one has 0 and one has 1. Nothing but that bit while records are written. Set by: is_tallied(). Read
 * by: submit(). Cleared for the next period by: tcpio/kernel/overload.py. Bound by: one, for all CPUs.
 */
BPF_ARRAY(overload, u64, 1);

/* enum tcp_dir, and 2 in the odd periods -> what was not printed. Counted by: is_tallied(). Bound by: four per CPU. */
BPF_PERCPU_ARRAY(tallies, struct tally, 4);

static __always_inline u64 read_overload(void)
{
	u32 only = 0;
	u64 *word = overload.lookup(&only);

	return word ? *(volatile u64 *)word : 0;
}

/*
 * Whether a segment for which there is no room is counted; none has any more until the reader has caught up. Of what
 * period it is, is what the program has read before it submits.
 */
static __always_inline int is_tallied(const struct tcp_record *r, int error, u64 word)
{
	u32 only = 0, which = r->dir + (word & PERIOD) * 2;
	u64 *now = overload.lookup(&only);
	struct tally *t = tallies.lookup(&which);

	if (error != -ENOSPC || !now || !t)
		return 0;
	if (*now <= PERIOD)
		*now = (r->ts_ns & ~PERIOD) | (word & PERIOD);
	__sync_fetch_and_add(&t->segments, 1);
	__sync_fetch_and_add(&t->bytes, r->bytes);
#pragma unroll
	for (u32 bit = 0; bit < FLAG_BITS; bit++)
		if (r->flags & 1 << bit)
			__sync_fetch_and_add(&t->flags[bit], 1);
	return 1;
}

#else

static __always_inline u64 read_overload(void)
{
	return 0;
}

static __always_inline int is_tallied(const struct tcp_record *r, int error, u64 word)
{
	return 0;
}

#endif

/*
 * A record is stamped when it is written: the sooner it is in the ring, the less may come between. What is in a ring is
 * counted by who reads it: an atomic add here would wait for the record's cache lines.
 */
static __always_inline void submit(void *ctx, struct tcp_record *r)
{
	u64 word = read_overload();
	int error;

	r->ts_ns = bpf_ktime_get_ns();
	r->cpu = bpf_get_smp_processor_id();
	error = word > PERIOD ? -ENOSPC : events.perf_submit(ctx, r, sizeof(*r));
	if (error && !is_tallied(r, error, word))
		count(TCP_LOST);
}
