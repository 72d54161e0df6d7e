/*
 * frame.c - one message, one packet.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "rpc/rpc_int.h"

#define FRAME_FDS_MAX (RPC_FDS_MAX + 1) /* and the spilled body */

union fd_room {
	struct cmsghdr align;
	char octets[CMSG_SPACE(sizeof(int) * FRAME_FDS_MAX)];
};

/* A memfd with the body; -1 when the system gives none. */
static int
spill(struct str body)
{
	int fd = memfd_create("rpc", MFD_CLOEXEC);

	while (fd >= 0 && body.n > 0) {
		ssize_t put = write(fd, body.p, body.n);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0) {
			fd_close(&fd);
			break;
		}
		body = str_from(body, (size_t)put);
	}
	return fd;
}

static void
attach_fds(struct msghdr *msg, union fd_room *room, const int *fds, size_t n)
{
	struct cmsghdr *c;

	if (n == 0)
		return;
	msg->msg_control = room->octets;
	msg->msg_controllen = CMSG_SPACE(sizeof(int) * n);
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
}

static enum outcome
send_waiting(int fd, const struct msghdr *msg, struct deadline d)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };

	for (;;) {
		if (sendmsg(fd, msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return DONE;
		if (errno == EINTR)
			continue;
		if (errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM)
			return TEMPFAIL;
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			return GONE;
		if (deadline_passed(d) || poll(&room, 1, deadline_left_ms(d)) == 0)
			return TEMPFAIL;
	}
}

enum outcome
rpc_send_frame(int fd, struct rpc_header *h, const struct rpc_out *body, struct deadline d)
{
	struct str octets = body != NULL ? buf_str(&body->body) : STR_NONE;
	size_t fd_count = body != NULL ? body->fd_count : 0;
	int fds[FRAME_FDS_MAX];
	struct iovec iov[2];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	union fd_room room = { 0 };
	int memory = -1;
	enum outcome o;

	if (body != NULL && body->body.full)
		return TEMPFAIL; /* over RPC_BODY_MAX */
	h->magic = RPC_MAGIC;
	h->version = RPC_VERSION;
	h->length = (uint32_t)octets.n;
	if (fd_count > 0)
		memcpy(fds, body->fds, sizeof(int) * fd_count);
	if (octets.n > RPC_INLINE_MAX) {
		memory = spill(octets);
		if (memory < 0)
			return TEMPFAIL;
		fds[fd_count++] = memory;
		h->flags |= RPC_SPILLED;
		octets.n = 0;
	}
	iov[0] = (struct iovec){ h, sizeof(*h) };
	iov[1] = (struct iovec){ (void *)(uintptr_t)octets.p, octets.n };
	attach_fds(&msg, &room, fds, fd_count);
	o = send_waiting(fd, &msg, d);
	fd_close(&memory);
	return o;
}

/* All descriptors of a message; those beyond our room are closed. */
static size_t
collect_fds(struct msghdr *msg, int *fds)
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		size_t m;
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		m = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < m; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n < FRAME_FDS_MAX)
				fds[n++] = fd;
			else
				(void)close(fd);
		}
	}
	return n;
}

/* The spilled body, read (never mapped: its writer could still shorten it). */
static bool
unspill(struct rpc_in *in, int memory, uint32_t length)
{
	struct stat st;
	size_t done = 0;
	char *to;

	if (length > RPC_BODY_MAX || fstat(memory, &st) != 0 || st.st_size != (off_t)length)
		return false;
	to = xmalloc(length);
	while (done < length) {
		ssize_t got = pread(memory, to + done, length - done, (off_t)done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			free(to);
			return false;
		}
		done += (size_t)got;
	}
	in->block = to;
	in->p = to;
	in->end = to + length;
	return true;
}

enum rpc_got
rpc_take_frame(int fd, char *octets, struct rpc_header *h, struct rpc_in *in)
{
	int fds[FRAME_FDS_MAX];
	union fd_room room = { 0 };
	struct iovec iov = { octets, RPC_FRAME_MAX };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room.octets,
		.msg_controllen = sizeof(room.octets),
	};
	bool good = false;
	size_t n;
	ssize_t got;

	*in = (struct rpc_in){ 0 };
	do
		got = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? RPC_EMPTY : RPC_ENDED;
	if (got == 0)
		return RPC_ENDED;
	n = collect_fds(&msg, fds);
	if ((size_t)got >= sizeof(*h) && (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0) {
		memcpy(h, octets, sizeof(*h));
		good = h->magic == RPC_MAGIC && h->version == RPC_VERSION && h->outcome <= GONE;
	}
	if (good && (h->flags & RPC_SPILLED) != 0) {
		good = n > 0 && (size_t)got == sizeof(*h) && unspill(in, fds[n - 1], h->length);
		if (n > 0)
			fd_close(&fds[--n]);
	} else if (good) {
		good = sizeof(*h) + h->length == (size_t)got;
		in->p = octets + sizeof(*h);
		in->end = in->p + h->length;
	}
	if (good && n <= RPC_FDS_MAX) {
		memcpy(in->fds, fds, n * sizeof(int));
		in->fd_count = n;
		return RPC_GOT;
	}
	log_event(LOG_WARN, "rpc.malformed", kv_int("octets", got), KV_END);
	for (size_t i = 0; i < n; i++)
		fd_close(&fds[i]);
	rpc_in_free(in);
	return RPC_ENDED;
}
