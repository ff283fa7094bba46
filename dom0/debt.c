// SPDX-License-Identifier: GPL-2.0-only
#include "debt.h"
#include "units.h"

#define WINDOW_NS	(5 * CAGMA_NS_PER_S)
#define SHARE		4
#define ENOUGH_PAGES	cagma_mib_to_pages(128)
#define QUICK_NS	(50 * CAGMA_NS_PER_MS)
#define STEADY_NS	CAGMA_NS_PER_S
#define WAIT_MIN_NS	(10 * CAGMA_NS_PER_S)
#define WAIT_MAX_NS	(300 * CAGMA_NS_PER_S)

static void open_window(struct cagma_debt *debt, uint64_t owed_pages,
			uint64_t now_ns)
{
	debt->window_ns = now_ns;
	debt->window_pages = owed_pages;
}

static void close_window(struct cagma_debt *debt, uint64_t owed_pages,
			 uint64_t now_ns)
{
	uint64_t paid = cagma_less(debt->window_pages, owed_pages);
	uint64_t due = cagma_min(debt->window_pages / SHARE, ENOUGH_PAGES);

	if (!debt->stuck && paid < due) {
		debt->stuck = true;
		debt->stuck_pages = owed_pages;
		debt->wait_ns = WAIT_MIN_NS;
		debt->ask_ns = now_ns;
	}
	open_window(debt, owed_pages, now_ns);
}

static bool is_time_to_ask(struct cagma_debt *debt, uint64_t now_ns)
{
	if (!debt->stuck || now_ns < debt->ask_ns)
		return false;
	debt->ask_ns = now_ns + debt->wait_ns;
	debt->wait_ns = cagma_min(2 * debt->wait_ns, WAIT_MAX_NS);
	return true;
}

/* What was paid within `window_ns` says what will be paid soon. */
static void keep_pace(struct cagma_debt *debt, int i, uint64_t window_ns,
		      uint64_t owed_pages, uint64_t now_ns, uint64_t *per_s)
{
	uint64_t before = debt->pace[i].owed_pages;
	uint64_t passed_ns = cagma_less(now_ns, debt->pace[i].since_ns);

	if (!before)
		*per_s = UINT64_MAX;
	if (before && owed_pages <= before) {
		if (passed_ns < window_ns)
			return;
		*per_s = cagma_scale(before - owed_pages, CAGMA_NS_PER_S,
				     passed_ns);
	}
	debt->pace[i].since_ns = now_ns;
	debt->pace[i].owed_pages = owed_pages;
}

bool cagma_debt_look(struct cagma_debt *debt, uint64_t owed_pages,
		     uint64_t now_ns)
{
	if (owed_pages <= CAGMA_REST_PAGES) {
		*debt = (struct cagma_debt){
			.quick_pages = UINT64_MAX,
			.steady_pages = UINT64_MAX,
		};
		return false;
	}
	keep_pace(debt, 0, QUICK_NS, owed_pages, now_ns, &debt->quick_pages);
	keep_pace(debt, 1, STEADY_NS, owed_pages, now_ns, &debt->steady_pages);
	if (debt->stuck && owed_pages <= debt->stuck_pages / 2)
		debt->stuck = false;
	/* More is owed than before: it was asked for more in between. */
	if (!debt->window_pages || owed_pages > debt->window_pages)
		open_window(debt, owed_pages, now_ns);
	else if (cagma_less(now_ns, debt->window_ns) >= WINDOW_NS)
		close_window(debt, owed_pages, now_ns);
	return is_time_to_ask(debt, now_ns);
}
