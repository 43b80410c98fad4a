/* SPDX-License-Identifier: GPL-2.0-only */
/* BCC's helpers mention PAGE_SIZE; the programs here do not use it. */
#ifndef TCPIO_PAGE_H
#define TCPIO_PAGE_H

#define PAGE_SIZE 4096

#endif
