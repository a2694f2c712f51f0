/*
 * Lets a QEMU that aligns whole regions map their areas as earlier releases did, where the archive has none of those any more:
 * the system's loader puts it before the C library (ld.so.preload). Each area that QEMU is about to lay into its reservation
 * is mapped elsewhere: where the kernel likes (before 9.2), or with -DALIGN_AREAS aligned by its own size (9.2 to 10.2).
 *
 * hw/vfio/region.c takes the address that mmap returns for the area's, and unmaps later what lies behind the area's place in
 * the reservation, never what lies in it. So the place is free to be given back here.
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_ALIGNMENT ((size_t)1 << 30)

static void *call_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

/* QEMU lays its guests' memory in the same way, which is not meant. */
static bool is_vfio_device(int fd)
{
	static const char *const names[] = { "anon_inode:[vfio-device]", "/dev/vfio/devices/" };
	char link[32], name[64] = "";

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, name, sizeof(name) - 1) < 0)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

#ifdef ALIGN_AREAS
static void *map_area(size_t length, int protection, int flags, int fd, off_t offset)
{
	size_t lowest_bit = length & -length;
	size_t alignment = lowest_bit < MOST_ALIGNMENT ? lowest_bit : MOST_ALIGNMENT;
	char *base = call_mmap(NULL, length + alignment, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t head;

	if (base == MAP_FAILED)
		return MAP_FAILED;
	head = -(uintptr_t)base & (alignment - 1);
	munmap(base, head);
	munmap(base + head + length, alignment - head);
	return call_mmap(base + head, length, protection, flags | MAP_FIXED, fd, offset);
}
#else
static void *map_area(size_t length, int protection, int flags, int fd, off_t offset)
{
	return call_mmap(NULL, length, protection, flags, fd, offset);
}
#endif

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	const int laid = MAP_SHARED | MAP_FIXED;

	if ((flags & laid) != laid || !is_vfio_device(fd))
		return call_mmap(address, length, protection, flags, fd, offset);
	munmap(address, length);
	return map_area(length, protection, flags & ~MAP_FIXED, fd, offset);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset)
	__attribute__((alias("mmap")));
