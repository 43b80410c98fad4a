/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The registers at a kprobe, in the kernel's layout for each architecture (arch/ARCH/include/asm/ptrace.h).
 * BCC's PT_REGS_PARMn() name the ones that carry arguments.
 */
#ifndef TCPIO_PTRACE_H
#define TCPIO_PTRACE_H

#include <linux/types.h>

#if defined(__TARGET_ARCH_x86) || defined(__x86_64__)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx;
	unsigned long r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax, ip, cs, flags, sp, ss;
};
#elif defined(__TARGET_ARCH_arm64) || defined(__aarch64__)
struct pt_regs {
	unsigned long regs[31];
	unsigned long sp, pc, pstate;
};
#elif defined(__TARGET_ARCH_s390x) || defined(__s390x__)
struct pt_regs {
	unsigned long args[1];
	unsigned long psw[2];
	unsigned long gprs[16];
};
#elif defined(__TARGET_ARCH_powerpc) || defined(__powerpc64__)
struct pt_regs {
	unsigned long gpr[32];
	unsigned long nip, msr, orig_gpr3, ctr, link, xer, ccr;
};
#elif defined(__TARGET_ARCH_riscv64) || defined(__riscv)
struct pt_regs {
	unsigned long pc, ra, sp, gp, tp, t0, t1, t2, s0, s1;
	unsigned long a0, a1, a2, a3, a4, a5, a6, a7;
};
#elif defined(__TARGET_ARCH_loongarch) || defined(__loongarch__)
struct pt_regs {
	unsigned long regs[32];
};
#else
#error "no register layout for this architecture"
#endif

#endif
