/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The protocol of the shared page, and the only memory barriers of the
 * project that order accesses to it.
 *
 * Two kinds of data cross the page:
 *
 *  record    a body under a sequence number: a slot (guest writes) or the
 *            mailbox (dom0 writes). The writer never waits; the reader tries
 *            once and is told -EAGAIN when it met the writer. Whoever calls
 *            bounds the retries: the peer owns the sequence and may be lying.
 *
 *  doorbell  dom0 arms, the guest publishes. Each stores its own word, then a
 *            full barrier, then looks at the other's. At least one of them
 *            sees the other, so that no emergency sleeps unseen.
 *
 * The kernel side uses virt_*, not smp_*: a guest with one processor still
 * shares this memory with other processors. Nothing here is an atomic
 * read-modify-write: such a guest patches its lock prefixes away.
 *
 * A test may supply CAGMA_SYNC_BACKEND, a header that defines the six
 * primitives, to explore this very code.
 */
#ifndef CAGMA_SHARED_SYNC_H
#define CAGMA_SHARED_SYNC_H

#include "page.h"

#if defined(CAGMA_SYNC_BACKEND)
#include CAGMA_SYNC_BACKEND
#elif defined(__KERNEL__)
#include <asm/barrier.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#define cagma_load(p)		READ_ONCE(*(p))
#define cagma_store(p, v)	WRITE_ONCE(*(p), (v))
#define cagma_load_acquire(p)	virt_load_acquire(p)
#define cagma_store_release(p, v) virt_store_release((p), (v))
#define cagma_rmb()		virt_rmb()
#define cagma_wmb()		virt_wmb()
#define cagma_mb()		virt_mb()
#else
#include <errno.h>
#define cagma_load(p)		__atomic_load_n((p), __ATOMIC_RELAXED)
#define cagma_store(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define cagma_load_acquire(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define cagma_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define cagma_rmb()		__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define cagma_wmb()		__atomic_thread_fence(__ATOMIC_RELEASE)
#define cagma_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

/* Bodies are copied by machine words: no field is loaded or stored twice. */
typedef unsigned long __attribute__((__may_alias__)) cagma_word;

#define CAGMA_WORDS(type)	(sizeof(struct type) / sizeof(cagma_word))
_Static_assert(sizeof(struct cagma_sample) % sizeof(cagma_word) == 0,
	       "sample is whole words");
_Static_assert(sizeof(struct cagma_mail) % sizeof(cagma_word) == 0,
	       "mail is whole words");

/* Writes a record: seq must be even; the body belongs to the caller. */
static inline void cagma_record_write(__u32 *seq, __u32 done, void *to,
				      const void *from, size_t words)
{
	cagma_word *dst = to;
	const cagma_word *src = from;
	size_t i;

	cagma_store(seq, done - 1);
	/*
	 * The odd sequence before the body. Pairs with cagma_rmb() in
	 * cagma_record_read(): who read any new word sees the odd sequence.
	 */
	cagma_wmb();
	for (i = 0; i < words; i++)
		cagma_store(dst + i, src[i]);
	/*
	 * The body before the even sequence. Pairs with the acquire in
	 * cagma_record_read(): who saw this sequence sees the whole body.
	 */
	cagma_store_release(seq, done);
}

/*
 * Copies a record into private memory; one try. Returns 0 and the sequence
 * it had, or -EAGAIN if the writer was at work. `to` is garbage then.
 */
static inline int cagma_record_read(const __u32 *seq, __u32 *got, void *to,
				    const void *from, size_t words)
{
	cagma_word *dst = to;
	const cagma_word *src = from;
	/*
	 * The sequence before the body. Pairs with the release in
	 * cagma_record_write().
	 */
	__u32 before = cagma_load_acquire(seq);
	size_t i;

	if (before & 1)
		return -EAGAIN;
	for (i = 0; i < words; i++)
		dst[i] = cagma_load(src + i);
	/*
	 * The body before the second look at the sequence. Pairs with
	 * cagma_wmb() in cagma_record_write().
	 */
	cagma_rmb();
	if (cagma_load(seq) != before)
		return -EAGAIN;
	*got = before;
	return 0;
}

/* Guest: publishes sample number `head` and moves the head past it. */
static inline void cagma_sample_write(struct cagma_page *page, __u32 head,
				      const struct cagma_sample *sample)
{
	struct cagma_slot *slot = &page->slot[head % CAGMA_SLOT_COUNT];

	cagma_record_write(&slot->seq, 2 * head + 2, &slot->sample, sample,
			   CAGMA_WORDS(cagma_sample));
	/*
	 * The slot before the head. Pairs with the acquire in
	 * cagma_head_read(): a slot below the head is complete or newer.
	 */
	cagma_store_release(&page->publication.head, head + 1);
}

