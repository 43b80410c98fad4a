// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters, summed up by bucket in the kernel. This file follows bpf/segments.c.
 *
 * tcpio/kernel/counting.py says which hooks see what each counter counts; tcpio/kernel/count_source.py defines, for
 * what was asked for:
 *
 * TCPIO_VALUES		how many counters
 * TCPIO_BUCKETS	the kind of map they are in
 * TCPIO_BY(b)		sets what is not part of a bucket to 0
 * TCPIO_ROWS		how many buckets a CPU keeps near, a power of two, 0 if none: see struct row
 * SLOT_<counter>	the counter's place in a bucket's values, -1 if it was not asked for
 * MIB_<counter>	the counter's place among the kernel's own
 * ROLE_<function>	what it has to do with a segment: enum role in bpf/segments.c
 * TW_KILL_BIT		where struct inet_timewait_sock has tw_kill, in bits
 * TCPIO_FRAMED		how many counters are taken from the kernel's own: see struct frame
 * FRAME_<counter>	its place among these, -1 if it is not
 * FRAMED(X)		X(place, slot, the kernel's table, place in it) for each
 * TCPIO_ON_CLOSE	1 if a socket's bucket ends with the socket
 * TCPIO_STATES_ONLY	1 where neither fentry nor kprobes show more than tracepoints
 */
#include "bucket.h"

#define AF_INET 2
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_FIN_WAIT2 5
#define TCP_CLOSE 7
#define TCP_CLOSE_WAIT 8
#define TCP_LISTEN 10
#define TCP_CA_LOSS 4
#define TCPCB_SACKED_ACKED 0x01	/* include/net/tcp.h: bits of sacked */
#define TCPCB_SACKED_RETRANS 0x02
#define TCPCB_LOST 0x04
#define MSG_PEEK 0x2
#define MSG_ERRQUEUE 0x2000
#define PACKET_OTHERHOST 3
#define MINMAX_FIRST_VALUE 1	/* struct minmax is three times t and v */

struct sums {
	s64 values[TCPIO_VALUES];
#if TCPIO_ON_CLOSE
	u64 born_ns;	/* when the socket began, 0 if that was not seen */
	u64 is_closed;
#endif
};

/* Inserted by: find_sums(). Read and emptied by: tcpio/kernel/buckets.py. Bound by: its --max-buckets. */
BPF_TABLE(TCPIO_BUCKETS, struct tcp_bucket, struct sums, buckets, 1);

/* What belongs to no socket, or found no room. Read by: tcpio/kernel/buckets.py. */
BPF_PERCPU_ARRAY(other, struct sums, 1);

/* How often no room was found. Read by: tcpio/kernel/buckets.py. */
BPF_PERCPU_ARRAY(overflowed, u64, 1);

/* What a bucket begins with: too large for a program's stack. Never written. */
BPF_ARRAY(zeros, struct sums, 1);

/*
 * What was added up where. A softirq may run a program of its own in the middle of one in process context, and
 * sockets of one bucket are used on many CPUs: so it is atomic; without fetch, which needs 5.12.
 */
static __always_inline void add(struct sums *sums, int slot, s64 amount)
{
	if (slot >= 0)
		__sync_fetch_and_add(&sums->values[slot], amount);
}

/* Whether it is v4-mapped: then the word that the mapping fills is as it is for any IPv4 address. */
static __always_inline int is_ipv4(const u64 address[2])
{
	u64 mapped[2];

	set_ipv4(mapped, 0);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return !address[0] && (u32)address[1] == (u32)mapped[1];
#else
	return !address[0] && address[1] >> 32 == mapped[1] >> 32;
#endif
}

/* What find_sums() may do. Only where a bucket ends with its socket does it matter: elsewhere all may create. */
#define OF_SOCKET 1	/* create the bucket: the socket lives */
#define OF_BIRTH 2	/* and it has just begun */
#define OF_END 4	/* find it though the socket has just closed */

/*
 * The sums of the bucket that these ends belong to. NULL if they are not wanted.
 *
 * Where a bucket ends with its socket, nothing but a full socket creates it: what comes without one, such as the
 * segments of a handshake before there is a child, or of TIME_WAIT, is in `other`.
 */
static __always_inline struct sums *find_sums(const struct tcp_bucket *ends, u32 how)
{
	struct tcp_bucket b = *ends;
	struct sums *zero, *found;
	u32 first = 0;
	u64 *full;

	if (!TCPIO_WANTED(ends))
		return NULL;
	if (!b.lport && !b.rport)
		return other.lookup(&first);
	TCPIO_BY((&b));
	found = buckets.lookup(&b);
#if TCPIO_ON_CLOSE
	if (found ? found->is_closed && !(how & OF_END) : !(how & OF_SOCKET))
		return other.lookup(&first);
#endif
	if (found)
		return found;
	zero = zeros.lookup(&first);
	if (!zero)
		return NULL;
	found = buckets.lookup_or_try_init(&b, zero);
	if (found) {
#if TCPIO_ON_CLOSE
		if (how & OF_BIRTH)
			found->born_ns = bpf_ktime_get_ns();
#endif
		return found;
	}
	full = overflowed.lookup(&first);
	if (full)
		__sync_fetch_and_add(full, 1);
	return other.lookup(&first);
}

/*
 * Where it is cheap to add. To find a bucket costs its hash and two cache misses, and to add to it takes its cache line
 * from the CPU that added last. So each CPU has rows of its own, and what is in a row goes to its bucket when another
 * bucket takes the row. What is counted rarely is added to the bucket itself: tcpio/kernel/buckets.py adds up both.
 */
struct place {
	struct sums *sums;
	struct row *row;	/* NULL where sums are the bucket's own */
};

#if TCPIO_ROWS

struct row {
	u64 users;	/* programs in it: whoever finds another there leaves it alone, and goes to the bucket */
	u32 patience;	/* so many other buckets may come by until one takes it */
	u32 is_given;	/* to this bucket, which exists */
	struct tcp_bucket bucket;
	struct sums sums;
};
#define PATIENCE 8

/* CPU * TCPIO_ROWS + hash -> row. Given by: give_row(). Read by: tcpio/kernel/buckets.py, which makes some for each CPU. */
BPF_ARRAY(rows, struct row, TCPIO_ROWS);

/* Whether rows are to stay as they are, while they are read. Set by: tcpio/kernel/buckets.py. */
BPF_ARRAY(are_rows_read, u32, 1);

/* The highest bits of a product depend on all of its factors' (Knuth, The Art of Computer Programming 3, 6.4). */
static __always_inline u32 hash_bucket(const struct tcp_bucket *b)
{
	const u64 golden = 0x9e3779b97f4a7c15;
	u64 hash = (b->laddr[0] ^ b->raddr[1]) * golden;

	hash = (hash ^ b->raddr[0] ^ b->laddr[1]) * golden;
	hash = (hash ^ b->netns ^ (u64)b->lport << 32 ^ (u64)b->rport << 48) * golden;
	return hash >> (64 - __builtin_ctz(TCPIO_ROWS));
}

static __always_inline int is_same_bucket(const struct tcp_bucket *a, const struct tcp_bucket *b)
{
	return a->laddr[0] == b->laddr[0] && a->laddr[1] == b->laddr[1] && a->raddr[0] == b->raddr[0] &&
	       a->raddr[1] == b->raddr[1] && a->netns == b->netns && a->lport == b->lport && a->rport == b->rport;
}

/* Give a row to another bucket, which is made if there is room for it. */
static __always_inline int give_row(struct row *row, const struct tcp_bucket *b)
{
	struct sums *zero, *last;
	u32 first = 0;

	zero = zeros.lookup(&first);
	if (!zero || !buckets.lookup_or_try_init((struct tcp_bucket *)b, zero))
		return 0;
	last = row->is_given ? buckets.lookup(&row->bucket) : NULL;
	if (last) {
#pragma clang loop unroll(disable)
		for (u32 slot = 0; slot < TCPIO_VALUES; slot++) {
			s64 amount = *(volatile s64 *)&row->sums.values[slot];

			if (amount)
				__sync_fetch_and_add(&last->values[slot], amount);
			*(volatile s64 *)&row->sums.values[slot] = 0;
		}
	}
	row->bucket = *b;
	row->is_given = 1;
	return 1;
}

static __always_inline void leave_row(struct row *row)
{
	if (row)
		__sync_fetch_and_add(&row->users, -1);
}

/*
 * This CPU's row for a bucket, for the caller alone until leave_row(); NULL if there is none for it. A softirq may run a
 * program in the middle of one in process context, and where the kernel can be preempted so may another task.
 */
static __always_inline struct row *take_row(const struct tcp_bucket *b)
{
	u32 at = bpf_get_smp_processor_id() * TCPIO_ROWS + hash_bucket(b), first = 0;
	struct row *row = rows.lookup(&at);
	u32 *are_read = are_rows_read.lookup(&first);

	if (!row || !are_read || *are_read)
		return NULL;
	__sync_fetch_and_add(&row->users, 1);
	if (*(volatile u64 *)&row->users == 1) {
		if (row->is_given && is_same_bucket(&row->bucket, b)) {
			row->patience = PATIENCE;
			return row;
		}
		if (row->patience)
			row->patience--;
		else if (give_row(row, b)) {
			row->patience = PATIENCE;
			return row;
		}
	}
	leave_row(row);
	return NULL;
}

static __always_inline struct sums *sums_in(struct row *row)
{
	return &row->sums;
}

#else

static __always_inline void leave_row(struct row *row)
{
}

static __always_inline struct row *take_row(const struct tcp_bucket *b)
{
	return NULL;
}

static __always_inline struct sums *sums_in(struct row *row)
{
	return NULL;
}

#endif

/* Where to add what is for find_sums(); gives whether it is wanted. To be left when all is added. */
static __always_inline int find_place(struct place *place, const struct tcp_bucket *ends, u32 how)
{
	struct tcp_bucket b = *ends;

	if (!TCPIO_WANTED(ends))
		return 0;
	TCPIO_BY((&b));
	place->row = ends->lport || ends->rport ? take_row(&b) : NULL;
	place->sums = place->row ? sums_in(place->row) : find_sums(ends, how);
	return place->sums != NULL;
}

static __always_inline void add_at(const struct place *place, int slot, s64 amount)
{
	if (slot < 0)
		return;
	if (place->row)
		place->sums->values[slot] += amount;
	else
		add(place->sums, slot, amount);
}

/* What a full socket in this state may do. */
static __always_inline u32 how_in(u8 state)
{
	if (state == TCP_SYN_SENT)
		return OF_SOCKET | OF_BIRTH;
	return state && state != TCP_CLOSE && state != TCP_TIME_WAIT && state != TCP_LISTEN &&
	       state != TCP_NEW_SYN_RECV ? OF_SOCKET : 0;
}

static __always_inline void add_to(const struct tcp_bucket *b, u32 how, int slot, s64 amount)
{
	struct sums *sums;

	if (slot < 0)
		return;
	sums = find_sums(b, how);
	if (sums)
		add(sums, slot, amount);
}

/* The same for what is counted often. */
static __always_inline void add_often(const struct tcp_bucket *b, u32 how, int slot, s64 amount)
{
	struct place place;

	if (slot < 0 || !find_place(&place, b, how))
		return;
	add_at(&place, slot, amount);
	leave_row(place.row);
}

/*
 * Whose it is.
 */

static __always_inline void set_ipv4_if_any(u64 address[2], __be32 ipv4)
{
	if (ipv4)
		set_ipv4(address, ipv4);
}

/* The ends of any kind of socket. */
static __always_inline void set_ends(struct tcp_bucket *b, struct sock_common *common, u16 lport)
{
	__builtin_memset(b, 0, sizeof(*b));
	b->netns = read_netns(READ(common->skc_net));
	b->lport = lport;
	b->rport = bpf_ntohs(READ(common->skc_dport));
	if (READ(common->skc_family) == AF_INET6) {
		read_ipv6(b->laddr, &common->skc_v6_rcv_saddr);
		read_ipv6(b->raddr, &common->skc_v6_daddr);
	} else {
		set_ipv4_if_any(b->laddr, READ(common->skc_rcv_saddr));
		set_ipv4_if_any(b->raddr, READ(common->skc_daddr));
	}
}

/* A full socket. Its skc_num is 0 once it is closed. */
static __always_inline void set_socket(struct tcp_bucket *b, struct sock *sk)
{
	struct inet_sock *inet = (void *)sk;

	set_ends(b, &sk->__sk_common, bpf_ntohs(READ(inet->inet_sport)));
}

/* A request (struct request_sock), or a socket in TIME_WAIT (struct inet_timewait_sock). */
static __always_inline void set_small_socket(struct tcp_bucket *b, void *sk)
{
	struct sock_common *common = sk;

	set_ends(b, common, READ(common->skc_num));
}

static __always_inline void set_segment(struct tcp_bucket *b, const struct tcp_record *r)
{
	b->laddr[0] = r->laddr[0];
	b->laddr[1] = r->laddr[1];
	b->raddr[0] = r->raddr[0];
	b->raddr[1] = r->raddr[1];
	b->netns = r->netns;
	b->lport = r->lport;
	b->rport = r->rport;
}

/* A packet that is not TCP's, or of whose header not enough can be read, is nobody's. Gives whether it is somebody's. */
static __always_inline int set_packet(struct tcp_bucket *b, struct sk_buff *skb, const u8 *ip, u8 dir, u32 netns)
{
	struct tcp_record r = { .dir = dir, .netns = netns };
	u32 before = ip - READ(skb->data), len = READ(skb->len);	/* before is negative where the IP header was pulled */
	u32 linear = len - READ(skb->data_len), pulled;	/* no whole struct sk_buff, since the stack has no room */
	u16 protocol;
	u8 version;

	version = READ(*(u8 *)ip);
	__builtin_memset(b, 0, sizeof(*b));
	b->netns = netns;
	protocol = version >> 4 == 4 ? bpf_htons(ETH_P_IP) : version >> 4 == 6 ? bpf_htons(ETH_P_IPV6) : 0;
	pulled = read_packet(&r, dir, protocol, ip, len - before);
	if (!pulled || linear < before + pulled + TH_LEN)
		return 0;
	set_segment(b, &r);
	return 1;
}

/* The network namespace of a received packet, which no longer has a device where a socket holds it. */
static __always_inline u32 read_packet_netns(struct sk_buff *skb, struct sock *sk)
{
	struct net_device *dev = READ(skb->dev);
	struct dst_entry *dst;

	if (!dev) {
		dst = (void *)(READ(skb->_skb_refdst) & SKB_DST_PTRMASK);
		dev = dst ? READ(dst->dev) : NULL;
	}
	return dev ? read_dev_netns(dev) : sk ? read_sock_netns(sk) : 0;
}

static __always_inline const u8 *read_ip_header(struct sk_buff *skb)
{
	return READ(skb->head) + READ(skb->network_header);
}

/* The socket that a received segment is for, or would be. */
static __always_inline void set_received(struct tcp_bucket *b, struct sk_buff *skb, struct net *net)
{
	set_packet(b, skb, read_ip_header(skb), TCP_DIR_RECEIVE, read_netns(net));
}

static __always_inline void add_for_socket(struct sock *sk, int slot, s64 amount)
{
	struct tcp_bucket b;

	if (slot < 0 || !amount)
		return;
	set_socket(&b, sk);
	add_to(&b, how_in(READ(sk->__sk_common.skc_state)), slot, amount);
}

static __always_inline void add_often_for_socket(struct sock *sk, int slot, s64 amount)
{
	struct tcp_bucket b;

	if (slot < 0 || !amount)
		return;
	set_socket(&b, sk);
	add_often(&b, how_in(READ(sk->__sk_common.skc_state)), slot, amount);
}

/* Where the kernel has __per_cpu_offset[]. Set by: tcpio/kernel/buckets.py. */
BPF_ARRAY(per_cpu_offset, u64, 1);

/* Where this CPU's own variables lie, from the addresses that the kernel has for them. Gives whether that is known. */
static __always_inline int find_cpu_offset(u64 *offset)
{
	u32 cpu = bpf_get_smp_processor_id(), first = 0;
	u64 *offsets = per_cpu_offset.lookup(&first);

	if (!offsets)
		return 0;
	*offset = READ(((u64 *)*offsets)[cpu]);
	return 1;
}

/*
 * Frames: the difference that a function makes to the kernel's own counters. A function that runs with softirqs off
 * makes it alone on its CPU; in one that does not, a softirq may count something too, and whatever counts what
 * is taken from the kernel also says so in `charged`, so that it can be taken off again.
 */
#if TCPIO_FRAMED

struct frame {
	u64 before[TCPIO_FRAMED];	/* the kernel's counter less what was charged on this CPU, at the entry */
	u64 after[TCPIO_FRAMED];	/* the same at the return; then the difference */
	struct net *net;
	u32 cpu;
};

/* What is being called. Inserted by: enter(). Deleted by: leave(). Bound by: as many tasks and softirqs as run at once. */
BPF_TABLE("hash", u64, struct frame, frames, 4096);

/* What a frame begins with. Never written. */
BPF_ARRAY(empty_frame, struct frame, 1);

struct charges {
	u64 at[TCPIO_FRAMED];
	u64 generation;
};
BPF_PERCPU_ARRAY(charged, struct charges, 1);

static __always_inline void charge(int place, u64 amount)
{
	struct charges *here;
	u32 first = 0;

	if (place < 0)
		return;
	here = charged.lookup(&first);
	if (here) {
		__sync_fetch_and_add(&here->at[place], amount);
		__sync_fetch_and_add(&here->generation, 1);
	}
}

/* Read the kernel's counters on this CPU, less what was charged here. at is in a map: the stack has no room. */
static __always_inline int read_counters(u64 at[TCPIO_FRAMED], struct net *net)
{
	u64 tcp_statistics, ip_statistics, net_statistics, offset, generation;
	u32 first = 0;
	struct charges *here = charged.lookup(&first);

	if (!here || !find_cpu_offset(&offset))
		return 0;
	tcp_statistics = (u64)READ(net->mib.tcp_statistics) + offset;
	ip_statistics = (u64)READ(net->mib.ip_statistics) + offset;
	net_statistics = (u64)READ(net->mib.net_statistics) + offset;
	/* Again, if a softirq came in between; it does not come twice in so short a time. */
#pragma clang loop unroll(disable)
	for (int i = 0; i < 2; i++) {
		generation = *(volatile u64 *)&here->generation;
#define READ_WORD(place, slot, table, mib) at[place] = READ(((u64 *)table)[mib]) - here->at[place];
		FRAMED(READ_WORD)
		if (generation == *(volatile u64 *)&here->generation)
			break;
	}
	return 1;
}

static __always_inline void enter(u64 key, struct net *net)
{
	struct frame *empty, *frame;
	u32 first = 0;

	empty = empty_frame.lookup(&first);
	if (!empty)
		return;
	frames.update(&key, empty);
	frame = frames.lookup(&key);
	if (!frame)
		return;
	frame->net = net;
	frame->cpu = bpf_get_smp_processor_id();
	read_counters(frame->before, net);
}

/* Give a frame that counted anything, else NULL. What is given is to be given to add_counted(). */
static __always_inline struct frame *leave(u64 key)
{
	struct frame *frame = frames.lookup(&key);
	u64 any = 0;

	if (!frame)
		return NULL;
	if (frame->cpu == bpf_get_smp_processor_id() && read_counters(frame->after, frame->net)) {
#define SUBTRACT_WORD(place, slot, table, mib) any |= frame->after[place] -= frame->before[place];
		FRAMED(SUBTRACT_WORD)
	}
	if (any)
		return frame;
	frames.delete(&key);
	return NULL;
}

/* Add what a frame counted, and forget it. */
static __always_inline void add_counted(const struct tcp_bucket *b, u64 key, const struct frame *frame)
{
	struct sums *sums = find_sums(b, OF_END);
	struct charges *here;
	u32 first = 0;

	/* All of them, by no branches: the verifier would follow each of their combinations. */
	here = charged.lookup(&first);
	if (here) {
#define CHARGE_WORD(place, slot, table, mib) __sync_fetch_and_add(&here->at[place], frame->after[place]);
		FRAMED(CHARGE_WORD)
		__sync_fetch_and_add(&here->generation, 1);
	}
	if (sums) {
#define ADD_WORD(place, slot, table, mib) add(sums, slot, frame->after[place]);
		FRAMED(ADD_WORD)
	}
	frames.delete(&key);
}

/* Frames of one object do not disturb each other if they have another tag; objects are aligned. */
enum frame_tag {
	IN_CONN_REQUEST = 0,
	IN_CHECK_REQ = 1,
	IN_COOKIE_CHECK = 2,
	IN_VALIDATE = 3,
	IN_TIMER = 4,
	IN_RECOVERY = 5,
	IN_PRESSURE = 6,
	IN_DELIVERY = 7,
};

static __always_inline int enter_for_socket(struct sock *sk, enum frame_tag tag)
{
	enter((u64)sk + tag, READ(sk->__sk_common.skc_net));
	return 0;
}

static __always_inline int enter_for_received(struct sk_buff *skb, enum frame_tag tag, struct sock *sk)
{
	enter((u64)skb + tag, READ(sk->__sk_common.skc_net));
	return 0;
}

static __always_inline int leave_for_socket(struct sock *sk, enum frame_tag tag)
{
	u64 key = (u64)sk + tag;
	struct frame *frame = leave(key);
	struct tcp_bucket b;

	if (!frame)
		return 0;
	set_socket(&b, sk);
	add_counted(&b, key, frame);
	return 0;
}

static __always_inline int leave_for_received(struct sk_buff *skb, enum frame_tag tag)
{
	u64 key = (u64)skb + tag;
	struct frame *frame = leave(key);
	struct tcp_bucket b;

	if (!frame)
		return 0;
	set_received(&b, skb, frame->net);
	add_counted(&b, key, frame);
	return 0;
}

#else

static __always_inline void charge(int place, u64 amount)
{
}

#endif

/* What a hook counts by itself, though frames may be open around it. */
#define ADD_CHARGED(place, counter, amount)            \
	do {                                           \
		add_at(place, SLOT_##counter, amount); \
		charge(FRAME_##counter, amount);       \
	} while (0)

/*
 * Segments: what bpf/segments.c has seen.
 */

static __always_inline void submit(void *ctx, struct tcp_record *r)
{
	int is_sent = r->dir == TCP_DIR_SEND;
	int is_new = SLOT_TcpOutSegs >= 0 && is_sent && !r->rtx;
	int is_reset = SLOT_TcpOutRsts >= 0 && is_sent && r->flags & TH_RST && !TCPIO_STATES_ONLY;
	/* tcp_send_syn_data() */
	int has_early_data = SLOT_TcpExtTCPOrigDataSent >= 0 && is_sent && !r->rtx && r->bytes &&
			     (r->flags & (TH_SYN | TH_ACK)) == TH_SYN;
	int is_broken = SLOT_TcpInErrs >= 0 && !is_sent && r->thlen < TH_LEN;
	int is_received = SLOT_TcpInSegs >= 0 && !is_sent;
	int is_ipv6 = (SLOT_Ip6InDelivers >= 0 || SLOT_Ip6OutRequests >= 0) && !is_ipv4(r->laddr);
	int is_delivered = SLOT_IpInDelivers >= 0 && !is_sent && is_ipv4(r->laddr);
	struct tcp_bucket b = {};
	struct place place;

	if (!(is_new || is_reset || has_early_data || is_broken || is_received || is_ipv6 || is_delivered))
		return;
	set_segment(&b, r);
	if (!find_place(&place, &b, is_sent ? how_in(r->state) : 0))
		return;
	if (is_new)
		add_at(&place, SLOT_TcpOutSegs, r->segs);
	if (is_reset)
		add_at(&place, SLOT_TcpOutRsts, 1);
	if (has_early_data)
		add_at(&place, SLOT_TcpExtTCPOrigDataSent, 1);
	if (is_received)
		add_at(&place, SLOT_TcpInSegs, 1);
	if (is_ipv6)
		add_at(&place, is_sent ? SLOT_Ip6OutRequests : SLOT_Ip6InDelivers, 1);
	if (is_delivered)
		ADD_CHARGED(&place, IpInDelivers, 1);
	if (is_broken)
		ADD_CHARGED(&place, TcpInErrs, 1);
	leave_row(place.row);
}

/*
 * The kernel skips a program that a softirq enters while it runs on the same CPU in process context, where much is
 * sent. So two see each segment of a socket, at two functions of which one calls the other: what interrupts one of them
 * is not in the other. The first leaves word that it has counted; what finds no word counts.
 */

/* The packets that a CPU's firsts took and its seconds have not come for: the newest last, since calls nest. */
struct words {
	u64 count;
	u64 skb[15];
};
#define WORDS (sizeof(((struct words *)0)->skb) / sizeof(u64))
#define LOOKED_AT_CPUS 256

/* CPU -> its words; so many: tcpio/kernel/buckets.py. An array, as what it costs is paid for each segment. */
BPF_ARRAY(words, struct words, 1);

/* A softirq that comes in the middle leaves its words above. What is left over for good is what no second came for. */
static __always_inline void leave_word(struct sk_buff *skb)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct words *here = words.lookup(&cpu);
	u64 count;

	if (!here)
		return;
	count = here->count;
	if (count >= WORDS)
		count = 0;
	*(volatile u64 *)&here->count = count + 1;
	here->skb[count] = (u64)skb;
}

/* A task may be moved to another CPU between the two, where the kernel can be preempted. */
static __always_inline int take_word_elsewhere(struct sk_buff *skb)
{
	struct words *there;
	u32 cpu;

#pragma clang loop unroll(disable)
	for (int number = 0; number < LOOKED_AT_CPUS; number++) {
		cpu = number;	/* apart: what is counted by is to be known to no function */
		there = words.lookup(&cpu);
		if (!there)
			break;
#pragma unroll
		for (u32 at = 0; at < WORDS; at++)
			if (at < there->count && there->skb[at] == (u64)skb) {
				there->skb[at] = 0;
				return 1;
			}
	}
	return 0;
}

static __always_inline int take_word(struct sk_buff *skb)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct words *here = words.lookup(&cpu);
	u64 last;

	if (!here)
		return 0;
	last = here->count - 1;
	if (last < WORDS && here->skb[last] == (u64)skb) {
		here->count = last;
		return 1;
	}
	return take_word_elsewhere(skb);
}

static __always_inline int is_left_out(struct sk_buff *skb, enum role role)
{
	if (role == FIRST)
		leave_word(skb);
	return role == SECOND && take_word(skb);
}

/* __ip_queue_xmit(): what ip_queue_xmit() calls, and SCTP. */
static __always_inline int on___ip_queue_xmit(void *ctx, struct sock *sk, struct sk_buff *skb)
{
	return send_ipv4(ctx, sk, skb, ROLE___ip_queue_xmit);
}

/*
 * tcp_v6_send_check(): what __tcp_transmit_skb() calls before inet6_csk_xmit(), when the header is complete. gso_segs
 * is not set yet.
 */
static __always_inline int on_tcp_v6_send_check(void *ctx, struct sock *sk, struct sk_buff *skb)
{
	struct tcp_skb_cb *cb = (void *)skb->cb;
	struct inet_sock *inet = (void *)sk;
	struct ipv6_pinfo *np = READ(inet->pinet6);
	struct tcp_record r = {};
	struct sender sender;

	if (is_left_out(skb, ROLE_tcp_v6_send_check))
		return 0;
	begin(&r, TCP_DIR_SEND, read_sock_netns(sk));
	read_ipv6(r.laddr, &np->saddr);
	read_ipv6(r.raddr, &sk->__sk_common.skc_v6_daddr);
	read_header(&r, READ(skb->data), READ(skb->len));
	if (!TCPIO_WANTED(&r))
		return 0;
	r.segs = READ(cb->tcp_gso_segs);
	sender = read_sender(sk);
	set_sender(&r, &sender);
	submit(ctx, &r);
	return 0;
}

static __always_inline void count_refused(const volatile struct sk_buff *skb)
{
	struct tcp_bucket b = { .netns = read_dev_netns(skb->dev) };

	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		add_to(&b, 0, SLOT_Ip6InDelivers, 1);
		return;
	}
	add_to(&b, 0, SLOT_IpInDelivers, 1);
	charge(FRAME_IpInDelivers, 1);
}

