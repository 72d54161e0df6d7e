#include "smtpd/body.h"

#include <errno.h>
#include <sys/uio.h>

#include "base/log.h"

void
body_init(struct body *b, uint64_t max)
{
	*b = (struct body){ .max = max, .spool = { 0, -1 } };
	buf_init(&b->memory, BODY_MEMORY);
}

void
body_free(struct body *b)
{
	assert(b->spool.fd == -1);
	buf_free(&b->memory);
}

void
body_fail(struct body *b, enum outcome o, const struct why *why)
{
	if (b->outcome != DONE)
		return;
	b->outcome = o;
	b->why = *why;
	buf_free(&b->memory);
}

static bool
has_eightbit(struct str s)
{
	unsigned char all = 0;

	for (size_t i = 0; i < s.n; i++)
		all |= (unsigned char)s.p[i];
	return (all & 0x80) != 0;
}

bool
body_put(struct body *b, struct str piece)
{
	assert(piece.n <= BODY_MEMORY);
	if (b->outcome == DONE && b->octets + piece.n > b->max) {
		struct why why;
		/* RFC 1870 6.1: the declared size was a hint, this is the count. */
		body_fail(b, fail(PERMFAIL, &why, 552, "5.3.4", "Message too large"), &why);
	}
	if (b->outcome != DONE) {
		b->octets += piece.n;
		return true;
	}
	if (b->memory.n + piece.n > BODY_MEMORY)
		return false;
	(void)buf_put(&b->memory, piece);
	b->octets += piece.n;
	if (!b->eightbit)
		b->eightbit = has_eightbit(piece);
	return true;
}

static void
write_both(struct body *b, struct str first, struct str second)
{
	struct iovec v[2] = { { (void *)(uintptr_t)first.p, first.n },
		{ (void *)(uintptr_t)second.p, second.n } };
	struct why why;
	int at = 0;

	while (at < 2) {
		ssize_t n;

		if (v[at].iov_len == 0) {
			at++;
			continue;
		}
		n = writev(b->spool.fd, v + at, 2 - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			/* Full, over a quota of the file system, or broken: ours to mend, so 4xx.
			 */
			log_event(
			    LOG_WARN, "smtp.spool", kv_int("errno", n < 0 ? errno : 0), KV_END);
			body_fail(
			    b, fail(TEMPFAIL, &why, 452, "4.3.1", "No room for mail now"), &why);
			return;
		}
		b->written += (uint64_t)n;
		for (; at < 2 && (size_t)n >= v[at].iov_len; at++)
			n -= (ssize_t)v[at].iov_len;
		if (at < 2) {
			v[at].iov_base = (char *)v[at].iov_base + n;
			v[at].iov_len -= (size_t)n;
		}
	}
}

void
body_begin(struct body *b, struct str lines)
{
	assert(b->spool.fd >= 0 && !b->begun);
	b->begun = true;
	write_both(b, lines, buf_str(&b->memory));
	buf_clear(&b->memory);
}

void
body_spill(struct body *b)
{
	assert(b->begun);
	if (b->outcome == DONE)
		write_both(b, buf_str(&b->memory), STR_NONE);
	buf_clear(&b->memory);
}
