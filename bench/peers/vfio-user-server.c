// SPDX-License-Identifier: MIT
/*
 * vfio-user-server SOCKET [FILE]: serves a device whose region 0 is 1 MiB of registers behind a handler, to one client after
 * another, until its standard input ends. With FILE, a write to the register of orders has a block of it read by another thread,
 * which raises an interrupt then.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>

#include "vfio-user.h"

#define REGIONS 9
#define VFIO_DEVICE_FLAGS_PCI 2
#define VFIO_REGION_INFO_FLAG_READ 1
#define VFIO_REGION_INFO_FLAG_WRITE 2

static char registers[MAX_TRANSFER];
static struct message message;
static int file = -1, interrupt = -1;
static sem_t orders;

/* As a pool of threads does with a read that must keep nobody waiting. */
static void *complete_orders(void *unused)
{
	static char block[4096];
	const uint64_t once = 1;

	for (;;) {
		while (sem_wait(&orders))
			;
		if (pread(file, block, sizeof(block), 0) < 0)
			die("pread");
		if (write(interrupt, &once, sizeof(once)) != sizeof(once))
			die("write");
	}
	return unused;
}

static uint32_t answer_version(void)
{
	message.version = (struct vfio_user_version){ .major = 0, .minor = 1 };
	memcpy(&message.version + 1, CAPABILITIES, sizeof(CAPABILITIES));
	return sizeof(message.version) + sizeof(CAPABILITIES);
}

static uint32_t answer_device_info(void)
{
	message.device_info = (struct vfio_device_info){
		.argsz = sizeof(message.device_info),
		.flags = VFIO_DEVICE_FLAGS_PCI,
		.num_regions = REGIONS,
	};
	return sizeof(message.device_info);
}

static uint32_t answer_region_info(void)
{
	uint32_t index = message.region_info.index;

	message.region_info = (struct vfio_region_info){
		.argsz = sizeof(message.region_info),
		.flags = index ? 0 : VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE,
		.index = index,
		.size = index ? 0 : sizeof(registers),
	};
	return sizeof(message.region_info);
}

static int outside(const struct vfio_user_region_access *access)
{
	return access->region || access->count > sizeof(registers) ||
	       access->offset > sizeof(registers) - access->count;
}

/* Carries out a command in place: the message becomes its reply. Returns the size of the payload, or less than 0. */
static int64_t carry_out(void)
{
	struct vfio_user_region_access *access = &message.access;

	switch (message.header.cmd) {
	case VFIO_USER_VERSION:
		return answer_version();
	case VFIO_USER_DEVICE_GET_INFO:
		return answer_device_info();
	case VFIO_USER_DEVICE_GET_REGION_INFO:
		return answer_region_info();
	case VFIO_USER_REGION_READ:
		if (outside(access))
			return -EINVAL;
		memcpy(message.data, registers + access->offset, access->count);
		return sizeof(*access) + access->count;
	case VFIO_USER_REGION_WRITE:
		if (outside(access))
			return -EINVAL;
		memcpy(registers + access->offset, message.data, access->count);
		if (file >= 0 && access->offset == ORDER_REGISTER && sem_post(&orders))
			die("sem_post");
		return sizeof(*access);
	case VFIO_USER_DEVICE_SET_IRQS:
		return 0;
	default:
		return -ENOSYS;
	}
}

/* The message after the version sets the interrupt, and comes whole: its client waits for the answer. */
static int receive_interrupt(int fd)
{
	struct iovec part = { &message, sizeof(message) };
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control;
	struct msghdr whole = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.room),
	};

	if (recvmsg(fd, &whole, MSG_CMSG_CLOEXEC) <= 0)
		return 0;
	if (whole.msg_controllen >= CMSG_LEN(sizeof(int)))
		memcpy(&interrupt, CMSG_DATA(&control.header), sizeof(interrupt));
	return 1;
}

static int receive_next(int fd)
{
	static int number;

	return file >= 0 && ++number == 2 ? receive_interrupt(fd) : receive_message(fd, &message);
}

static void serve_client(int fd)
{
	while (receive_next(fd)) {
		int64_t size = carry_out();

		message.header.msg_size = sizeof(message.header) + (size < 0 ? 0 : (uint32_t)size);
		message.header.flags = VFIO_USER_F_TYPE_REPLY | (size < 0 ? VFIO_USER_F_ERROR : 0);
		message.header.error_no = size < 0 ? (uint32_t)-size : 0;
		send_message(fd, &message);
	}
	close(fd);
}

static void *exit_at_end_of_input(void *unused)
{
	while (getchar() != EOF)
		;
	exit(0);
	return unused;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address;
	pthread_t thread;
	int listener;

	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: vfio-user-server SOCKET [FILE]\n");
		return 2;
	}
	if (argc == 3) {
		file = open(argv[2], O_RDONLY | O_CLOEXEC);
		if (file < 0)
			die(argv[2]);
		if (sem_init(&orders, 0, 0) || pthread_create(&thread, NULL, complete_orders, NULL))
			die("pthread_create");
	}
	address = socket_address(argv[1]);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0)
		die("socket");
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1))
		die("listen");
	if (pthread_create(&thread, NULL, exit_at_end_of_input, NULL))
		die("pthread_create");
	puts("ready");
	fflush(stdout);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			die("accept4");
		serve_client(fd);
	}
}
