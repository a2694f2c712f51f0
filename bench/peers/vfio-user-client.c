// SPDX-License-Identifier: MIT
/*
 * vfio-user-client SOCKET read|write SIZE: reads or writes SIZE bytes of region 0, one request after another, each
 * answered before the next.
 * vfio-user-client SOCKET order 4: writes the register of orders, and waits for the interrupt before the next.
 */
#include <sys/eventfd.h>

#include "vfio-user.h"

static int fd, interrupt;
static uint16_t command;
static uint32_t size;
static struct message request, reply;

static void connect_to(const char *path)
{
	struct sockaddr_un address = socket_address(path);

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die("connect");
}

static void exchange(uint16_t cmd, uint32_t payload_size)
{
	static uint16_t next_id;

	request.header = (struct vfio_user_header){
		.msg_id = next_id++,
		.cmd = cmd,
		.msg_size = sizeof(request.header) + payload_size,
	};
	send_message(fd, &request);
	if (!receive_message(fd, &reply) || reply.header.msg_id != request.header.msg_id ||
	    reply.header.flags != VFIO_USER_F_TYPE_REPLY) {
		fprintf(stderr, "command %u was not answered well\n", cmd);
		exit(1);
	}
}

static void agree_on_version(void)
{
	request.version = (struct vfio_user_version){ .major = 0, .minor = 1 };
	memcpy(&request.version + 1, CAPABILITIES, sizeof(CAPABILITIES));
	exchange(VFIO_USER_VERSION, sizeof(request.version) + sizeof(CAPABILITIES));
}

static void access_once(uint64_t offset)
{
	uint32_t sent = command == VFIO_USER_REGION_WRITE ? size : 0;

	request.access = (struct vfio_user_region_access){ .offset = offset, .region = 0, .count = size };
	exchange(command, sizeof(request.access) + sent);
	if (memcmp(&request.access, &reply.access, sizeof(request.access))) {
		fprintf(stderr, "the reply speaks of another access\n");
		exit(1);
	}
}

/* Has the device signal `interrupt` by its first MSI. */
static void listen_to_interrupt(void)
{
	struct iovec part = { &request, sizeof(request.header) + sizeof(request.irq_set) };
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = { .header = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct msghdr whole = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.room),
	};

	interrupt = eventfd(0, EFD_CLOEXEC);
	if (interrupt < 0)
		die("eventfd");
	memcpy(CMSG_DATA(&control.header), &interrupt, sizeof(interrupt));
	request.irq_set = (struct vfio_irq_set){
		.argsz = sizeof(request.irq_set),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSI_IRQ_INDEX,
		.count = 1,
	};
	request.header = (struct vfio_user_header){
		.msg_id = UINT16_MAX,
		.cmd = VFIO_USER_DEVICE_SET_IRQS,
		.msg_size = (uint32_t)part.iov_len,
	};
	if (sendmsg(fd, &whole, MSG_NOSIGNAL) != (ssize_t)part.iov_len)
		die("sendmsg");
	if (!receive_message(fd, &reply) || reply.header.flags != VFIO_USER_F_TYPE_REPLY) {
		fprintf(stderr, "the interrupt was not taken\n");
		exit(1);
	}
}

static void order(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		uint64_t times;

		access_once(ORDER_REGISTER);
		if (read(interrupt, &times, sizeof(times)) != sizeof(times) || times != 1) {
			fprintf(stderr, "an order and its interrupt do not belong together\n");
			exit(1);
		}
	}
}

static void work(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		access_once(i * size % MAX_TRANSFER);
}

int main(int argc, char **argv)
{
	int orders = argc == 4 && !strcmp(argv[2], "order");

	if (argc != 4 || (strcmp(argv[2], "read") && strcmp(argv[2], "write") && !orders)) {
		fprintf(stderr, "usage: vfio-user-client SOCKET read|write|order SIZE\n");
		return 2;
	}
	command = strcmp(argv[2], "read") ? VFIO_USER_REGION_WRITE : VFIO_USER_REGION_READ;
	size = (uint32_t)strtoul(argv[3], NULL, 0);
	if (!size || MAX_TRANSFER % size) {
		fprintf(stderr, "SIZE does not divide %d\n", MAX_TRANSFER);
		return 2;
	}
	/* Pages that were never written are all the one page of zeros, which stays in the nearest cache. */
	memset(request.data, 0xa5, size);
	connect_to(argv[1]);
	agree_on_version();
	if (!orders)
		return take_samples(work);
	listen_to_interrupt();
	return take_samples(order);
}
