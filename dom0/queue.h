/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A wait-free queue between two threads, with an eventfd to sleep on. Any
 * thread may push; one thread pops. Nodes are embedded in what is passed, so
 * pushing neither allocates nor blocks.
 */
#ifndef CAGMA_QUEUE_H
#define CAGMA_QUEUE_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <urcu/wfcqueue.h>

struct cagma_queue {
	struct cds_wfcq_head head;
	struct cds_wfcq_tail tail;
	int fd;			/* readable after a push */
};

#define cagma_container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

static inline int cagma_queue_init(struct cagma_queue *queue)
{
	cds_wfcq_init(&queue->head, &queue->tail);
	queue->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return queue->fd < 0 ? -errno : 0;
}

static inline void cagma_queue_destroy(struct cagma_queue *queue)
{
	cds_wfcq_destroy(&queue->head, &queue->tail);
	close(queue->fd);
}

/* Whoever puts nodes without waking must wake soon; no system call. */
static inline void cagma_queue_put(struct cagma_queue *queue,
				   struct cds_wfcq_node *node)
{
	cds_wfcq_node_init(node);
	cds_wfcq_enqueue(&queue->head, &queue->tail, node);
}

static inline void cagma_queue_wake(struct cagma_queue *queue)
{
	uint64_t one = 1;
	/* Fails only when the counter is full: readable all the same. */
	ssize_t written = write(queue->fd, &one, sizeof(one));

	(void)written;
}

static inline void cagma_queue_push(struct cagma_queue *queue,
				    struct cds_wfcq_node *node)
{
	cagma_queue_put(queue, node);
	cagma_queue_wake(queue);
}

/*
 * Call before popping until there is nothing, so that no push is slept through.
 */
static inline void cagma_queue_ack(struct cagma_queue *queue)
{
	uint64_t count;
	ssize_t got = read(queue->fd, &count, sizeof(count));

	(void)got;
}

/*
 * Takes the oldest node. -ENOENT: there is none. -EAGAIN: not yet. A push is
 * between its two steps, and what was pushed before it may be out of reach
 * until it is done; it signals the eventfd then. Nothing is known to be in no
 * queue because of -EAGAIN.
 */
static inline int cagma_queue_pop(struct cagma_queue *queue,
				  struct cds_wfcq_node **node)
{
	*node = __cds_wfcq_dequeue_nonblocking(&queue->head, &queue->tail);
	if (*node == CDS_WFCQ_WOULDBLOCK)
		return -EAGAIN;
	return *node ? 0 : -ENOENT;
}

#endif
