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

static __always_inline void count_unreadable(const volatile struct sk_buff *skb)
{
	count(TCP_UNREADABLE);
}

static __always_inline int is_seen_before(struct sk_buff *skb)
{
	return 0;
}

#define ENOSPC 28	/* include/uapi/asm-generic/errno-base.h: what perf_output_begin() gives if a ring has no room */
#define FLAG_BITS 8

#ifdef TCPIO_COUNTS_OVERLOAD

/* What is counted of segments that are not printed; read by tcpio/kernel/overload.py as a row of u64. */
struct tally {
	u64 segments;
	u64 bytes;	/* bytes, TCP payload */
	u64 flags[FLAG_BITS];	/* segments with this bit of the TCP header: FIN first */
};

/*
 * When the first ring was full: ns, CLOCK_MONOTONIC; 0 is when records are written. Set by: is_tallied(). Read by:
 * submit(). Cleared by: tcpio/kernel/overload.py. Bound by: one, for all CPUs.
 */
BPF_ARRAY(overload, u64, 1);

/* enum tcp_dir -> what was not printed. Counted by: is_tallied(). Bound by: two per CPU. */
BPF_PERCPU_ARRAY(tallies, struct tally, 2);

static __always_inline int is_overloaded(void)
{
	u32 only = 0;
	u64 *since_ns = overload.lookup(&only);

	return since_ns && *since_ns;
}

/* Whether a segment for which there is no room is counted; none has any more until the reader has caught up. */
static __always_inline int is_tallied(const struct tcp_record *r, int error)
{
	u32 only = 0, dir = r->dir;
	u64 *since_ns = overload.lookup(&only);
	struct tally *t = tallies.lookup(&dir);

	if (error != -ENOSPC || !since_ns || !t)
		return 0;
	if (!*since_ns)
		*since_ns = r->ts_ns;
	__sync_fetch_and_add(&t->segments, 1);
	__sync_fetch_and_add(&t->bytes, r->bytes);
#pragma unroll
	for (u32 bit = 0; bit < FLAG_BITS; bit++)
		if (r->flags & 1 << bit)
			__sync_fetch_and_add(&t->flags[bit], 1);
	return 1;
}

#else

static __always_inline int is_overloaded(void)
{
	return 0;
}

static __always_inline int is_tallied(const struct tcp_record *r, int error)
{
	return 0;
}

#endif

/* A record is stamped when it is written: the sooner it is in the ring, the less may come between. */
static __always_inline void submit(void *ctx, struct tcp_record *r)
{
	int error;

	r->ts_ns = bpf_ktime_get_ns();
	r->cpu = bpf_get_smp_processor_id();
	error = is_overloaded() ? -ENOSPC : events.perf_submit(ctx, r, sizeof(*r));
	if (!is_tallied(r, error))
		count(error ? TCP_LOST : TCP_SUBMITTED);
}
