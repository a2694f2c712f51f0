// SPDX-License-Identifier: MIT
/*
 * map-region SIZE OFFSET LENGTH [OFFSET LENGTH]...: maps a region of SIZE bytes with these areas, sorted by offset,
 * and unmaps it again, by the calls that hugebar makes: reserve, lay each area over the reservation, advise huge
 * pages, give back what no area covers.
 */
#define _GNU_SOURCE
#include "memory.h"

#define GIB (1ull << 30)

struct area {
	uint64_t offset;
	uint64_t size;
	char *address;
};

static uint64_t size, alignment;
static struct area *areas;
static int area_count;
static int fd;

static void unmap(char *address, uint64_t length)
{
	if (length && munmap(address, length))
		die("munmap");
}

static char *reserve(void)
{
	char *start = mmap(NULL, size + alignment, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (start == MAP_FAILED)
		die("mmap of the reservation");
	return start;
}

static void lay(char *base, struct area *area)
{
	area->address = mmap(base + area->offset, area->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
			     (off_t)area->offset);
	if (area->address == MAP_FAILED)
		die("mmap of an area");
}

static void map_region(void)
{
	char *start = reserve();
	char *base = (char *)(((uintptr_t)start + alignment - 1) & ~(alignment - 1));
	struct area *first = &areas[0], *last = &areas[area_count - 1];
	char *gap = start;

	for (int i = 0; i < area_count; i++)
		lay(base, &areas[i]);
	/* One call for all areas, while the reservation still joins them; a kernel without huge pages may refuse. */
	madvise(first->address, last->address + last->size - first->address, MADV_HUGEPAGE);
	/* The reservation's head and tail are neighbours of the first and the last gap. */
	for (int i = 0; i < area_count; i++) {
		unmap(gap, areas[i].address - gap);
		gap = areas[i].address + areas[i].size;
	}
	unmap(gap, start + size + alignment - gap);
}

static void unmap_region(void)
{
	for (int i = 0; i < area_count; i++)
		unmap(areas[i].address, areas[i].size);
}

static void work(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		map_region();
		unmap_region();
	}
}

/* The next power of two, at most 1 GiB. */
static uint64_t region_alignment(void)
{
	uint64_t power = 1;

	while (power < size && power < GIB)
		power <<= 1;
	return power;
}

int main(int argc, char **argv)
{
	if (argc < 4 || argc % 2) {
		fprintf(stderr, "usage: map-region SIZE OFFSET LENGTH [OFFSET LENGTH]...\n");
		return 2;
	}
	size = strtoull(argv[1], NULL, 0);
	alignment = region_alignment();
	area_count = (argc - 2) / 2;
	areas = calloc(area_count, sizeof(*areas));
	if (!areas)
		die("calloc");
	for (int i = 0; i < area_count; i++) {
		areas[i].offset = strtoull(argv[2 + 2 * i], NULL, 0);
		areas[i].size = strtoull(argv[3 + 2 * i], NULL, 0);
	}
	fd = create_memory(size);
	return take_samples(work);
}
