/* SPDX-License-Identifier: GPL-2.0-only */
/* The process around the allocator: background, signals, its turn and its memory. */
#ifndef CAGMA_DAEMON_H
#define CAGMA_DAEMON_H

/*
 * Continues in a child of its own session. The parent waits for
 * cagma_daemon_ready() and exits 0 then, or with 1 if the child died before.
 */
int cagma_daemon_detach(void);
void cagma_daemon_ready(void);

/* Blocks the signals that the loop takes; ignores the rest that would kill. */
void cagma_daemon_signals(void);

/*
 * What is large comes from the kernel and goes back to it when it is freed. By
 * itself malloc would keep it from the second time on, and all memory is locked.
 */
void cagma_daemon_spare_memory(void);

/*
 * The calling thread, and those that it makes from here on, go before all that isn't
 * real-time. 0, or -errno if neither CAP_SYS_NICE nor RLIMIT_NICE allows it.
 */
int cagma_daemon_go_first(void);

#endif