static __always_inline void count_unreadable(const volatile struct sk_buff *skb)
{
	struct tcp_bucket b = { .netns = read_dev_netns(skb->dev) };

	add_to(&b, 0, SLOT_TcpInSegs, 1);
	count_refused(skb);
}

/*
 * Hooks, named as in bpf/segments.c; those at a function's return end in _return.
 */

/* Sockets by their address -> what was last seen of them. Bound by: the map, which forgets the oldest. */
struct seen {
	u32 total_retrans;
	u32 is_child;	/* in SYN_RECV, with no address yet */
};
BPF_TABLE("lru_hash", u64, struct seen, seen_sockets, 16384);

static __always_inline u32 min_u32(u32 one, u32 other_one)
{
	return one < other_one ? one : other_one;
}

/* What total_retrans has grown by since the last time; sent is how many segments were just sent again. */
static __always_inline u32 see_retransmits(struct sock *sk, u32 sent)
{
	struct tcp_sock *tp = (void *)sk;
	struct seen now = { .total_retrans = READ(tp->total_retrans) }, *last;
	u64 key = (u64)sk;

	last = seen_sockets.lookup(&key);
	if (last) {
		sent = now.total_retrans - last->total_retrans;
		now.is_child = last->is_child;
	}
	seen_sockets.update(&key, &now);
	return min_u32(sent, now.total_retrans);
}

