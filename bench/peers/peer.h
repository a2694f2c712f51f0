/* SPDX-License-Identifier: MIT */
/*
 * What every peer shares: the clock, giving up, and the loop of samples. For each number N on its standard input a
 * peer does its work N times and prints the nanoseconds that took, so the benchmark can alternate between it and
 * hugebar.
 */
#ifndef HUGEBAR_BENCH_PEER_H
#define HUGEBAR_BENCH_PEER_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

static inline uint64_t nanoseconds(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now))
		die("clock_gettime");
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Says that the peer is set up, then takes samples until the benchmark closes its standard input. */
static inline int take_samples(void (*work)(uint64_t count))
{
	uint64_t count;

	puts("ready");
	fflush(stdout);
	while (scanf("%" SCNu64, &count) == 1) {
		uint64_t start = nanoseconds();

		work(count);
		printf("%" PRIu64 "\n", nanoseconds() - start);
		fflush(stdout);
	}
	return 0;
}

#endif
