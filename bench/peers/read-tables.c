// SPDX-License-Identifier: MIT
/* read-tables FILE COUNT: reads COUNT page tables of 4 KiB that follow the first page of a file, one pread(2) each. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "peer.h"

#define TABLE 4096

static int fd;
static uint64_t tables;

static void work(uint64_t count)
{
	static char table[TABLE];

	for (uint64_t i = 0; i < count; i++)
		for (uint64_t at = 1; at <= tables; at++)
			if (pread(fd, table, TABLE, (off_t)(at * TABLE)) != TABLE)
				die("pread");
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: read-tables FILE COUNT\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(argv[1]);
	tables = strtoull(argv[2], NULL, 0);
	return take_samples(work);
}
