/*
 * cmd_append.c - APPEND: RFC 3501 6.3.11, APPENDUID: RFC 4315 3, sizes and
 * refusals: RFC 7889, RFC 7888.
 *
 * The message is spooled into an unnamed file of the store while it comes,
 * held to a minimum rate and a total time; nothing of it is kept unless all
 * of it came.  "OK" is said when file, name and index entry are durable.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "imapd/announce.h"
#include "imapd/flags.h"
#include "imapd/heavy.h"
#include "mail/structure.h"

#define PIECE (64 * 1024)

struct append {
	struct str name;
	struct folder *folder;
	struct flag_list list;
	unsigned flags;
	struct str keywords[PARSE_FLAGS_MAX];
	size_t keyword_count;
	struct maildate date;
	struct spool_file spool;
	struct quota_hold hold;
	struct buf packed;
	uint64_t vsize;
};

/* [" (" flags ")"] [SP date-time] SP, up to the literal. */
static bool
parse_options(struct parse *p, struct append *a)
{
	if (scan_peek(&p->s) == '(') {
		if (!parse_flag_list(p, false, &a->list) || !parse_sp(p))
			return false;
		if (!flags_take(&a->list, &a->flags, a->keywords, &a->keyword_count))
			return parse_wrong(p, "A flag that is not to be set");
	}
	if (scan_peek(&p->s) == '"') {
		if (!parse_date_time(p, &a->date) || !parse_sp(p))
			return false;
	}
	return scan_end(&p->s) || parse_wrong(p, "Expected the message as a literal");
}

/* Everything that can be refused is refused before "+": the client then need not send. */
static bool
admit(struct imap *s, struct command *c, struct append *a)
{
	struct deadline d = imap_store_deadline(s);
	struct why why = { 0 };
	enum outcome o;

	if (c->literal == 0)
		return reply_no(c, "CANNOT", "An empty message cannot be kept") != DONE;
	if (c->literal > s->d->message_bytes)
		return reply_no(c, "TOOBIG", "Over the limit of %llu octets a message",
			   (unsigned long long)s->d->message_bytes) != DONE;
	if (!folder_get(s, c, a->name, "TRYCREATE", &a->folder))
		return false;
	o = home_reserve(s->home, &s->quota, c->literal, 1, d, &a->hold, &why);
	if (o == DONE)
		o = store_spool(s->d->store, &a->spool, &why);
	return o == DONE || reply_failed(c, o, &why, "OVERQUOTA") != DONE;
}

static bool
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t put = write(fd, p, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		p += put;
		n -= (size_t)put;
	}
	return true;
}

/*
 * All octets of the literal into the spool.  A disk that is full does not
 * stop the reading: the client cannot be told before its last octet.
 */
static enum outcome
take_literal(struct imap *s, struct command *c, struct append *a, bool *nul, bool *written)
{
	struct deadline d = deadline_in(s->d->lim.body_ms);
	uint64_t left = c->literal;
	char *piece = xmalloc(PIECE);
	enum outcome o = DONE;

	*nul = false;
	*written = true;
	if (c->sync) {
		io_puts(s->io, "+ OK\r\n");
		o = io_flush(s->io, d);
	}
	c->streams = false;
	while (left > 0 && o == DONE) {
		size_t n = (size_t)MIN(left, (uint64_t)PIECE);

		o = io_read(s->io, piece, n, d);
		if (o != DONE)
			break;
		*nul |= memchr(piece, '\0', n) != NULL;
		*written = *written && write_all(a->spool.fd, piece, n);
		left -= n;
	}
	free(piece);
	return o;
}