/* inet_csk_clone_lock() makes a child of a listener, which gets its address later. */
static __always_inline int is_newborn(int oldstate, int newstate)
{
	return oldstate == TCP_LISTEN && newstate == TCP_SYN_RECV;
}

static __always_inline void remember_child(struct sock *sk)
{
	struct seen child = { .is_child = 1 };
	u64 key = (u64)sk;

	seen_sockets.update(&key, &child);
}

/* What states tell of how connections begin and end, where nothing tells more. */
static __always_inline void count_states(const struct tcp_bucket *b, u32 how, struct sock *sk, int oldstate, int newstate)
{
	struct tcp_sock *tp = (void *)sk;
	u64 key = (u64)sk;
	struct seen *seen;
	u32 unseen;

	seen = oldstate == TCP_SYN_RECV ? seen_sockets.lookup(&key) : NULL;
	if (seen && seen->is_child) {
		seen->is_child = 0;
		seen->total_retrans = READ(tp->total_retrans);	/* its SYN-ACKs: see on_tcp_retransmit_synack() */
		add_to(b, how, SLOT_TcpPassiveOpens, 1);
	}
	/* It has no port when it begins, and tcp_connect() does not count what fails before its SYN is sent. */
	if (oldstate == TCP_SYN_SENT && READ(tp->segs_out))
		add_to(b, how, SLOT_TcpActiveOpens, 1);
	if (newstate != TCP_CLOSE)
		return;
	unseen = see_retransmits(sk, 0);
	if (unseen)
		add_to(b, how, SLOT_TcpRetransSegs, unseen);
	seen_sockets.delete(&key);
}

