/*
 * io.h - buffered reading and writing on one connection, plain or TLS.
 *
 * The descriptor is non-blocking.  Within a turn the calls below wait, each
 * until its deadline, and while they transfer a body they hold the peer to a
 * minimum rate.  Between turns the buffers are given back, so a parked
 * connection costs its struct and its TLS state.
 *
 * Output is flushed before any wait for input (as in qmail's saferead), so a
 * pipelined batch is answered in one segment and nobody waits for bytes that
 * sit in our own buffer.
 *
 * Not thread-safe: belongs to the owner of the connection.
 */
#ifndef RUN_IO_H
#define RUN_IO_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/outcome.h"

struct io;
struct tls;
struct tls_context;

struct io_limits {
	size_t in_max;    /* octets of input held at most (longest line or literal taken whole) */
	size_t out_max;   /* octets of output gathered before they are written */
	int64_t write_ms; /* a write may wait this long for the peer in all */
	uint32_t least_rate; /* octets a second a body transfer must average after 10 s; 0: none */
};

/* Takes over fd and makes it non-blocking. */
struct io *io_new(int fd, const struct io_limits *limits);
void io_free(struct io **io); /* closes the descriptor and ends TLS without waiting */
int io_fd(const struct io *io);
/* The descriptor is taken away (handed to another process); io may only be freed. */
int io_release_fd(struct io *io);

/* --- input --- */

/* What has been read and not consumed; valid until the next io call. */
struct str io_input(const struct io *io);
void io_consume(struct io *io, size_t n);

/* Octets that another process has read from this connection: they come first.  Before any read. */
void io_preload(struct io *io, struct str s);

enum io_got {
	IO_GOT,   /* something came */
	IO_NONE,  /* nothing there now */
	IO_FULL,  /* in_max octets are waiting to be consumed */
	IO_EOF,   /* the peer closed its side */
	IO_BROKEN /* reset, or TLS failed */
};

/* Read what is there without waiting. */
enum io_got io_drain(struct io *io);

/*
 * Wait for at least one more octet.  GONE when the peer closed, broke off or
 * let the deadline pass; TEMPFAIL when in_max octets are already waiting.
 */
must_use enum outcome io_fill(struct io *io, struct deadline d);

/*
 * Take exactly n octets (a literal, a BDAT chunk) straight into p.  GONE as
 * above, or when the peer is slower than the minimum rate.
 */
must_use enum outcome io_read(struct io *io, void *p, size_t n, struct deadline d);

/* The peer has closed its side and all input was consumed. */
bool io_at_eof(const struct io *io);

/* --- output --- */

/*
 * Gather output.  When more than out_max is gathered it is written, waiting
 * for the peer if need be; after a failure everything is swallowed and
 * io_flush says GONE, so a reply may be put together without a check each.
 */
void io_put(struct io *io, struct str s);
void io_puts(struct io *io, const char *s);
void io_printf(struct io *io, const char *format, ...) printf_like(2, 3);
/* The gathering buffer itself, for functions that append to a struct buf; call io_spill now and
 * then. */
struct buf *io_out(struct io *io);
void io_spill(struct io *io); /* write if more than out_max is gathered */

/* n octets of a file from an offset (sendfile where possible). */
must_use enum outcome io_send_file(struct io *io, int fd, uint64_t from, uint64_t n);

/* Everything gathered is with the kernel; GONE if that failed by the deadline. */
must_use enum outcome io_flush(struct io *io, struct deadline d);

/* --- TLS --- */

/*
 * From here on TLS as the server.  Input already buffered is thrown away: a
 * command sent in clear behind STARTTLS must not be obeyed (RFC 3207 4.2,
 * CVE-2011-0411).  The handshake is done by io_handshake.
 */
void io_start_tls_server(struct io *io, struct tls_context *context);
void io_start_tls_client(struct io *io, struct tls_context *context, const char *server_name);

/*
 * Go on with the handshake without waiting.  DONE: finished.  TEMPFAIL: it
 * waits for the peer, park (io_wants_write says for what).  GONE: failed.
 */
must_use enum outcome io_handshake(struct io *io);
/* The same, waiting. */
must_use enum outcome io_handshake_wait(struct io *io, struct deadline d);
bool io_wants_write(const struct io *io);
struct tls *io_tls(const struct io *io); /* NULL without TLS */

/* --- parking --- */

/*
 * May the connection be parked: nothing decrypted waits in the TLS layer
 * that epoll would not report, and no output is gathered.  Gives the buffers
 * back; the beginning of a command that is not complete yet stays.
 */
bool io_park(struct io *io);

/* Octets that went each way, for the log. */
uint64_t io_octets_in(const struct io *io);
uint64_t io_octets_out(const struct io *io);

#endif
