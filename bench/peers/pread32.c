// SPDX-License-Identifier: MIT
/* pread32: reads a 32-bit register through the device's file, one pread(2) after another, over a page of registers. */
#define _GNU_SOURCE
#include "memory.h"

#define PAGE 4096

static int fd;

static void work(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		uint32_t value;

		if (pread(fd, &value, sizeof(value), i * sizeof(value) % PAGE) != sizeof(value))
			die("pread");
	}
}

int main(void)
{
	fd = create_memory(PAGE);
	/* A page that was never written is a hole, which tmpfs reads by another way. */
	if (pwrite(fd, "", 1, 0) != 1)
		die("pwrite");
	return take_samples(work);
}
