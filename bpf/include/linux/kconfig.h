/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * BCC includes this file before all others (-include linux/kconfig.h). The kernel's own would say how the
 * kernel was configured; the programs here read that from BTF, so all that is needed is the integer types,
 * and the option that opens BCC's helpers.
 */
#ifndef TCPIO_KCONFIG_H
#define TCPIO_KCONFIG_H

#define CONFIG_BPF_SYSCALL 1

#include <linux/types.h>

#endif
