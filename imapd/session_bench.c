/*
 * session_bench.c - what one session costs on a large folder: each command is
 * asked some times over a socketpair, the best time printed.
 *
 *	TMPDIR=/dev/shm session-bench 100000
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imapd/harness.h"
#include "mail/structure.h"
#include "store/folder.h"

#define TIMES 5

static const char text[] =
    "From: Ann <ann@example.test>\r\nTo: bob@example.test\r\n"
    "Subject: message of the bench\r\nDate: Thu, 20 Nov 2025 11:09:00 +0100\r\n"
    "Message-ID: <x@example.test>\r\nContent-Type: text/plain\r\n\r\n";

static void
fill(struct harness *h, unsigned n, size_t size)
{
	struct home *home;
	struct folder *folder;
	struct spool_file spool;
	struct delivery m = { .arrived = 1700000000, .internaldate = 1700000000 };
	struct delivered got;
	struct buf message, packed;

	buf_init(&message, 64 * 1024 * 1024);
	buf_init(&packed, STRUCTURE_MAX);
	buf_puts(&message, text);
	while (message.n < size)
		buf_puts(&message, "0123456789012345678901234567890123456789\r\n");
	if (!structure_build(buf_str(&message), &packed) ||
	    store_home(h->d.store, STR("example.test/bench"), true, &home, NULL) != DONE ||
	    folder_open(home, STR("INBOX"), true, DEADLINE_NEVER, &folder, NULL) != DONE)
		abort();
	m.size = m.vsize = message.n;
	m.packed = buf_str(&packed);
	for (unsigned i = 0; i < n; i++) {
		if (store_spool(h->d.store, &spool, NULL) != DONE ||
		    write(spool.fd, message.p, message.n) != (ssize_t)message.n)
			abort();
		m.fd = spool.fd;
		if (folder_deliver(folder, &m, DEADLINE_NEVER, &got, NULL) != DONE)
			abort();
		spool_discard(h->d.store, &spool);
	}
	folder_release(&folder);
	home_release(&home);
	buf_free(&message);
	buf_free(&packed);
}

static void
ask(int fd, unsigned n, const char *command)
{
	int64_t best = INT64_MAX, first = 0;
	size_t octets = 0;

	for (int i = 0; i < TIMES; i++) {
		int64_t began = clock_us(), took;
		char *got = client_ask(fd, "t%d %s", i, command);

		took = clock_us() - began;
		octets = strlen(got);
		best = took < best ? took : best;
		first = i == 0 ? took : first;
		free(got);
	}
	(void)printf("%-40.40s first %8.2f ms, best %8.2f ms, %6.3f us each, %7.1f MB/s\n", command,
	    (double)first / 1000, (double)best / 1000, (double)best / n,
	    (double)octets / (double)best);
}

int
main(int argc, char **argv)
{
	unsigned n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000;
	size_t size = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;
	struct harness h;
	int64_t began;
	int fd;

	harness_start(&h);
	began = clock_us();
	fill(&h, n, size);
	(void)printf("delivered %u: %.1f us each\n", n, (double)(clock_us() - began) / n);
	fd = harness_login(&h, "bench", (struct quota_limit){ 0 });
	free(client_read(fd, "login OK"));
	ask(fd, n, "SELECT INBOX");
	ask(fd, n, "FETCH 1:* (FLAGS)");
	ask(fd, n, "UID FETCH 1:* (FLAGS)");
	ask(fd, n, "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)");
	ask(fd, n, "FETCH 1:* (ENVELOPE)");
	ask(fd, n, "FETCH 1:* (UID BODYSTRUCTURE)");
	ask(fd, n, "UID SEARCH UNSEEN");
	ask(fd, n, "SEARCH SUBJECT nothing");
	ask(fd, n, "UID STORE 1:* +FLAGS.SILENT (\\Seen)");
	ask(fd, n, "UID STORE 1:* -FLAGS (\\Seen)");
	ask(fd, n, "FETCH 1:1000 BODY.PEEK[HEADER.FIELDS (FROM SUBJECT)]");
	ask(fd, n, "FETCH 1:1000 BODY.PEEK[]");
	ask(fd, n, "NOOP");
	(void)close(fd);
	harness_stop(&h);
	return 0;
}
