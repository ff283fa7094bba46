// SPDX-License-Identifier: GPL-2.0-only
/*
 * Probes on the reclaim tracepoints. They run inside reclaim, in the task that
 * allocates: they raise an emergency, and nothing else.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/stringify.h>
#include <linux/tracepoint.h>
#include <trace/events/vmscan.h>

#include "cagma.h"
#include "compat.h"

static void on_wakeup_kswapd(void *data, int nid, int zid, int order,
			     gfp_t gfp_flags)
{
	cagma_raise(CAGMA_REASON_KSWAPD);
}

static void on_direct_reclaim(void *data, int order, gfp_t gfp_flags)
{
	cagma_raise(CAGMA_REASON_DIRECT);
}

static void on_direct_reclaim_of(void *data, gfp_t gfp_flags, int order,
				 struct mem_cgroup *memcg)
{
	cagma_raise(CAGMA_REASON_DIRECT);
}

#define ON_DIRECT_RECLAIM \
	cagma_begin_probe(on_direct_reclaim, on_direct_reclaim_of)

/*
 * The paper's "swapping event", if memory is short; file pages written back are no
 * such thing.
 */
static void on_write(void *data, cagma_folio *folio)
{
	if (cagma_is_swapbacked(folio))
		cagma_raise(CAGMA_REASON_SWAP);
}

static struct hook {
	const char *name;
	void *probe;
	struct tracepoint *tracepoint;	/* set while the probe is attached */
} hooks[] = {
	{ "mm_vmscan_wakeup_kswapd", on_wakeup_kswapd },
	{ "mm_vmscan_direct_reclaim_begin", ON_DIRECT_RECLAIM },
	{ __stringify(CAGMA_TRACE_WRITE), on_write },
};

/* Compiles only if the probes take what this kernel's tracepoints give. */
static inline void check_types(void)
{
	check_trace_callback_type_mm_vmscan_wakeup_kswapd(on_wakeup_kswapd);
	check_trace_callback_type_mm_vmscan_direct_reclaim_begin(
		ON_DIRECT_RECLAIM);
	CONCATENATE(check_trace_callback_type_, CAGMA_TRACE_WRITE)(on_write);
}

/* The tracepoints aren't exported to modules, but they can be enumerated. */
static void find(struct tracepoint *tracepoint, void *priv)
{
	struct hook *hook = priv;

	if (!strcmp(tracepoint->name, hook->name))
		hook->tracepoint = tracepoint;
}

static int attach(struct hook *hook)
{
	struct tracepoint *found;
	int err;

	for_each_kernel_tracepoint(find, hook);
	found = hook->tracepoint;
	hook->tracepoint = NULL;
	if (!found) {
		pr_err("this kernel has no tracepoint %s\n", hook->name);
		return -ENOENT;
	}
	err = tracepoint_probe_register(found, hook->probe, NULL);
	if (!err)
		hook->tracepoint = found;
	return err;
}

int cagma_hooks_init(void)
{
	size_t i;
	int err;

	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		err = attach(&hooks[i]);
		if (err) {
			cagma_hooks_exit();
			return err;
		}
	}
	return 0;
}

void cagma_hooks_exit(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (!hooks[i].tracepoint)
			continue;
		tracepoint_probe_unregister(hooks[i].tracepoint,
					    hooks[i].probe, NULL);
		hooks[i].tracepoint = NULL;
	}
	tracepoint_synchronize_unregister();
}
