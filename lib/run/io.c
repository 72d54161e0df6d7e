/*
 * io.c - buffered input and output on one non-blocking descriptor.
 *
 * The one idea: every wait is a poll(2) with what is left of a deadline, in
 * one function, and it flushes first.
 */
#include "run/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "run/tls.h"

#define READ_PIECE    16384
#define RATE_GRACE_MS 10000
#define FILE_PIECE    (64 * 1024)

struct io {
	int fd; /* ours */
	struct tls *tls;
	struct io_limits limits;
	struct buf in;
	size_t in_at; /* consumed octets at the front of in */
	struct buf out;
	bool eof;
	bool broken;
	short tls_wants; /* POLLIN or POLLOUT: what a TLS call waits for */
	uint64_t octets_in, octets_out;
};

struct io *
io_new(int fd, const struct io_limits *limits)
{
	struct io *io = xcalloc(1, sizeof(*io));
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && (flags & O_NONBLOCK) == 0)
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	io->fd = fd;
	io->limits = *limits;
	buf_init(&io->in, limits->in_max + READ_PIECE);
	buf_init(&io->out, SIZE_MAX / 4);
	return io;
}

void
io_free(struct io **iop)
{
	struct io *io = *iop;

	if (io == NULL)
		return;
	tls_free(&io->tls);
	fd_close(&io->fd);
	buf_free(&io->in);
	buf_free(&io->out);
	free(io);
	*iop = NULL;
}

int
io_fd(const struct io *io)
{
	return io->fd;
}

int
io_release_fd(struct io *io)
{
	int fd = io->fd;

	io->fd = -1;
	io->broken = true;
	return fd;
}

struct tls *
io_tls(const struct io *io)
{
	return io->tls;
}

uint64_t
io_octets_in(const struct io *io)
{
	return io->octets_in;
}

uint64_t
io_octets_out(const struct io *io)
{
	return io->octets_out;
}

/* --- one read, one write, without waiting --- */

