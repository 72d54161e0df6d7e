#include "run/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/log.h"

struct control_header {
	uint32_t magic;
	uint32_t type;
	uint32_t name_n;
	uint32_t text_n;
};

#define CONTROL_MAGIC 0x43545231u /* "CTR1" */

union fd_room {
	struct cmsghdr align;
	char octets[CMSG_SPACE(sizeof(int))];
};

enum outcome
control_send(int sock, enum control_type type, const char *name, struct str text, int fd)
{
	struct control_header h = { CONTROL_MAGIC, type, 0, 0 };
	union fd_room room = { 0 };
	struct iovec iov[3];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };
	ssize_t sent;

	assert(strlen(name) <= CONTROL_NAME_MAX && text.n <= CONTROL_TEXT_MAX);
	h.name_n = (uint32_t)strlen(name);
	h.text_n = (uint32_t)text.n;
	iov[0] = (struct iovec){ &h, sizeof(h) };
	iov[1] = (struct iovec){ (void *)(uintptr_t)name, h.name_n };
	iov[2] = (struct iovec){ (void *)(uintptr_t)text.p, text.n };
	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = room.octets;
		msg.msg_controllen = sizeof(room.octets);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	do
		sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno == EAGAIN ? TEMPFAIL : GONE;
	return DONE;
}

static int
take_fd(struct msghdr *msg)
{
	int fd = -1, extra;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(&fd, CMSG_DATA(c), sizeof(int));
		/* Alignment leaves room for a second one that nobody of ours sends. */
		for (size_t n = CMSG_LEN(2 * sizeof(int)); n <= c->cmsg_len; n += sizeof(int)) {
			memcpy(&extra, CMSG_DATA(c) + n - CMSG_LEN(sizeof(int)), sizeof(int));
			fd_close(&extra);
		}
	}
	return fd;
}

enum outcome
control_recv(int sock, struct control_msg *out)
{
	char octets[sizeof(struct control_header) + CONTROL_NAME_MAX + CONTROL_TEXT_MAX];
	struct control_header h;
	union fd_room room = { 0 };
	struct iovec iov = { octets, sizeof(octets) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room.octets,
		.msg_controllen = sizeof(room.octets),
	};
	ssize_t got;

	do
		got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? TEMPFAIL : GONE;
	if (got == 0)
		return GONE;
	out->fd = take_fd(&msg);
	memcpy(&h, octets, sizeof(h));
	if ((size_t)got < sizeof(h))
		h.magic = 0;
	if (h.magic != CONTROL_MAGIC || h.name_n > CONTROL_NAME_MAX ||
	    h.text_n > CONTROL_TEXT_MAX || sizeof(h) + h.name_n + h.text_n != (size_t)got)
		log_fatal("control socket: malformed packet");
	out->type = (enum control_type)h.type;
	memcpy(out->name, octets + sizeof(h), h.name_n);
	out->name[h.name_n] = '\0';
	memcpy(out->text, octets + sizeof(h) + h.name_n, h.text_n);
	out->text[h.text_n] = '\0';
	out->text_n = h.text_n;
	return DONE;
}
