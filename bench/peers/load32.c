// SPDX-License-Identifier: MIT
/* load32: one volatile 32-bit load of mapped memory after another, over a page of registers. */
#define _GNU_SOURCE
#include "memory.h"

#define PAGE 4096

static const volatile uint32_t *registers;

static void work(uint64_t count)
{
	uint32_t sum = 0;

	for (uint64_t i = 0; i < count; i++)
		sum += registers[i % (PAGE / sizeof(*registers))];
	/* The loads are volatile already; this keeps the sum. */
	if (sum)
		die("the memory is not zero");
}

int main(void)
{
	registers = map_memory(create_memory(PAGE), PAGE);
	return take_samples(work);
}
