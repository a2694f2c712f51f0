// SPDX-License-Identifier: MIT
/*
 * vfio-user-server SOCKET: serves a device whose region 0 is 1 MiB of registers behind a handler, to one client after
 * another, until its standard input ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>

#include "vfio-user.h"

#define REGIONS 9
#define VFIO_DEVICE_FLAGS_PCI 2
#define VFIO_REGION_INFO_FLAG_READ 1
#define VFIO_REGION_INFO_FLAG_WRITE 2

static char registers[MAX_TRANSFER];
static struct message message;

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
		return sizeof(*access);
	default:
		return -ENOSYS;
	}
}

static void serve_client(int fd)
{
	while (receive_message(fd, &message)) {
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

	if (argc != 2) {
		fprintf(stderr, "usage: vfio-user-server SOCKET\n");
		return 2;
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
