// SPDX-License-Identifier: MIT
/* memcpy SIZE: copies SIZE bytes of mapped memory into ordinary memory. */
#define _GNU_SOURCE
#include <string.h>

#include "memory.h"

static size_t size;
static char *source, *target;

static void work(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		memcpy(target, source, size);
		/* The copy is needed: the compiler must not see that nobody reads it. */
		__asm__ volatile("" : : "r"(target) : "memory");
	}
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: memcpy SIZE\n");
		return 2;
	}
	size = strtoull(argv[1], NULL, 0);
	source = map_memory(create_memory(size), size);
	target = malloc(size);
	if (!target)
		die("malloc");
	/* All pages are there before the first sample. */
	memset(source, 1, size);
	memset(target, 2, size);
	return take_samples(work);
}
