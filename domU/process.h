/* SPDX-License-Identifier: GPL-2.0-only */
/* The process around the agent: few privileges, signals. */
#ifndef CAGMA_PROCESS_H
#define CAGMA_PROCESS_H

/* Memory that the agent uses stays in RAM, where the kernel lets it: 0 or -errno. */
int cagma_process_pin(void);

/* Continues as that user, with the power to set the balloon's target alone. */
int cagma_process_drop(const char *user);

/*
 * From now on SIGTERM and SIGINT make the descriptor readable that is returned
 * (-errno: none). A process that hasn't ended 5 s later is killed: xenstore may hang.
 */
int cagma_process_signals(void);

/* The same for SIGUSR1, each time: somebody in the guest asks for memory. */
int cagma_process_requests(void);

#endif
