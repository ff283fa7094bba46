/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every fuzz target uses. A target is fuzz_NAME.c with one entry point,
 * LLVMFuzzerTestOneInput(), which libFuzzer and AFL++ both call; its seeds are
 * corpus/NAME/, its words NAME.dict if there is one. It takes its choices from
 * the input, calls what it tests, and states with fuzz_must() what has to hold.
 */
#ifndef CAGMA_FUZZ_H
#define CAGMA_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define fuzz_must(condition) do {					\
	if (!(condition)) {						\
		fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__,	\
			__LINE__, #condition);				\
		abort();						\
	}								\
} while (0)

/* What is left of the input; behind its end there are zeros. */
struct fuzz_input {
	const uint8_t *data;
	size_t size;
};

static inline uint64_t fuzz_take(struct fuzz_input *input, size_t bytes)
{
	uint64_t value = 0;
	size_t n = bytes < input->size ? bytes : input->size;

	if (n)
		memcpy(&value, input->data, n);
	input->data += n;
	input->size -= n;
	return value;
}

static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
	return (uint8_t)fuzz_take(input, 1);
}

/* Half of the bytes stand for an amount of memory, the others for trouble. */
static inline uint64_t fuzz_number(struct fuzz_input *input)
{
	static const uint64_t nasty[] = {
		0, 1, UINT32_MAX, UINT64_C(1) << 32, INT64_MAX,
		UINT64_C(1) << 63, UINT64_MAX - 1, UINT64_MAX,
		UINT64_C(1) << 36, (UINT64_C(1) << 36) + 1,
	};
	uint8_t byte = fuzz_byte(input);

	if (byte < 128)
		return (uint64_t)byte * 2048;	/* pages: 8 MiB */
	if (byte < 128 + sizeof(nasty) / sizeof(nasty[0]))
		return nasty[byte - 128];
	return byte < 200 ? fuzz_take(input, 4) : fuzz_take(input, 8);
}

#endif
