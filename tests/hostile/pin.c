// SPDX-License-Identifier: GPL-2.0-only
/* pin MIB: memory that cannot be swapped out, until it is killed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	size_t bytes = argc == 2 ? strtoul(argv[1], NULL, 10) << 20 : 0;
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || mlock(memory, bytes)) {
		perror("pin");
		return EXIT_FAILURE;
	}
	memset(memory, 1, bytes);
	puts("PINNED");
	fflush(stdout);
	pause();
	return EXIT_SUCCESS;
}
