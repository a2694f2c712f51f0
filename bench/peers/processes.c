// SPDX-License-Identifier: MIT
/*
 * processes COUNT VMAS: no peer but a crowd, COUNT sleeping processes with VMAS mappings more than any program has, until
 * its standard input ends.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peer.h"

/* Neighbours of one kind would become one VMA, so every second page has another protection. */
static void make_vmas(long count)
{
	long page = sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, count * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		die("mmap");
	for (long i = 0; i < count; i += 2)
		if (mprotect(memory + i * page, page, PROT_READ))
			die("mprotect");
}

static void sleep_for_ever(pid_t parent)
{
	/* However the parent ends, the crowd ends with it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(1);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	pid_t parent = getpid();
	long count;

	if (argc != 3) {
		fprintf(stderr, "usage: processes COUNT VMAS\n");
		return 2;
	}
	count = atol(argv[1]);
	make_vmas(atol(argv[2]));
	for (long i = 0; i < count; i++) {
		pid_t child = fork();

		if (child < 0)
			die("fork");
		if (!child)
			sleep_for_ever(parent);
	}
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
