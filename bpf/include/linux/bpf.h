/* SPDX-License-Identifier: GPL-2.0-only */
/* Empty on purpose: BCC puts its own copy of the BPF interface in front of this one. */
