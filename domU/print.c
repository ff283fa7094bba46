// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stddef.h>

#include "print.h"

static void put(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, ",\n \"%s\": %" PRIu64, name, value);
}

#define PUT(from, name)	put(out, #name, (from)->name)

void cagma_print_view(FILE *out, const struct cagma_view *view, bool has_pressure)
{
	const struct cagma_sample *sample = &view->sample;
	const struct cagma_pressure *pressure = &view->pressure;

	fprintf(out, "{\"version\": %d", CAGMA_MSG_VERSION);
	PUT(sample, total_pages);
	PUT(sample, free_pages);
	PUT(sample, available_pages);
	PUT(sample, anon_pages);
	PUT(sample, file_pages);
	PUT(sample, shmem_pages);
	PUT(sample, committed_pages);
	PUT(sample, swap_free_pages);
	PUT(sample, swap_in_pages);
	PUT(sample, swap_out_pages);
	PUT(sample, refault_pages);
	PUT(sample, refault_file_pages);
	PUT(sample, activate_file_pages);
	PUT(sample, active_file_pages);
	PUT(sample, least_pages);
	PUT(sample, direct_stalls);
	PUT(sample, balloon_pages);
	PUT(sample, balloon_target_pages);
	PUT(pressure, swap_total_pages);
	if (has_pressure) {
		PUT(pressure, some_us);
		PUT(pressure, full_us);
	}
	fprintf(out, "}\n");
}