static __always_inline int is_current(int state)
{
	return state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT;
}

#if TCPIO_ON_CLOSE

/* Inserted by: end_bucket(). Read and emptied by: tcpio/kernel/buckets.py. Bound by: as the buckets. */
BPF_TABLE("hash", struct tcp_bucket, struct tcp_closed, closed, 1);

/* Nothing is added any more to the bucket of a socket that closes, but for what its own closing adds. */
static __always_inline void end_bucket(struct tcp_bucket *b, struct sock *sk)
{
	struct sums *sums = TCPIO_WANTED(b) ? buckets.lookup(b) : NULL;
	struct tcp_sock *tp = (void *)sk;
	struct tcp_closed end = {};

	if (!sums || sums->is_closed)
		return;
	sums->is_closed = 1;
	__builtin_memcpy(&end, b, sizeof(*b));
	end.ts_ns = bpf_ktime_get_ns();
	end.lifetime_ns = sums->born_ns ? end.ts_ns - sums->born_ns : 0;
	end.bytes_acked = READ(tp->bytes_acked);
	end.bytes_received = READ(tp->bytes_received);
	end.bytes_retrans = READ(tp->bytes_retrans);
	end.segs_out = READ(tp->segs_out);
	end.segs_in = READ(tp->segs_in);
	end.srtt_us = READ(tp->srtt_us) >> 3;
	end.min_rtt_us = READ(tp->rtt_min[MINMAX_FIRST_VALUE]);
	end.dsack_dups = READ(tp->dsack_dups);
	end.reord_seen = READ(tp->reord_seen);
	closed.update(b, &end);
}

