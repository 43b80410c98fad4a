/* SPDX-License-Identifier: GPL-2.0-only */
/* BCC's helpers compare these; nothing here decides by a kernel's version. */
#ifndef TCPIO_VERSION_H
#define TCPIO_VERSION_H

#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))
#define LINUX_VERSION_CODE KERNEL_VERSION(5, 10, 0)

#endif
