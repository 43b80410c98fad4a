/* SPDX-License-Identifier: GPL-2.0-only */
/* BCC's table macros round sizes up. */
#ifndef TCPIO_LOG2_H
#define TCPIO_LOG2_H

#define roundup_pow_of_two(n) (1UL << (64 - __builtin_clzl((n) - 1)))

#endif