#else

static __always_inline void end_bucket(struct tcp_bucket *b, struct sock *sk)
{
}

#endif

/* What a socket may do that was in this state: a child that leaves SYN_RECV has just begun. */
static __always_inline u32 how_after(int oldstate)
{
	return oldstate == TCP_SYN_RECV ? OF_SOCKET | OF_BIRTH : how_in(oldstate);
}

/* Tracepoint inet_sock_set_state: tcp_set_state() counts TCP_MIB_CURRESTAB and TCP_MIB_ESTABRESETS. */
static __always_inline int on_inet_sock_set_state(void *ctx, struct sock *sk, int oldstate, int newstate)
{
	int is_entered = newstate == TCP_ESTABLISHED || (oldstate == TCP_SYN_RECV && newstate == TCP_CLOSE_WAIT);
	u32 how = how_after(oldstate);
	struct tcp_bucket b;

	if (READ(sk->sk_protocol) != IPPROTO_TCP)
		return 0;
	if (is_newborn(oldstate, newstate)) {
		if (TCPIO_STATES_ONLY)
			remember_child(sk);
		return 0;
	}
	set_socket(&b, sk);
#if TCPIO_ON_CLOSE
	if (how & OF_BIRTH)	/* whatever is counted: its end is told of, and when it began */
		find_sums(&b, how);
#endif
	if (is_entered && oldstate != TCP_ESTABLISHED)
		add_to(&b, how, SLOT_TcpCurrEstab, 1);
	else if (is_current(oldstate) && !is_current(newstate))
		add_to(&b, how, SLOT_TcpCurrEstab, -1);
	if (is_current(oldstate) && newstate == TCP_CLOSE)
		add_to(&b, how, SLOT_TcpEstabResets, 1);
	if (TCPIO_STATES_ONLY)
		count_states(&b, how, sk, oldstate, newstate);
	if (newstate == TCP_CLOSE)
		end_bucket(&b, sk);
	return 0;
}

/* The timer's function that this CPU is in: softirqs are off there. */
enum timer {
	NO_TIMER = 0,
	RETRANSMIT_TIMER = 1,
	KEEPALIVE_TIMER = 2,
};
BPF_PERCPU_ARRAY(timers, u32, 1);

static __always_inline int set_timer(enum timer timer)
{
	u32 first = 0, *here = timers.lookup(&first);

	if (here)
		*here = timer;
	return 0;
}

static __always_inline enum timer read_timer(void)
{
	u32 first = 0, *here = timers.lookup(&first);

	return here ? *here : NO_TIMER;
}

static __always_inline int on_tcp_retransmit_timer(void *ctx, struct sock *sk)
{
	return set_timer(RETRANSMIT_TIMER);
}

static __always_inline int on_tcp_retransmit_timer_return(void *ctx, struct sock *sk)
{
	return set_timer(NO_TIMER);
}

static __always_inline int on_tcp_keepalive_timer(void *ctx, void *t)
{
	return set_timer(KEEPALIVE_TIMER);
}

static __always_inline int on_tcp_keepalive_timer_return(void *ctx, void *t)
{
	return set_timer(NO_TIMER);
}

/* tcp_connect() */
static __always_inline int on_tcp_connect_return(void *ctx, struct sock *sk, int returned)
{
	if (!returned && READ(sk->__sk_common.skc_state) == TCP_SYN_SENT)
		add_for_socket(sk, SLOT_TcpActiveOpens, 1);
	return 0;
}

/* tcp_create_openreq_child(): the child has no address yet; the request has. */
static __always_inline int on_tcp_create_openreq_child_return(void *ctx, struct request_sock *req, struct sock *returned)
{
	struct tcp_bucket b;

	if (!returned)
		return 0;
	set_small_socket(&b, req);
	add_to(&b, OF_SOCKET | OF_BIRTH, SLOT_TcpPassiveOpens, 1);
	return 0;
}

