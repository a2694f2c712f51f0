/* SPDX-License-Identifier: MIT */
/* A sparse memfd, as the benchmark's device has behind its region. */
#ifndef HUGEBAR_BENCH_MEMORY_H
#define HUGEBAR_BENCH_MEMORY_H

#include <sys/mman.h>
#include <unistd.h>

#include "peer.h"

static inline int create_memory(uint64_t size)
{
	int fd = memfd_create("peer", MFD_CLOEXEC);

	if (fd < 0)
		die("memfd_create");
	if (ftruncate(fd, (off_t)size))
		die("ftruncate");
	return fd;
}

static inline void *map_memory(int fd, uint64_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		die("mmap");
	return memory;
}

#endif