/* dom0: number of samples published so far. The guest may lie. */
static inline __u32 cagma_head_read(const struct cagma_page *page)
{
	/* The head before the slots. Pairs with cagma_sample_write(). */
	return cagma_load_acquire(&page->publication.head);
}

/*
 * dom0: copies sample number n. Returns 0; -EAGAIN if it is being written;
 * -ESTALE if the slot holds another sample, because the guest has lapped us.
 */
static inline int cagma_sample_read(const struct cagma_page *page, __u32 n,
				    struct cagma_sample *sample)
{
	const struct cagma_slot *slot = &page->slot[n % CAGMA_SLOT_COUNT];
	__u32 seq;
	int err = cagma_record_read(&slot->seq, &seq, sample, &slot->sample,
				    CAGMA_WORDS(cagma_sample));

	if (err)
		return err;
	return seq == 2 * n + 2 ? 0 : -ESTALE;
}

/* dom0: `seq` is even, never 0, and differs from the last mail's. */
static inline void cagma_mail_write(struct cagma_page *page, __u32 seq,
				    const struct cagma_mail *mail)
{
	cagma_record_write(&page->mailbox.seq, seq, &page->mailbox.mail, mail,
			   CAGMA_WORDS(cagma_mail));
}

/* Guest: -EAGAIN if dom0 is writing. *seq is 0 if there never was a mail. */
static inline int cagma_mail_read(const struct cagma_page *page, __u32 *seq,
				  struct cagma_mail *mail)
{
	return cagma_record_read(&page->mailbox.seq, seq, mail,
				 &page->mailbox.mail, CAGMA_WORDS(cagma_mail));
}

/* dom0: asks for kicks; afterwards it must read the head once more. */
static inline void cagma_arm(struct cagma_page *page)
{
	cagma_store(&page->doorbell.armed, 1);
	/*
	 * The arming before the last look at the head. Pairs with cagma_mb()
	 * in cagma_kick_wanted().
	 */
	cagma_mb();
}

/* dom0: it is about to read the ring anyway. */
static inline void cagma_disarm(struct cagma_page *page)
{
	cagma_store(&page->doorbell.armed, 0);
}

/* Guest: after publishing an emergency, shall the event channel be used? */
static inline int cagma_kick_wanted(const struct cagma_page *page)
{
	/* The head before the look at armed. Pairs with cagma_arm(). */
	cagma_mb();
	return cagma_load(&page->doorbell.armed) == 1;
}

static inline int cagma_dom0_is_alive(const struct cagma_page *page)
{
	/* The announcement before the mail. Pairs with cagma_dom0_announce(). */
	return cagma_load_acquire(&page->doorbell.dom0_alive) != 0;
}

/* dom0: the first mail is written; from here the guest obeys and kicks. */
static inline void cagma_dom0_announce(struct cagma_page *page)
{
	/* The mail before the announcement. Pairs with cagma_dom0_is_alive(). */
	cagma_store_release(&page->doorbell.dom0_alive, 1);
}

/* dom0: no attachment any more; the unmap does the same if we die. */
static inline void cagma_dom0_leave(struct cagma_page *page)
{
	cagma_store(&page->doorbell.armed, 0);
	cagma_store_release(&page->doorbell.dom0_alive, 0);
}

/*
 * Guest: the page is complete and may be offered, with this header. All of it
 * is written each time: dom0 could have overwritten the one before.
 */
static inline void cagma_header_offer(struct cagma_page *page,
				      const struct cagma_header *header)
{
	const cagma_word *src = (const cagma_word *)header;
	cagma_word *dst = (cagma_word *)&page->header;
	size_t i;

	cagma_store(&page->publication.state, CAGMA_STATE_LIVE);
	for (i = 1; i < CAGMA_WORDS(cagma_header); i++)
		cagma_store(dst + i, src[i]);
	/* The header before the magic. Pairs with cagma_header_read(). */
	cagma_store_release(dst, src[0]);
}

/* Guest: the page is about to go. dom0 unmaps when it sees this. */
static inline void cagma_header_close(struct cagma_page *page)
{
	cagma_store_release(&page->publication.state, CAGMA_STATE_CLOSING);
}

static inline __u32 cagma_state_read(const struct cagma_page *page)
{
	return cagma_load(&page->publication.state);
}

static inline __u64 cagma_epoch_read(const struct cagma_page *page)
{
	return cagma_load(&page->header.epoch);
}

/* dom0: copies the header; the caller judges the copy. */
static inline void cagma_header_read(const struct cagma_page *page,
				     struct cagma_header *header)
{
	const cagma_word *src = (const cagma_word *)&page->header;
	cagma_word *dst = (cagma_word *)header;
	size_t i;

	/* The magic before the rest. Pairs with cagma_header_offer(). */
	dst[0] = cagma_load_acquire(src);
	for (i = 1; i < CAGMA_WORDS(cagma_header); i++)
		dst[i] = cagma_load(src + i);
}

#endif