/* Octets moved, 0 at the peer's end, -1 when it would wait, -2 when broken. */
static ssize_t
read_some(struct io *io, void *p, size_t n)
{
	ssize_t got;

	if (io->tls != NULL) {
		size_t m = 0;
		switch (tls_read(io->tls, p, n, &m)) {
		case TLS_DONE:
			io->octets_in += m;
			return (ssize_t)m;
		case TLS_WANT_READ:
			io->tls_wants = POLLIN;
			return -1;
		case TLS_WANT_WRITE:
			io->tls_wants = POLLOUT;
			return -1;
		case TLS_CLOSED:
			return 0;
		case TLS_BROKEN:
			return -2;
		}
	}
	io->tls_wants = POLLIN;
	do
		got = recv(io->fd, p, n, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? -1 : -2;
	io->octets_in += (uint64_t)got;
	return got;
}

static ssize_t
write_some(struct io *io, const void *p, size_t n)
{
	ssize_t put;

	if (io->tls != NULL) {
		size_t m = 0;
		switch (tls_write(io->tls, p, n, &m)) {
		case TLS_DONE:
			io->octets_out += m;
			return (ssize_t)m;
		case TLS_WANT_READ:
			io->tls_wants = POLLIN;
			return -1;
		case TLS_WANT_WRITE:
			io->tls_wants = POLLOUT;
			return -1;
		case TLS_CLOSED:
		case TLS_BROKEN:
			return -2;
		}
	}
	io->tls_wants = POLLOUT;
	do
		put = send(io->fd, p, n, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	if (put < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? -1 : -2;
	io->octets_out += (uint64_t)put;
	return put;
}

/* Until the descriptor is ready for what the last call wanted; false at the deadline. */
static bool
wait_ready(struct io *io, struct deadline d)
{
	struct pollfd p = { .fd = io->fd, .events = io->tls_wants };
	int n;

	do
		n = poll(&p, 1, deadline_left_ms(d));
	while (n < 0 && errno == EINTR);
	return n > 0;
}

/* --- output --- */

/* Has this transfer been given time enough and still is below the least rate? */
static bool
too_slow(const struct io *io, int64_t began_ms, uint64_t moved)
{
	int64_t took = clock_ms() - began_ms;

	return io->limits.least_rate > 0 && took > RATE_GRACE_MS &&
	       moved * 1000 / (uint64_t)took < io->limits.least_rate;
}

static enum outcome
write_all(struct io *io, const char *p, size_t n, struct deadline d)
{
	int64_t began = 0;
	size_t done = 0;

	while (done < n && !io->broken) {
		ssize_t put = write_some(io, p + done, n - done);

		if (put > 0) {
			done += (size_t)put;
			continue;
		}
		if (began == 0)
			began = clock_ms();
		if (put == -2 || too_slow(io, began, done) || !wait_ready(io, d))
			io->broken = true;
	}
	return io->broken ? GONE : DONE;
}

enum outcome
io_flush(struct io *io, struct deadline d)
{
	enum outcome o = DONE;

	if (io->out.n > 0 && !io->broken)
		o = write_all(io, io->out.p, io->out.n, d);
	buf_clear(&io->out);
	return io->broken ? GONE : o;
}

void
io_spill(struct io *io)
{
	if (io->broken)
		buf_clear(&io->out);
	else if (io->out.n > io->limits.out_max)
		(void)!io_flush(io, deadline_in(io->limits.write_ms));
}

struct buf *
io_out(struct io *io)
{
	return &io->out;
}

void
io_put(struct io *io, struct str s)
{
	if (io->broken)
		return;
	if (s.n > io->limits.out_max) {
		/* Too large to be worth a copy. */
		struct deadline d = deadline_in(io->limits.write_ms);
		if (io_flush(io, d) == DONE)
			(void)write_all(io, s.p, s.n, d);
		return;
	}
	(void)buf_put(&io->out, s);
	io_spill(io);
}

void
io_puts(struct io *io, const char *s)
{
	io_put(io, str_of(s));
}

void
io_printf(struct io *io, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	if (!io->broken)
		(void)buf_vprintf(&io->out, format, ap);
	va_end(ap);
	io_spill(io);
}

/* In clear, the kernel moves the file; the peer still has to keep up. */
static enum outcome
send_file_plain(struct io *io, int fd, uint64_t from, uint64_t n, struct deadline d)
{
	off_t at = (off_t)from;
	int64_t began = clock_ms();
	uint64_t done = 0;

	while (done < n && !io->broken) {
		ssize_t put = sendfile(io->fd, fd, &at, MIN(n - done, (uint64_t)1 << 20));

		if (put > 0) {
			done += (uint64_t)put;
			io->octets_out += (uint64_t)put;
			continue;
		}
		if (put < 0 && errno == EINTR)
			continue;
		io->tls_wants = POLLOUT;
		if (put == 0 || errno != EAGAIN || too_slow(io, began, done) || !wait_ready(io, d))
			io->broken = true; /* also when the file is shorter than promised */
	}
	return io->broken ? GONE : DONE;
}

enum outcome
io_send_file(struct io *io, int fd, uint64_t from, uint64_t n)
{
	struct deadline d = deadline_in(io->limits.write_ms);
	enum outcome o = DONE;
	char *piece;

	if (n <= io->limits.out_max) { /* small: joins what is gathered, one segment */
		char *to = buf_room(&io->out, (size_t)n);
		if (to == NULL || pread(fd, to, (size_t)n, (off_t)from) != (ssize_t)n) {
			io->broken = true;
			return GONE;
		}
		buf_claim(&io->out, (size_t)n);
		io_spill(io);
		return io->broken ? GONE : DONE;
	}
	if (io_flush(io, d) != DONE)
		return GONE;
	if (io->tls == NULL)
		return send_file_plain(io, fd, from, n, d);
	piece = xmalloc(FILE_PIECE);
	while (n > 0 && o == DONE) {
		ssize_t got = pread(fd, piece, MIN(n, (uint64_t)FILE_PIECE), (off_t)from);
		if (got <= 0) {
			io->broken = true;
			o = GONE;
			break;
		}
		o = write_all(io, piece, (size_t)got, d);
		from += (uint64_t)got;
		n -= (uint64_t)got;
	}
	free(piece);
	return o;
}

/* --- input --- */

struct str
io_input(const struct io *io)
{
	return str_from(buf_str(&io->in), io->in_at);
}

void
io_consume(struct io *io, size_t n)
{
	assert(n <= io->in.n - io->in_at);
	io->in_at += n;
	if (io->in_at == io->in.n) {
		buf_clear(&io->in);
		io->in_at = 0;
	}
}

void
io_preload(struct io *io, struct str s)
{
	bool fits = buf_put(&io->in, s);

	assert(fits && io->octets_in == 0);
	io->octets_in = s.n;
}

enum io_got
io_drain(struct io *io)
{
	size_t waiting = io->in.n - io->in_at;
	ssize_t got;
	char *to;

	if (io->broken)
		return IO_BROKEN;
	if (waiting >= io->limits.in_max)
		return IO_FULL;
	if (io->in_at > 0) {
		buf_drop(&io->in, io->in_at);
		io->in_at = 0;
	}
	to = buf_room(&io->in, READ_PIECE);
	assert(to != NULL); /* the buffer's maximum is in_max and a piece */
	got = read_some(io, to, READ_PIECE);
	if (got > 0) {
		buf_claim(&io->in, (size_t)got);
		return IO_GOT;
	}
	if (got == -1)
		return IO_NONE;
	if (got == 0) {
		io->eof = true;
		return IO_EOF;
	}
	io->broken = true;
	return IO_BROKEN;
}

enum outcome
io_fill(struct io *io, struct deadline d)
{
	for (;;) {
		switch (io_drain(io)) {
		case IO_GOT:
			return DONE;
		case IO_FULL:
			return TEMPFAIL;
		case IO_EOF:
		case IO_BROKEN:
			return GONE;
		case IO_NONE:
			/* The peer may be waiting for what we have gathered. */
			if (io_flush(io, d) != DONE)
				return GONE;
			io->tls_wants = io->tls_wants != 0 ? io->tls_wants : POLLIN;
			if (io->tls == NULL)
				io->tls_wants = POLLIN;
			if (!wait_ready(io, d))
				return GONE;
		}
	}
}

enum outcome
io_read(struct io *io, void *p, size_t n, struct deadline d)
{
	struct str have = str_first(io_input(io), n);
	int64_t began = clock_ms();
	char *to = p;
	size_t done = have.n;

	if (have.n > 0)
		memcpy(to, have.p, have.n);
	io_consume(io, have.n);
	while (done < n && !io->broken) {
		ssize_t got = read_some(io, to + done, n - done);

		if (got > 0) {
			done += (size_t)got;
			continue;
		}
		if (got == 0)
			io->eof = true;
		if (got == 0 || got == -2 || io_flush(io, d) != DONE)
			return GONE;
		if (io->tls == NULL)
			io->tls_wants = POLLIN;
		if (too_slow(io, began, done) || !wait_ready(io, d))
			return GONE;
	}
	return io->broken ? GONE : DONE;
}

bool
io_at_eof(const struct io *io)
{
	return (io->eof || io->broken) && io_input(io).n == 0;
}

/* --- TLS --- */

static void
start_tls(struct io *io, struct tls_context *context, const char *server_name)
{
	assert(io->tls == NULL);
	buf_clear(&io->in);
	io->in_at = 0;
	io->tls = tls_new(context, io->fd, server_name);
}

void
io_start_tls_server(struct io *io, struct tls_context *context)
{
	start_tls(io, context, NULL);
}

void
io_start_tls_client(struct io *io, struct tls_context *context, const char *server_name)
{
	start_tls(io, context, server_name);
}

enum outcome
io_handshake(struct io *io)
{
	switch (tls_handshake(io->tls)) {
	case TLS_DONE:
		io->tls_wants = POLLIN;
		return DONE;
	case TLS_WANT_READ:
		io->tls_wants = POLLIN;
		return TEMPFAIL;
	case TLS_WANT_WRITE:
		io->tls_wants = POLLOUT;
		return TEMPFAIL;
	case TLS_CLOSED:
	case TLS_BROKEN:
		break;
	}
	io->broken = true;
	return GONE;
}

enum outcome
io_handshake_wait(struct io *io, struct deadline d)
{
	enum outcome o;

	while ((o = io_handshake(io)) == TEMPFAIL)
		if (!wait_ready(io, d)) {
			io->broken = true;
			return GONE;
		}
	return o;
}

bool
io_wants_write(const struct io *io)
{
	return io->tls_wants == POLLOUT;
}

bool
io_park(struct io *io)
{
	if (io->out.n > 0 || (io->tls != NULL && tls_pending(io->tls)))
		return false;
	if (io_input(io).n == 0) {
		buf_free(&io->in);
		io->in_at = 0;
	}
	buf_free(&io->out);
	return true;
}
