// SPDX-License-Identifier: GPL-2.0-only
/*
 * What dom0/reader.c needs to be linked without a C library, and the guest's
 * reading end. Copying byte by byte, so that test_codegen.py sees at once if
 * the compiler makes a call of a copy from the page.
 */
#include "sync.h"

unsigned long __stack_chk_guard = 0x5a5a;
void __stack_chk_fail(void);
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int guest_mail_read(const struct cagma_page *page, __u32 *seq,
		    struct cagma_mail *mail);

void __stack_chk_fail(void)
{
	__builtin_trap();
}

void *memcpy(void *to, const void *from, size_t n)
{
	const volatile char *src = from;
	volatile char *dst = to;

	while (n--)
		*dst++ = *src++;
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	return memcpy(to, from, n);
}

void *memset(void *to, int c, size_t n)
{
	volatile char *dst = to;

	while (n--)
		*dst++ = (char)c;
	return to;
}

int guest_mail_read(const struct cagma_page *page, __u32 *seq,
		    struct cagma_mail *mail)
{
	return cagma_mail_read(page, seq, mail);
}
