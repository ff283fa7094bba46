/* SPDX-License-Identifier: GPL-2.0-only */
/* What receives is above what publishes and what moves the balloon. */
#ifndef CAGMA_KMOD_MAIL_H
#define CAGMA_KMOD_MAIL_H

#include <linux/types.h>

bool cagma_mail_poll(void);

#endif
