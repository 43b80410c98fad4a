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

/* A record is stamped when it is written: the sooner it is in the ring, the less may come between. */
static __always_inline void submit(void *ctx, struct tcp_record *r)
{
	r->ts_ns = bpf_ktime_get_ns();
	r->cpu = bpf_get_smp_processor_id();
	count(events.perf_submit(ctx, r, sizeof(*r)) ? TCP_LOST : TCP_SUBMITTED);
}