/* tcp_done() */
static __always_inline int on_tcp_done(void *ctx, struct sock *sk)
{
	u8 state = READ(sk->__sk_common.skc_state);

	if (state == TCP_SYN_SENT || state == TCP_SYN_RECV) {
		add_for_socket(sk, SLOT_TcpAttemptFails, 1);
		charge(FRAME_TcpAttemptFails, 1);
	}
	/* tcp_write_err(). What is orphaned in FIN_WAIT2 has its end there too, and nothing was wrong with it. */
	if (SLOT_TcpExtTCPAbortOnTimeout >= 0 && read_timer() == KEEPALIVE_TIMER &&
	    (state != TCP_FIN_WAIT2 || READ(sk->sk_socket))) {
		add_for_socket(sk, SLOT_TcpExtTCPAbortOnTimeout, 1);
		charge(FRAME_TcpExtTCPAbortOnTimeout, 1);
	}
	return 0;
}

/* What counts TCP_MIB_CSUMERRORS counts TCP_MIB_INERRS too. */
static __always_inline int count_bad_checksum(const struct tcp_bucket *b)
{
	struct sums *sums = find_sums(b, 0);

	if (sums) {
		add(sums, SLOT_TcpInCsumErrors, 1);
		add(sums, SLOT_TcpInErrs, 1);
	}
	charge(FRAME_TcpInErrs, 1);
	return 0;
}

/* Tracepoint tcp_bad_csum: at each place that counts. */
static __always_inline int on_tcp_bad_csum(void *ctx, struct sk_buff *skb)
{
	struct tcp_bucket b;

	set_packet(&b, skb, read_ip_header(skb), TCP_DIR_RECEIVE, read_packet_netns(skb, READ(skb->sk)));
	return count_bad_checksum(&b);
}

/*
 * __skb_checksum_complete(), where there is no tracepoint (before Linux 6.1): what tells TCP that a checksum is bad, of
 * a packet from its own header on. Netfilter asks too, when skb->data is the IP header still.
 */
static __always_inline int on___skb_checksum_complete_return(void *ctx, struct sk_buff *skb, int returned)
{
	struct tcp_bucket b;

	if (!(u16)returned || READ(skb->head) + READ(skb->transport_header) != READ(skb->data))
		return 0;
	if (!set_packet(&b, skb, read_ip_header(skb), TCP_DIR_RECEIVE, read_packet_netns(skb, READ(skb->sk))))
		return 0;
	return count_bad_checksum(&b);
}

/* Tracepoint tcp_send_reset, as of the kernels that give a reason: for each reset. skb is what it answers. */
static __always_inline int on_tcp_send_reset(void *ctx, struct sock *sk, struct sk_buff *skb, u32 reason)
{
	struct tcp_bucket b;

	if (!skb) {
		add_for_socket(sk, SLOT_TcpOutRsts, 1);
		return 0;
	}
	set_packet(&b, skb, read_ip_header(skb), TCP_DIR_RECEIVE, read_packet_netns(skb, sk));
	add_to(&b, 0, SLOT_TcpOutRsts, 1);
	return 0;
}

/*
 * What is sent again: tp->total_retrans grows with TCP_MIB_RETRANSSEGS.
 */

/* total_retrans at the entry of what may make it grow, for the socket that it holds. Bound by: such calls at once. */
BPF_TABLE("hash", u64, u32, retransmitting, 4096);

static __always_inline int begin_retransmit(struct sock *sk)
{
	struct tcp_sock *tp = (void *)sk;
	u32 total = READ(tp->total_retrans);
	u64 key = (u64)sk;

	retransmitting.update(&key, &total);
	return 0;
}

/* Count what was sent again since the entry, and tell how much it was. */
static __always_inline u32 end_retransmit(struct sock *sk)
{
	struct tcp_sock *tp = (void *)sk;
	u64 key = (u64)sk;
	u32 *before = retransmitting.lookup(&key), grown;

	if (!before)
		return 0;
	grown = READ(tp->total_retrans) - *before;
	retransmitting.delete(&key);
	add_for_socket(sk, SLOT_TcpRetransSegs, grown);
	return grown;
}

static __always_inline int has_syn(struct sk_buff *skb)
{
	struct tcp_skb_cb *cb = (void *)skb->cb;

	return READ(cb->tcp_flags) & TH_SYN;
}

static __always_inline u32 read_pcount(struct sk_buff *skb)
{
	struct tcp_skb_cb *cb = (void *)skb->cb;

	return READ(cb->tcp_gso_segs);
}

static __always_inline u8 read_ca_state(struct sock *sk)
{
	struct inet_connection_sock *icsk = (void *)sk;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return READ(icsk->icsk_ca_state) & 31;
#else
	return READ(icsk->icsk_ca_state) >> 3;
#endif
}

/* tcp_retransmit_skb(): the timer's own is not counted by tcp_xmit_retransmit_queue(), which is the other caller. */
static __always_inline int on_tcp_retransmit_skb_return(void *ctx, struct sock *sk, struct sk_buff *skb, int returned)
{
	u32 grown = end_retransmit(sk);

	if (grown && has_syn(skb))
		add_for_socket(sk, SLOT_TcpExtTCPSynRetrans, 1);
	if (returned || read_timer() == RETRANSMIT_TIMER)
		return 0;
	if (SLOT_TcpExtTCPSlowStartRetrans >= 0 && read_ca_state(sk) == TCP_CA_LOSS)
		add_for_socket(sk, SLOT_TcpExtTCPSlowStartRetrans, read_pcount(skb));
	if (SLOT_TcpExtTCPFastRetrans >= 0 && read_ca_state(sk) != TCP_CA_LOSS)
		add_for_socket(sk, SLOT_TcpExtTCPFastRetrans, read_pcount(skb));
	return 0;
}

/* The function and, where nothing else shows it, the tracepoint of the same name, behind the sending. */
static __always_inline int on_tcp_retransmit_skb(void *ctx, struct sock *sk, struct sk_buff *skb)
{
	u32 grown;

	if (!TCPIO_STATES_ONLY)
		return begin_retransmit(sk);
	grown = see_retransmits(sk, read_pcount(skb));
	add_for_socket(sk, SLOT_TcpRetransSegs, grown);
	if (grown && has_syn(skb))
		add_for_socket(sk, SLOT_TcpExtTCPSynRetrans, 1);
	return 0;
}

static __always_inline int on_tcp_send_loss_probe(void *ctx, struct sock *sk)
{
	return begin_retransmit(sk);
}

static __always_inline int on_tcp_send_loss_probe_return(void *ctx, struct sock *sk)
{
	end_retransmit(sk);
	return 0;
}

/* Tracepoint tcp_retransmit_synack: tcp_rtx_synack() counts under the same condition. */
static __always_inline int on_tcp_retransmit_synack(void *ctx, struct sock *sk, struct request_sock *req)
{
	struct tcp_bucket b;

	set_small_socket(&b, req);
	add_to(&b, 0, SLOT_TcpRetransSegs, 1);
	add_to(&b, 0, SLOT_TcpExtTCPSynRetrans, 1);
	return 0;
}

/*
 * What programs send and take.
 */

static __always_inline int count_sent(struct sock *sk, s64 bytes)
{
	struct tcp_bucket b;
	struct place place;

	if (bytes <= 0)
		return 0;
	set_socket(&b, sk);
	if (!find_place(&place, &b, how_in(READ(sk->__sk_common.skc_state))))
		return 0;
	add_at(&place, SLOT_SocketBytesSent, bytes);
	add_at(&place, SLOT_SocketMessagesSent, 1);
	leave_row(place.row);
	return 0;
}

static __always_inline int count_taken(struct sock *sk, s64 bytes, int flags)
{
	struct tcp_bucket b;
	struct place place;

	if (bytes <= 0 || flags & (MSG_PEEK | MSG_ERRQUEUE))
		return 0;
	set_socket(&b, sk);
	if (!find_place(&place, &b, how_in(READ(sk->__sk_common.skc_state))))
		return 0;
	add_at(&place, SLOT_SocketBytesReceived, bytes);
	add_at(&place, SLOT_SocketMessagesReceived, 1);
	leave_row(place.row);
	return 0;
}

