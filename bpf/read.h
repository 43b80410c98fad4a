/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads of kernel memory. Every one is explicit: a pointer into the kernel is never followed by the
 * language, so the same code works in fentry, kprobe and raw tracepoint programs. In all of them what cannot be read
 * is 0.
 */
#ifndef TCPIO_READ_H
#define TCPIO_READ_H

/* BCC replaces it by bpf_probe_read() where it has not found the helper. Every kernel from 5.5 on has it. */
#undef bpf_probe_read_kernel

/* 1 if the verifier knows the types of what all programs are given, and lets them follow pointers from there. */
#ifndef TCPIO_TYPED
#define TCPIO_TYPED 0
#endif

#ifdef TCPIO_RDONLY_CAST
/*
 * Loads from any address, in programs of any kind, where the kernel has bpf_rdonly_cast() (Linux 6.2, "bpf: Add a kfunc
 * for generic type cast"): it gives the same address, now of a type that the verifier lets programs read. struct
 * new_utsname is one that begins with 65 bytes, of which so many may be read at once as fit a register. It costs no
 * call: the verifier replaces it.
 */
static void *(*const bpf_rdonly_cast)(const void *, u32) = (void *)(unsigned long)TCPIO_RDONLY_CAST;

#define READ_ANY(member) (*(const volatile typeof(member) *)bpf_rdonly_cast((const void *)&(member), TCPIO_NEW_UTSNAME))
#define READ_ALL(to, from)                                                          \
	({                                                                          \
		_Static_assert(sizeof(to) % 4 == 0 && sizeof(to) <= 64, "words");   \
		read_words(&(to), sizeof(to), from);                                \
	})

/* size is a multiple of 4, and at most 64. */
static __always_inline void read_words(void *to, u32 size, const void *from)
{
	const volatile void *bytes = bpf_rdonly_cast(from, TCPIO_NEW_UTSNAME);
	u32 at;

#pragma unroll
	for (at = 0; at + 8 <= size; at += 8)
		*(u64 *)(to + at) = *(const volatile u64 *)(bytes + at);
	if (at < size)
		*(u32 *)(to + at) = *(const volatile u32 *)(bytes + at);
}
#else
#define READ_ANY(member)                                                     \
	({                                                                   \
		typeof(member) value_;                                       \
		bpf_probe_read_kernel(&value_, sizeof(value_), &(member));   \
		value_;                                                      \
	})

/* A whole struct, as far as kernel.h has it: one read costs about as much as that of one member. */
#define READ_ALL(to, from) bpf_probe_read_kernel(&(to), sizeof(to), from)
#endif

#if TCPIO_TYPED
/* volatile: what is read is what the kernel's types say, no more and no less. */
#define READ(member) (*(volatile typeof(member) *)&(member))
#define LOOK_AT(name, skb) const volatile struct sk_buff *name = (skb)
#else
#define READ(member) READ_ANY(member)
#ifdef TCPIO_RDONLY_CAST
#define LOOK_AT(name, skb) const volatile struct sk_buff *name = bpf_rdonly_cast(skb, TCPIO_SK_BUFF)
#else
#define LOOK_AT(name, skb)                                   \
	struct sk_buff name##_;                              \
	const volatile struct sk_buff *name = &name##_;      \
	READ_ALL(name##_, skb)
#endif
#endif

#define SKB_DST_PTRMASK (~1UL)	/* include/linux/skbuff.h: the low bit says "not counted" */

/* The TCP header without options, as RFC 9293 has it. */
struct tcp_header {
	__be16 source;
	__be16 dest;
	__be32 seq;
	__be32 ack_seq;
	u8 offset;	/* header length in 32-bit words << 4, reserved bits, AE */
	u8 flags;
	__be16 window;
	__be16 check;
	__be16 urg_ptr;
};

/* The IPv4 header without options (RFC 791). */
struct ipv4_header {
	u8 version_ihl;
	u8 tos;
	__be16 tot_len;
	__be16 id;
	__be16 frag_off;
	u8 ttl;
	u8 protocol;
	__be16 check;
	__be32 saddr;
	__be32 daddr;
};

/* The IPv6 header (RFC 8200). */
struct ipv6_header {
	__be32 flow;
	__be16 payload_len;
	u8 nexthdr;
	u8 hop_limit;
	u64 saddr[2];
	u64 daddr[2];
};

/* Where both headers of a segment are read to: they mostly lie one behind the other. */
struct ipv4_headers {
	struct ipv4_header ip;
	struct tcp_header tcp;
};

struct ipv6_headers {
	struct ipv6_header ip;
	struct tcp_header tcp;
};

static __always_inline void set_ipv4(u64 address[2], __be32 ipv4)
{
	address[0] = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	address[1] = (u64)ipv4 << 32 | 0xffff0000;
#else
	address[1] = 0xffff00000000 | ipv4;
#endif
}

static __always_inline void read_ipv6(u64 address[2], const void *from)
{
	u64 words[2];

	READ_ALL(words, from);
	address[0] = words[0];
	address[1] = words[1];
}

/* What lies on the kernel's stack, offset bytes above sp. */
static __always_inline unsigned long read_stack(unsigned long sp, u32 offset)
{
	unsigned long *at = (void *)(sp + offset);

	return READ_ANY(*at);
}

/* enum skb packet class (include/uapi/linux/if_packet.h): the 3-bit field that begins this byte. */
static __always_inline u8 pkt_type_in(u8 byte)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return byte & 7;
#else
	return byte >> 5;
#endif
}

/* A member of one bit, so many bits from the beginning of a struct, as BTF counts. */
static __always_inline int read_bit(void *from, u32 bit)
{
	u8 *byte = from + bit / 8;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return READ_ANY(*byte) >> bit % 8 & 1;
#else
	return READ_ANY(*byte) >> (7 - bit % 8) & 1;
#endif
}

static __always_inline u32 read_netns(struct net *net)
{
	return READ(net->ns.inum);
}

static __always_inline u32 read_sock_netns(struct sock *sk)
{
	return read_netns(READ(sk->__sk_common.skc_net));
}

static __always_inline u32 read_dev_netns(struct net_device *dev)
{
	return read_netns(READ(dev->nd_net));
}

/* skb_shinfo() of a 64-bit kernel, where skb->end is an offset. */
static __always_inline u16 read_segs(const volatile struct sk_buff *skb)
{
	struct skb_shared_info *shared = (void *)(skb->head + skb->end);
	u16 segs = READ_ANY(shared->gso_segs);

	return segs ? segs : 1;
}

#endif
