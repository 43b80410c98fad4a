/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The counters: block and name as nstat(8) joins them, the report's label, the unit, and what is counted where.
 * The labels are those of tcpipstat where it had one, else the kernel's name. tcpio/schema/counters.py reads this file;
 * each row is one line. COUNTER rows are counted for each bucket by bpf/summary.c, where SLOT_<block><name> is the
 * place in a bucket's values, or -1 if the counter was not asked for. HOST_COUNTER rows belong to no socket: the
 * kernel's own counters of a namespace are read.
 */

/* Calls of the program that owns the socket. */
COUNTER(Socket, BytesSent, "Bytes Sent", bytes, "accepted from the program: tcp_sendmsg(), tcp_sendpage()")
COUNTER(Socket, MessagesSent, "Messages sent", calls, "calls that sent at least a byte: tcp_sendmsg(), tcp_sendpage()")
COUNTER(Socket, BytesReceived, "Bytes Received", bytes, "taken by the program: tcp_recvmsg() without MSG_PEEK, tcp_splice_read()")
COUNTER(Socket, MessagesReceived, "Messages Received", calls, "calls that took at least a byte: tcp_recvmsg() without MSG_PEEK, tcp_splice_read()")

/* include/uapi/linux/snmp.h: ipstats mib definitions. */
COUNTER(Ip, InReceives, "InReceives", packets, "received, GRO's super-segments as one: ip_rcv_core()")
COUNTER(Ip, InDelivers, "InDelivers", packets, "handed to TCP: ip_protocol_deliver_rcu()")
COUNTER(Ip, OutRequests, "OutRequests", packets, "handed to IP: __ip_local_out(), ip_output() before Linux 6.4")
HOST_COUNTER(Ip, ForwDatagrams, "ForwDatagrams", packets, "forwarded: ip_forward()")
HOST_COUNTER(Ip, InAddrErrors, "InAddrErrors", packets, "for an address that is not here: ip_error()")
HOST_COUNTER(Ip, InUnknownProtos, "InUnknownProtos", packets, "of a protocol that nobody handles: ip_protocol_deliver_rcu()")
HOST_COUNTER(Ip, InDiscards, "InDiscards", packets, "dropped for want of memory: ip_rcv_core()")
HOST_COUNTER(Ip, ReasmTimeout, "ReasmTimeout", packets, "of which fragments did not come in time: ip_expire()")
HOST_COUNTER(Ip, ReasmReqds, "ReasmReqds", fragments, "to be put together: ip_defrag()")
HOST_COUNTER(Ip, ReasmOKs, "ReasmOKs", packets, "put together: ip_frag_reasm()")
HOST_COUNTER(Ip, ReasmFails, "ReasmFails", packets, "not put together: ip_defrag(), ip_expire()")
HOST_COUNTER(Ip, FragOKs, "FragOKs", packets, "cut into fragments: ip_do_fragment()")
HOST_COUNTER(Ip, FragFails, "FragFails", packets, "not cut into fragments: ip_fragment()")
HOST_COUNTER(Ip, FragCreates, "FragCreates", fragments, "made: ip_do_fragment()")
HOST_COUNTER(IpExt, InNoRoutes, "InNoRoutes", packets, "without a route: ip_rcv_finish_core(), ip_error()")
COUNTER(Ip6, InReceives, "InReceives", packets, "received, GRO's super-segments as one: ip6_rcv_core()")
COUNTER(Ip6, InDelivers, "InDelivers", packets, "handed to TCP: ip6_protocol_deliver_rcu()")
COUNTER(Ip6, OutRequests, "OutRequests", packets, "TCP's, handed to IP: ip6_xmit()")

/* include/uapi/linux/snmp.h: tcp mib definitions. */
COUNTER(Tcp, ActiveOpens, "ActiveOpens", connections, "begun here: tcp_connect()")
COUNTER(Tcp, PassiveOpens, "PassiveOpens", connections, "begun by the other end: tcp_create_openreq_child()")
COUNTER(Tcp, AttemptFails, "AttemptFails", connections, "that failed before they were established: tcp_done(), tcp_check_req()")
COUNTER(Tcp, EstabResets, "EstabResets", connections, "from ESTABLISHED or CLOSE_WAIT to CLOSE: tcp_set_state()")
COUNTER(Tcp, CurrEstab, "CurrEstab", connections, "in ESTABLISHED or CLOSE_WAIT now, less those at the start: tcp_set_state()")
COUNTER(Tcp, InSegs, "InSegs", segments, "received, GRO's super-segments as one: tcp_v4_rcv(), tcp_v6_rcv()")
COUNTER(Tcp, OutSegs, "OutSegs", segments, "sent, without retransmissions: __tcp_transmit_skb(), tcp_make_synack(), replies without a socket")
COUNTER(Tcp, RetransSegs, "RetransSegs", segments, "retransmitted: __tcp_retransmit_skb(), tcp_rtx_synack()")
COUNTER(Tcp, InErrs, "InErrs", segments, "received in error: bad checksum or header, SYN in ESTABLISHED")
COUNTER(Tcp, OutRsts, "OutRsts", segments, "with RST sent: tcp_send_active_reset(), tcp_v4_send_reset(), tcp_v6_send_response()")
COUNTER(Tcp, InCsumErrors, "InCsumErrors", segments, "received with a bad checksum: tcp_v4_rcv(), tcp_v6_rcv(), ...")

