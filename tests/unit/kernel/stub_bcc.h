/* SPDX-License-Identifier: GPL-2.0-only */
/* What BCC adds to the programs, so that a C compiler can check them without it. */
#include <linux/kconfig.h>

#define BPF_PERF_OUTPUT(name) \
	struct { int (*perf_submit)(void *ctx, void *data, u32 size); } name
#define BPF_PERCPU_ARRAY(name, leaf, size) \
	struct { leaf *(*lookup)(u32 *key); leaf (*array)[size]; } name
#define BPF_ARRAY(name, leaf, size) BPF_PERCPU_ARRAY(name, leaf, size)
#define BPF_TABLE(kind, key_type, leaf, name, size)                        \
	struct {                                                           \
		leaf *(*lookup)(key_type *key);                            \
		leaf *(*lookup_or_try_init)(key_type *key, leaf *initial); \
		int (*update)(key_type *key, leaf *value);                 \
		int (*delete)(key_type *key);                              \
	} name

struct bpf_raw_tracepoint_args {
	u64 args[1];
};

#define PT_REGS_PARM1(ctx) ((ctx)->di)
#define PT_REGS_PARM2(ctx) ((ctx)->si)
#define PT_REGS_PARM3(ctx) ((ctx)->dx)
#define PT_REGS_PARM4(ctx) ((ctx)->cx)
#define PT_REGS_PARM5(ctx) ((ctx)->r8)
#define PT_REGS_PARM6(ctx) ((ctx)->r9)
#define PT_REGS_SP(ctx) ((ctx)->sp)

u64 bpf_ktime_get_ns(void);
u32 bpf_get_smp_processor_id(void);
int bpf_probe_read_kernel(void *to, u32 size, const void *from);

#define bpf_ntohs(x) __builtin_bswap16(x)
#define bpf_htons(x) __builtin_bswap16(x)
#define bpf_ntohl(x) __builtin_bswap32(x)
#define bpf_htonl(x) __builtin_bswap32(x)
