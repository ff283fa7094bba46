// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <syslog.h>

#include "fields.h"
#include "guest.h"
#include "journal.h"
#include "log.h"
#include "units.h"

/* Of a guest, or of the round that the next `round.count` ones belong to. */
struct cagma_journal_entry {
	struct cds_wfcq_node node;	/* first: see feed.h */
	struct cagma_journal_entry *next;
	struct cagma_round round;
	uint16_t domid;
	char name[CAGMA_NAME_BYTES];
	struct cagma_guest_view view;
	struct cagma_decision decision;
};

/* Two rounds of the largest host. */
#define POOL_ENTRIES (2 * (CAGMA_GUESTS_MAX + 1))

int cagma_journal_open(struct cagma_journal *journal, const char *path,
		       uint64_t now_ns)
{
	int err;

	*journal = (struct cagma_journal){ .start_ns = now_ns };
	if (path)
		journal->file = fopen(path, "ae");
	if (path && !journal->file)
		return -errno;
	/* What was there may end in the middle of a line. */
	if (path && ftell(journal->file) > 0)
		fputs("\n", journal->file);
	err = cagma_feed_open(&journal->feed, path ? POOL_ENTRIES : 0,
			      sizeof(struct cagma_journal_entry));
	if (err && path)
		fclose(journal->file);
	return err;
}

void cagma_journal_close(struct cagma_journal *journal)
{
	if (journal->file)
		fclose(journal->file);
	cagma_feed_close(&journal->feed);
}

/* ---- the loop ---- */

/* True when there are `wanted` idle entries. */
static bool gather(struct cagma_journal *journal, size_t wanted)
{
	while (journal->idle_count < wanted) {
		struct cagma_journal_entry *entry =
			cagma_feed_take(&journal->feed);

		if (!entry)
			return false;
		entry->next = journal->idle;
		journal->idle = entry;
		journal->idle_count++;
	}
	return true;
}

static struct cagma_journal_entry *take(struct cagma_journal *journal)
{
	struct cagma_journal_entry *entry = journal->idle;

	journal->idle = entry->next;
	journal->idle_count--;
	return entry;
}

void cagma_journal_add(struct cagma_journal *journal,
		       const struct cagma_round *round,
		       struct cagma_guest *const *guests,
		       const struct cagma_guest_view *views,
		       const struct cagma_decision *decisions)
{
	struct cagma_journal_entry *entry;

	if (!journal->file || atomic_load(&journal->broken))
		return;
	if (!gather(journal, round->count + 1)) {
		atomic_fetch_add(&journal->lost, 1);
		return;
	}
	entry = take(journal);
	entry->round = *round;
	cagma_feed_commit(&journal->feed, entry);
	for (size_t i = 0; i < round->count; i++) {
		entry = take(journal);
		entry->domid = guests[i]->domid;
		memcpy(entry->name, guests[i]->name, sizeof(entry->name));
		entry->view = views[i];
		entry->decision = decisions[i];
		cagma_feed_commit(&journal->feed, entry);
	}
}

/* ---- the serve thread ---- */

static void write_round(struct cagma_journal *journal,
			const struct cagma_round *round)
{
	uint64_t lost = atomic_load(&journal->lost);

	fprintf(journal->file, "{\"t_ms\":%" PRIu64 ",\"policy\":\"%s\","
		"\"periodic\":%s,\"lost\":%" PRIu64 ",\"tuning\":",
		(round->time_ns - journal->start_ns) / CAGMA_NS_PER_MS,
		round->policy->name, round->periodic ? "true" : "false",
		lost - journal->written_lost);
	journal->written_lost = lost;
	cagma_fields_write(journal->file, cagma_tuning_fields, &round->tuning);
	fputs(",\"host\":", journal->file);
	cagma_fields_write(journal->file, cagma_host_view_fields, &round->host);
	fputs(",\"guests\":[", journal->file);
}

/* Names are printable ASCII without quotes or backslashes: see store.c. */
static void write_guest(struct cagma_journal *journal,
			const struct cagma_journal_entry *entry)
{
	fprintf(journal->file, "{\"dom\":%u,\"name\":\"%s\",\"view\":",
		entry->domid, entry->name);
	cagma_fields_write(journal->file, cagma_guest_view_fields,
			   &entry->view);
	fputs(",\"decision\":", journal->file);
	cagma_fields_write(journal->file, cagma_decision_fields,
			   &entry->decision);
	fputs("}", journal->file);
}

static void write_entry(struct cagma_journal *journal,
			const struct cagma_journal_entry *entry)
{
	if (journal->left) {
		write_guest(journal, entry);
		if (--journal->left)
			fputs(",", journal->file);
	} else {
		write_round(journal, &entry->round);
		journal->left = entry->round.count;
	}
	if (!journal->left)
		fputs("]}\n", journal->file);
}

void cagma_journal_write(struct cagma_journal *journal)
{
	struct cagma_journal_entry *entry;

	cagma_feed_begin(&journal->feed);
	while ((entry = cagma_feed_next(&journal->feed))) {
		write_entry(journal, entry);
		cagma_feed_give_back(&journal->feed, entry);
	}
	if (!journal->file)
		return;
	errno = 0;
	fflush(journal->file);
	if (ferror(journal->file) && !atomic_exchange(&journal->broken, true))
		cagma_log(LOG_WARNING, "recording ends: %s", strerror(errno));
}
