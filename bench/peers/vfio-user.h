/* SPDX-License-Identifier: MIT */
/*
 * The part of the vfio-user protocol that the client and the server peer speak; see docs/interop/vfio-user.rst in QEMU's
 * tree. Messages are little-endian, and so is every machine with VFIO.
 */
#ifndef HUGEBAR_BENCH_VFIO_USER_H
#define HUGEBAR_BENCH_VFIO_USER_H

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "peer.h"

enum {
	VFIO_USER_VERSION = 1,
	VFIO_USER_DEVICE_GET_INFO = 4,
	VFIO_USER_DEVICE_GET_REGION_INFO = 5,
	VFIO_USER_DEVICE_SET_IRQS = 8,
	VFIO_USER_REGION_READ = 9,
	VFIO_USER_REGION_WRITE = 10,
};

enum {
	VFIO_USER_F_TYPE_REPLY = 0x1,
	VFIO_USER_F_ERROR = 0x20,
};

struct vfio_user_header {
	uint16_t msg_id;
	uint16_t cmd;
	uint32_t msg_size;
	uint32_t flags;
	uint32_t error_no;
};

struct vfio_user_version {
	uint16_t major;
	uint16_t minor;
};

struct vfio_user_region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
};

struct vfio_device_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t num_regions;
	uint32_t num_irqs;
};

struct vfio_region_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t cap_offset;
	uint64_t size;
	uint64_t offset;
};

struct vfio_irq_set {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t start;
	uint32_t count;
};

#define VFIO_IRQ_SET_DATA_EVENTFD 0x4
#define VFIO_IRQ_SET_ACTION_TRIGGER 0x20
#define VFIO_PCI_MSI_IRQ_INDEX 1

#define MAX_TRANSFER (1 << 20)
/* The register that orders one read of a file, and an interrupt when it is done: the last one. */
#define ORDER_REGISTER (MAX_TRANSFER - 4)
/* pgsizes tells hugebar that this is not libvfio-user, to which it sends large writes in small messages. */
#define CAPABILITIES "{\"capabilities\":{\"max_msg_fds\":1,\"max_data_xfer_size\":1048576,\"pgsizes\":4096}}"

/* A message with room for its longest payload. */
struct message {
	struct vfio_user_header header;
	union {
		struct vfio_user_version version;
		struct vfio_device_info device_info;
		struct vfio_region_info region_info;
		struct vfio_irq_set irq_set;
		struct {
			struct vfio_user_region_access access;
			char data[MAX_TRANSFER];
		};
	};
};

static inline void send_message(int fd, const struct message *message)
{
	const char *bytes = (const char *)message;
	size_t size = message->header.msg_size, sent = 0;

	while (sent < size) {
		ssize_t done = send(fd, bytes + sent, size - sent, MSG_NOSIGNAL);

		if (done < 0)
			die("send");
		sent += (size_t)done;
	}
}

/*
 * Receives one message; false when the other side has hung up. One recv() brings it whole unless it is large: neither
 * side sends a second message before the first is answered.
 */
static inline int receive_message(int fd, struct message *message)
{
	size_t received = 0;

	while (received < sizeof(message->header) || received < message->header.msg_size) {
		ssize_t done = recv(fd, (char *)message + received, sizeof(*message) - received, 0);

		if (done < 0)
			die("recv");
		if (!done)
			return 0;
		received += (size_t)done;
		if (received >= sizeof(message->header) && message->header.msg_size > sizeof(*message)) {
			fprintf(stderr, "a message of %" PRIu32 " bytes\n", message->header.msg_size);
			exit(1);
		}
	}
	return 1;
}

static inline struct sockaddr_un socket_address(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path)) {
		fprintf(stderr, "%s is too long\n", path);
		exit(2);
	}
	strcpy(address.sun_path, path);
	return address;
}

#endif
