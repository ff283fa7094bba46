/* SPDX-License-Identifier: GPL-2.0-only */
/* What receives is above what publishes and what moves the balloon. */
#ifndef CAGMA_KMOD_MAIL_H
#define CAGMA_KMOD_MAIL_H

#include <linux/irqreturn.h>
#include <linux/types.h>

irqreturn_t cagma_mail_on_event(int irq, void *data);
bool cagma_mail_poll(void);

/*
 * The daemon is gone, or what it was offered is; the sampler offers anew. Caller
 * holds cagma.lock.
 */
void cagma_mail_detach(void);

#endif