static __always_inline int on_tcp_sendmsg_return(void *ctx, struct sock *sk, int returned)
{
	return count_sent(sk, returned);
}

/* tcp_sendpage(): sendfile() and splice(), before Linux 6.5 */
static __always_inline int on_tcp_sendpage_return(void *ctx, struct sock *sk, int returned)
{
	return count_sent(sk, returned);
}

static __always_inline int on_tcp_recvmsg_return(void *ctx, struct sock *sk, int flags, int returned)
{
	return count_taken(sk, returned, flags);
}

static __always_inline int on_tcp_splice_read_return(void *ctx, struct socket *sock, int returned)
{
	return count_taken(READ(sock->sk), returned, 0);
}

static __always_inline int is_tcp(struct sock *sk)
{
	return READ(sk->sk_type) == SOCK_STREAM && READ(sk->sk_protocol) == IPPROTO_TCP;
}

/* Tracepoints sock_send_length and sock_recv_length */
static __always_inline int on_sock_send_length(void *ctx, struct sock *sk, int ret)
{
	return is_tcp(sk) ? count_sent(sk, ret) : 0;
}

static __always_inline int on_sock_recv_length(void *ctx, struct sock *sk, int ret, int flags)
{
	return is_tcp(sk) ? count_taken(sk, ret, flags) : 0;
}

/*
 * IP.
 */

/* ip_rcv_core() and ip6_rcv_core(): what is for another host is not counted. */
static __always_inline int on_ip_rcv_core(void *ctx, struct sk_buff *skb, struct net *net)
{
	struct tcp_bucket b;

	if (pkt_type_in(READ(skb->pkt_type)) == PACKET_OTHERHOST)
		return 0;
	set_received(&b, skb, net);
	add_often(&b, 0, SLOT_IpInReceives, 1);
	return 0;
}

static __always_inline int on_ip6_rcv_core(void *ctx, struct sk_buff *skb, struct net *net)
{
	struct tcp_bucket b;

	if (pkt_type_in(READ(skb->pkt_type)) == PACKET_OTHERHOST)
		return 0;
	set_received(&b, skb, net);
	add_often(&b, 0, SLOT_Ip6InReceives, 1);
	return 0;
}

static __always_inline int count_request(struct net *net, struct sk_buff *skb)
{
	struct tcp_bucket b = { .netns = read_netns(net) };

	if (!READ(skb->skb_iif))	/* else it is forwarded */
		set_packet(&b, skb, read_ip_header(skb), TCP_DIR_SEND, b.netns);
	add_often(&b, 0, SLOT_IpOutRequests, 1);
	return 0;
}

static __always_inline int on___ip_local_out(void *ctx, struct net *net, struct sk_buff *skb)
{
	return count_request(net, skb);
}

static __always_inline int on_ip_output(void *ctx, struct net *net, struct sk_buff *skb)
{
	return count_request(net, skb);
}

static __always_inline int on_ip_mc_output(void *ctx, struct net *net, struct sk_buff *skb)
{
	return count_request(net, skb);
}

/*
 * The rarer events.
 */

/* tcp_event_new_data_sent() */
static __always_inline int on_tcp_event_new_data_sent(void *ctx, struct sock *sk, struct sk_buff *skb)
{
	add_often_for_socket(sk, SLOT_TcpExtTCPOrigDataSent, read_pcount(skb));
	return 0;
}

/* tcp_newly_delivered() */
static __always_inline int on_tcp_newly_delivered(void *ctx, struct sock *sk, u32 prior_delivered)
{
	struct tcp_sock *tp = (void *)sk;

	add_often_for_socket(sk, SLOT_TcpExtTCPDelivered, READ(tp->delivered) - prior_delivered);
	return 0;
}

/* tcp_try_coalesce() */
static __always_inline int on_tcp_try_coalesce_return(void *ctx, struct sock *sk, int returned)
{
	add_often_for_socket(sk, SLOT_TcpExtTCPRcvCoalesce, (u8)returned);
	return 0;
}

/*
 * skb_try_coalesce(), where the compiler split tcp_try_coalesce(), which counts if this succeeds: then to is in a queue
 * of its socket's. What waits for a socket to be free, and fragments, have none.
 */
static __always_inline int on_skb_try_coalesce_return(void *ctx, struct sk_buff *to, int returned)
{
	struct sock *sk = READ(to->sk);

	if ((u8)returned && sk && is_tcp(sk))
		add_often_for_socket(sk, SLOT_TcpExtTCPRcvCoalesce, 1);
	return 0;
}

/* tcp_mark_skb_lost() */
static __always_inline int on_tcp_mark_skb_lost(void *ctx, struct sock *sk, struct sk_buff *skb)
{
	struct tcp_skb_cb *cb = (void *)skb->cb;
	u8 sacked = READ(cb->sacked), again = TCPCB_LOST | TCPCB_SACKED_RETRANS;

	if (!(sacked & TCPCB_SACKED_ACKED) && (sacked & again) == again)
		add_for_socket(sk, SLOT_TcpExtTCPLostRetransmit, read_pcount(skb));
	return 0;
}

/* tcp_try_undo_loss() */
static __always_inline int on_tcp_try_undo_loss(void *ctx, struct sock *sk, u32 frto_undo)
{
	add_for_socket(sk, SLOT_TcpExtTCPSpuriousRTOs, (u8)frto_undo);
	return 0;
}

/* tcp_xmit_probe_skb(): it is told what to count. */
static __always_inline int on_tcp_xmit_probe_skb(void *ctx, struct sock *sk, int mib)
{
	if (mib == MIB_TcpExtTCPKeepAlive)
		add_for_socket(sk, SLOT_TcpExtTCPKeepAlive, 1);
	else if (mib == MIB_TcpExtTCPWinProbe)
		add_for_socket(sk, SLOT_TcpExtTCPWinProbe, 1);
	return 0;
}

/* tcp_oow_rate_limited(): it is told what to count. */
static __always_inline int on_tcp_oow_rate_limited_return(void *ctx, struct net *net, struct sk_buff *skb, int mib_idx,
							  int returned)
{
	struct tcp_bucket b;

	if (!(u8)returned)
		return 0;
	set_received(&b, skb, net);
	if (mib_idx == MIB_TcpExtTCPACKSkippedSynRecv)
		add_to(&b, 0, SLOT_TcpExtTCPACKSkippedSynRecv, 1);
	else if (mib_idx == MIB_TcpExtTCPACKSkippedPAWS)
		add_to(&b, 0, SLOT_TcpExtTCPACKSkippedPAWS, 1);
	else if (mib_idx == MIB_TcpExtTCPACKSkippedSeq)
		add_to(&b, 0, SLOT_TcpExtTCPACKSkippedSeq, 1);
	else if (mib_idx == MIB_TcpExtTCPACKSkippedFinWait2)
		add_to(&b, 0, SLOT_TcpExtTCPACKSkippedFinWait2, 1);
	else if (mib_idx == MIB_TcpExtTCPACKSkippedTimeWait)
		add_to(&b, 0, SLOT_TcpExtTCPACKSkippedTimeWait, 1);
	return 0;
}

/* TCPBacklogDrop of this CPU when tcp_add_backlog() was called, in which softirqs are off. */
BPF_PERCPU_ARRAY(backlog_drops, u64, 1);