/* The rest of the command's line.  *empty: there was nothing but the line's end. */
static enum outcome
take_line_end(struct imap *s, bool *empty)
{
	struct deadline d = deadline_in(s->d->lim.body_ms);
	struct reader_line line;

	for (;;) {
		enum reader_got got =
		    reader_next(&s->reader, io_input(s->io), command_streams, &line);

		if (got == READER_COMMAND) {
			*empty = line.text.n == 0;
			io_consume(s->io, line.octets);
			return DONE;
		}
		if (got != READER_MORE) {
			*empty = false;
			s->reader = (struct reader){ .skipping = true };
			return DONE;
		}
		if (io_fill(s->io, d) != DONE)
			return GONE;
	}
}

/* What the index keeps of the message: its structure, and its size with CRLF. */
static bool
look_into(struct command *c, struct append *a)
{
	void *map = mmap(NULL, c->literal, PROT_READ, MAP_PRIVATE, a->spool.fd, 0);
	struct structure st;

	if (map == MAP_FAILED)
		return false;
	a->vsize = VSIZE_UNKNOWN;
	if (structure_build(str_n(map, c->literal), &a->packed) &&
	    structure_unpack(buf_str(&a->packed), &st))
		a->vsize = region_crlf_size(&st.message);
	(void)munmap(map, c->literal);
	return true;
}

static enum outcome
keep(struct imap *s, struct command *c, struct append *a)
{
	struct deadline d = imap_store_deadline(s);
	struct delivered got;
	struct why why = { 0 };
	struct delivery m = {
		.fd = a->spool.fd,
		.arrived = wall_s(),
		.internaldate = a->date.time,
		.size = c->literal,
		.flags = a->flags,
		.keywords = a->keywords,
		.keyword_count = a->keyword_count,
	};
	char code[64];
	enum outcome o;

	if (!look_into(c, a) || fdatasync(a->spool.fd) != 0) {
		/* A failed sync is never tried again: the file is given up. */
		log_event(LOG_WARN, "imap.append", kv_id("s", s->session.id),
		    kv_int("errno", errno), KV_END);
		return reply_no(c, "UNAVAILABLE", "The message could not be written");
	}
	m.vsize = a->vsize;
	m.packed = buf_str(&a->packed);
	o = folder_deliver(a->folder, &m, d, &got, &why);
	if (o != DONE)
		return reply_failed(c, o, &why, "LIMIT");
	if (got.uid == 0)
		return reply_done(c);
	(void)snprintf(code, sizeof(code), "APPENDUID %u %u", got.uidvalidity, got.uid);
	return reply_ok(c, code, "APPEND completed");
}

static enum outcome
append(struct imap *s, struct command *c, struct append *a)
{
	enum outcome o;
	bool nul, written, empty;

	if (!mailbox_parse(c, &a->name))
		return DONE;
	if (!c->streams || !parse_sp(&c->args) || !parse_options(&c->args, a))
		return reply_bad(
		    c, c->args.wrong != NULL ? c->args.wrong : "Expected the message as a literal");
	if (!admit(s, c, a))
		return DONE;
	o = take_literal(s, c, a, &nul, &written);
	if (o == DONE)
		o = take_line_end(s, &empty);
	if (o != DONE)
		return o;
	if (!empty)
		return reply_bad(c, "One message at a time");
	if (nul) /* RFC 3501 9, CHAR8 */
		return reply_no(c, "CANNOT", "The message holds a NUL");
	if (!written)
		return reply_no(c, "UNAVAILABLE", "The message could not be written");
	return keep(s, c, a);
}

enum outcome
cmd_append(struct imap *s, struct command *c)
{
	struct append *a = ARENA_NEW(c->arena, struct append);
	enum outcome o;

	a->spool.fd = -1;
	a->date.time = wall_s();
	buf_init(&a->packed, STRUCTURE_MAX);
	if (!heavy_begin(str_of(s->session.user)))
		return reply_no(c, "LIMIT", "Too many transfers at the same time");
	o = append(s, c, a);
	heavy_end(str_of(s->session.user));
	buf_free(&a->packed);
	quota_release(&a->hold);
	if (a->spool.fd >= 0)
		spool_discard(s->d->store, &a->spool);
	folder_release(&a->folder);
	return o;
}
