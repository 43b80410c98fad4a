/* SPDX-License-Identifier: GPL-2.0-only */
/* Named by BCC's helpers; the programs here have what they need of it in trace.c. */