static __always_inline u64 read_backlog_drops(struct sock *sk)
{
	struct net *net = READ(sk->__sk_common.skc_net);
	u64 offset, *table;

	if (!find_cpu_offset(&offset))
		return 0;
	table = (void *)READ(net->mib.net_statistics) + offset;
	return READ(table[MIB_TcpExtTCPBacklogDrop]);
}

static __always_inline int on_tcp_add_backlog(void *ctx, struct sock *sk)
{
	u32 first = 0;
	u64 *before = backlog_drops.lookup(&first);

	if (before)
		*before = read_backlog_drops(sk);
	return 0;
}

static __always_inline int on_tcp_add_backlog_return(void *ctx, struct sock *sk)
{
	u32 first = 0;
	u64 *before = backlog_drops.lookup(&first);

	if (before)
		add_for_socket(sk, SLOT_TcpExtTCPBacklogDrop, read_backlog_drops(sk) - *before);
	return 0;
}

/* tcp_syn_ack_timeout() */
static __always_inline int on_tcp_syn_ack_timeout(void *ctx, struct request_sock *req)
{
	struct tcp_bucket b;

	set_small_socket(&b, req);
	add_to(&b, 0, SLOT_TcpExtTCPTimeouts, 1);
	charge(FRAME_TcpExtTCPTimeouts, 1);
	return 0;
}

/* tw_timer_handler(): TIME_WAIT ends, which is when kernels count it that have tw_kill. */
static __always_inline int on_tw_timer_handler(void *ctx, void *t)
{
	struct inet_timewait_sock *tw = t - __builtin_offsetof(struct inet_timewait_sock, tw_timer);
	struct tcp_bucket b;

	if (read_bit(tw, TW_KILL_BIT))
		return 0;
	set_small_socket(&b, tw);
	add_to(&b, 0, SLOT_TcpExtTW, 1);
	charge(FRAME_TcpExtTW, 1);
	return 0;
}

#if TCPIO_FRAMED

/* ip_protocol_deliver_rcu(): what is TCP's is seen at tcp_v4_rcv(), which takes all; of the rest not all is delivered. */
static __always_inline int on_ip_protocol_deliver_rcu(void *ctx, struct net *net, struct sk_buff *skb, int protocol)
{
	if (protocol != IPPROTO_TCP)
		enter((u64)skb + IN_DELIVERY, net);
	return 0;
}

static __always_inline int on_ip_protocol_deliver_rcu_return(void *ctx, struct net *net, struct sk_buff *skb,
							     int protocol)
{
	struct tcp_bucket b = { .netns = read_netns(net) };
	u64 key = (u64)skb + IN_DELIVERY;
	struct frame *frame = protocol == IPPROTO_TCP ? NULL : leave(key);

	if (frame)
		add_counted(&b, key, frame);
	return 0;
}

static __always_inline int on_tcp_v4_conn_request(void *ctx, struct sock *sk, struct sk_buff *skb)
{
	return enter_for_received(skb, IN_CONN_REQUEST, sk);
}

static __always_inline int on_tcp_v4_conn_request_return(void *ctx, struct sock *sk, struct sk_buff *skb)
{
	return leave_for_received(skb, IN_CONN_REQUEST);
}

/* tcp_v6_conn_request(): calls the other one for IPv4, which then counts. */
static __always_inline int on_tcp_v6_conn_request(void *ctx, struct sock *sk, struct sk_buff *skb)
{
	return enter_for_received(skb, IN_CONN_REQUEST, sk);
}

static __always_inline int on_tcp_v6_conn_request_return(void *ctx, struct sock *sk, struct sk_buff *skb)
{
	return leave_for_received(skb, IN_CONN_REQUEST);
}

static __always_inline int on_tcp_check_req(void *ctx, struct sock *sk, struct sk_buff *skb)
{
	return enter_for_received(skb, IN_CHECK_REQ, sk);
}

static __always_inline int on_tcp_check_req_return(void *ctx, struct sock *sk, struct sk_buff *skb)
{
	return leave_for_received(skb, IN_CHECK_REQ);
}

static __always_inline int on_cookie_v4_check(void *ctx, struct sock *sk, struct sk_buff *skb)
{
	return enter_for_received(skb, IN_COOKIE_CHECK, sk);
}

static __always_inline int on_cookie_v4_check_return(void *ctx, struct sock *sk, struct sk_buff *skb)
{
	return leave_for_received(skb, IN_COOKIE_CHECK);
}

static __always_inline int on_cookie_v6_check(void *ctx, struct sock *sk, struct sk_buff *skb)
{
	return enter_for_received(skb, IN_COOKIE_CHECK, sk);
}

static __always_inline int on_cookie_v6_check_return(void *ctx, struct sock *sk, struct sk_buff *skb)
{
	return leave_for_received(skb, IN_COOKIE_CHECK);
}

/* tcp_timewait_state_process(): tw is a struct inet_timewait_sock, which may be gone at the end. */
static __always_inline int on_tcp_timewait_state_process(void *ctx, struct sock *tw, struct sk_buff *skb)
{
	return enter_for_received(skb, IN_VALIDATE, tw);
}

static __always_inline int on_tcp_timewait_state_process_return(void *ctx, struct sk_buff *skb)
{
	return leave_for_received(skb, IN_VALIDATE);
}

/* tcp_validate_incoming(): may free the segment. */
static __always_inline int on_tcp_validate_incoming(void *ctx, struct sock *sk)
{
	return enter_for_socket(sk, IN_VALIDATE);
}

static __always_inline int on_tcp_validate_incoming_return(void *ctx, struct sock *sk)
{
	return leave_for_socket(sk, IN_VALIDATE);
}

static __always_inline int on_tcp_write_timer_handler(void *ctx, struct sock *sk)
{
	return enter_for_socket(sk, IN_TIMER);
}

static __always_inline int on_tcp_write_timer_handler_return(void *ctx, struct sock *sk)
{
	return leave_for_socket(sk, IN_TIMER);
}

static __always_inline int on_tcp_delack_timer_handler(void *ctx, struct sock *sk)
{
	return enter_for_socket(sk, IN_TIMER);
}

static __always_inline int on_tcp_delack_timer_handler_return(void *ctx, struct sock *sk)
{
	return leave_for_socket(sk, IN_TIMER);
}

static __always_inline int on_tcp_enter_recovery(void *ctx, struct sock *sk)
{
	return enter_for_socket(sk, IN_RECOVERY);
}

static __always_inline int on_tcp_enter_recovery_return(void *ctx, struct sock *sk)
{
	return leave_for_socket(sk, IN_RECOVERY);
}

static __always_inline int on_tcp_enter_memory_pressure(void *ctx, struct sock *sk)
{
	return enter_for_socket(sk, IN_PRESSURE);
}

static __always_inline int on_tcp_enter_memory_pressure_return(void *ctx, struct sock *sk)
{
	return leave_for_socket(sk, IN_PRESSURE);
}

/* __inet_twsk_schedule(): tw is a struct inet_timewait_sock. */
static __always_inline int on___inet_twsk_schedule(void *ctx, struct sock *tw)
{
	return enter_for_socket(tw, IN_TIMER);
}

static __always_inline int on___inet_twsk_schedule_return(void *ctx, struct sock *tw)
{
	u64 key = (u64)tw + IN_TIMER;
	struct frame *frame = leave(key);
	struct tcp_bucket b;

	if (!frame)
		return 0;
	set_small_socket(&b, tw);
	add_counted(&b, key, frame);
	return 0;
}

#endif