/* include/uapi/linux/snmp.h: linux mib definitions. */
COUNTER(TcpExt, DelayedACKs, "delayed acks sent", segments, "sent by the timer: tcp_delack_timer_handler()")
COUNTER(TcpExt, ListenOverflows, "times the listen queue of a socket overflowed", events, "tcp_conn_request(), tcp_v4_syn_recv_sock(), tcp_v6_syn_recv_sock()")
COUNTER(TcpExt, ListenDrops, "SYNs to LISTEN sockets ignored", segments, "tcp_conn_request(), tcp_v4_syn_recv_sock(), tcp_v6_syn_recv_sock()")
COUNTER(TcpExt, TCPMemoryPressures, "tcp memory pressure", events, "tcp_enter_memory_pressure()")
COUNTER(TcpExt, TCPTimeouts, "TCPTimeouts", events, "retransmission timers that ran out: tcp_retransmit_timer(), tcp_syn_ack_timeout()")
COUNTER(TcpExt, TCPSynRetrans, "TCPSynRetrans", segments, "SYN and SYN-ACK sent again: __tcp_retransmit_skb(), tcp_rtx_synack()")
COUNTER(TcpExt, TCPFastRetrans, "TCPFastRetrans", segments, "sent again in recovery: tcp_xmit_retransmit_queue()")
COUNTER(TcpExt, TCPSlowStartRetrans, "TCPSlowStartRetrans", segments, "sent again after a timeout: tcp_xmit_retransmit_queue()")
COUNTER(TcpExt, TCPLostRetransmit, "TCPLostRetransmit", segments, "retransmissions that were lost too: tcp_mark_skb_lost()")
COUNTER(TcpExt, TCPLossProbes, "TCPLossProbes", segments, "tail loss probes: tcp_send_loss_probe()")
COUNTER(TcpExt, TCPSpuriousRTOs, "TCPSpuriousRTOs", events, "timeouts that F-RTO found needless: tcp_try_undo_loss()")
COUNTER(TcpExt, TCPSackRecovery, "TCPSackRecovery", events, "recoveries begun by SACK: tcp_enter_recovery()")
COUNTER(TcpExt, TCPRenoRecovery, "TCPRenoRecovery", events, "recoveries begun without SACK: tcp_enter_recovery()")
COUNTER(TcpExt, TCPOrigDataSent, "TCPOrigDataSent", segments, "with data sent the first time: tcp_event_new_data_sent(), tcp_connect()")
COUNTER(TcpExt, TCPDelivered, "TCPDelivered", segments, "that the other end has: tcp_newly_delivered()")
COUNTER(TcpExt, TCPRcvCoalesce, "TCPRcvCoalesce", segments, "joined to the one before in the receive queue: tcp_try_coalesce()")
COUNTER(TcpExt, TCPBacklogDrop, "TCPBacklogDrop", segments, "dropped since the backlog was full: tcp_add_backlog()")
COUNTER(TcpExt, TCPAbortOnTimeout, "TCPAbortOnTimeout", connections, "given up by a timer: tcp_write_err()")
COUNTER(TcpExt, TCPKeepAlive, "TCPKeepAlive", segments, "keepalive probes: tcp_xmit_probe_skb()")
COUNTER(TcpExt, TCPWinProbe, "TCPWinProbe", segments, "window probes: tcp_xmit_probe_skb()")
COUNTER(TcpExt, TW, "TW", sockets, "in TIME_WAIT: __inet_twsk_schedule()")
COUNTER(TcpExt, PAWSEstab, "PAWSEstab", segments, "refused for an old timestamp: tcp_validate_incoming(), ...")
COUNTER(TcpExt, SyncookiesSent, "SyncookiesSent", segments, "SYN-ACKs with a cookie: tcp_conn_request()")
COUNTER(TcpExt, SyncookiesRecv, "SyncookiesRecv", segments, "ACKs with a good cookie: cookie_v4_check(), cookie_v6_check()")
COUNTER(TcpExt, SyncookiesFailed, "SyncookiesFailed", segments, "ACKs with a bad cookie: cookie_v4_check(), cookie_v6_check()")
COUNTER(TcpExt, TCPFastOpenPassive, "TCPFastOpenPassive", connections, "with data in the SYN: tcp_try_fastopen()")
COUNTER(TcpExt, TCPACKSkippedSynRecv, "TCPACKSkippedSynRecv", segments, "ACKs not sent, for their rate: tcp_oow_rate_limited()")
COUNTER(TcpExt, TCPACKSkippedPAWS, "TCPACKSkippedPAWS", segments, "ACKs not sent, for their rate: tcp_oow_rate_limited()")
COUNTER(TcpExt, TCPACKSkippedSeq, "TCPACKSkippedSeq", segments, "ACKs not sent, for their rate: tcp_oow_rate_limited()")
COUNTER(TcpExt, TCPACKSkippedFinWait2, "TCPACKSkippedFinWait2", segments, "ACKs not sent, for their rate: tcp_oow_rate_limited()")
COUNTER(TcpExt, TCPACKSkippedTimeWait, "TCPACKSkippedTimeWait", segments, "ACKs not sent, for their rate: tcp_oow_rate_limited()")
