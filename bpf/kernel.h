/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's structures, with only the members that are read. tcpio/kernel/structs.py puts each member at
 * the offset that the running kernel's BTF gives, and replaces this file by the result; nothing here depends
 * on the order or on what lies between. A member that the kernel has inside anonymous structs or unions is
 * written as if they were not there.
 *
 * possible_net_t is one pointer to struct net, and is written as that pointer.
 */
#ifndef TCPIO_KERNEL_H
#define TCPIO_KERNEL_H

struct ns_common {
	u32 inum;
};

struct netns_mib {
	struct tcp_mib *tcp_statistics;
	struct ipstats_mib *ip_statistics;
	struct linux_mib *net_statistics;
};

struct net {
	struct ns_common ns;
	struct netns_mib mib;
};

struct list_head {
	struct list_head *next;
};

struct net_device {
	struct net *nd_net;
	u32 priv_flags;
	u8 *dev_addr;
	struct list_head adj_list;	/* its first member: upper, the list of struct netdev_adjacent */
};

struct netdev_adjacent {
	struct net_device *dev;
	struct list_head list;
};

struct dst_entry {
	struct net_device *dev;
};

struct in6_addr {
	u8 in6_u[16];
};

struct sock_common {
	u32 skc_daddr;
	u32 skc_rcv_saddr;
	u16 skc_dport;
	u16 skc_num;
	u16 skc_family;
	u8 skc_state;
	struct net *skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct sock {
	struct sock_common __sk_common;
	struct dst_entry *sk_dst_cache;
	struct socket *sk_socket;
	u16 sk_type;
	u16 sk_protocol;
};

struct ipv6_pinfo {
	struct in6_addr saddr;
};

struct inet_sock {
	struct ipv6_pinfo *pinet6;
	u32 inet_saddr;
	u16 inet_sport;
};

struct inet_connection_sock {
	u8 icsk_ca_state;	/* a bit-field: see read_ca_state() */
};

struct tcp_skb_cb {
	u16 tcp_gso_segs;
	u8 tcp_flags;
	u8 sacked;
};

struct socket {
	struct sock *sk;
};

struct request_sock_ops {
	u32 family;
};

struct request_sock {
	struct sock_common __req_common;
	struct request_sock_ops *rsk_ops;
};

struct timer_list {
	unsigned long expires;
};

struct inet_timewait_sock {
	struct timer_list tw_timer;
};

struct tcp_sock {
	u32 snd_nxt;
	u32 delivered;
	u32 segs_out;
	u32 segs_in;
	u32 total_retrans;
	struct request_sock *fastopen_rsk;
	u64 bytes_acked;
	u64 bytes_received;
	u64 bytes_retrans;
	u32 srtt_us;
	u32 rtt_min[6];	/* struct minmax */
	u32 dsack_dups;
	u32 reord_seen;
};

struct flowi_common {
	u8 flowic_proto;
};

struct flowi6 {
	struct flowi_common __fl_common;
	struct in6_addr daddr;
	struct in6_addr saddr;
};

struct kvec {
	void *iov_base;
};

struct ip_reply_arg {
	struct kvec iov[1];
};

struct sk_buff {
	struct sock *sk;
	struct net_device *dev;
	unsigned long _skb_refdst;
	u32 len;
	u32 data_len;
	u8 pkt_type;	/* a bit-field: see pkt_type_in() */
	u32 skb_iif;
	u16 protocol;
	u16 mac_header;
	u16 transport_header;
	u16 network_header;
	u32 end;
	u8 *head;
	u8 *data;
	u8 cb[48];
};

struct skb_shared_info {
	u16 gso_segs;
};

#endif
