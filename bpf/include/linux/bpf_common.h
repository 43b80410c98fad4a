/* SPDX-License-Identifier: GPL-2.0-only */
/* Named by BCC's copy of the BPF interface, which uses nothing of it. */
