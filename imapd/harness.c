/*
 * harness.c - an imapd in a box.
 */
#include "imapd/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "imapd/mailbox.h"
#include "imapd/session.h"
#include "store/store.h"

#define PATIENCE_MS 10000

static void
store_changed(void *arg, struct str home, struct str folder, uint64_t modseq, bool gone)
{
	struct harness *h = arg;

	mailboxes_changed(h->d.boxes, home, folder);
}

static void *
run_lot(void *arg)
{
	struct harness *h = arg;

	lot_run(h->d.lot);
	return NULL;
}

void
harness_start(struct harness *h)
{
	const struct pool_limits limits = { .threads = 8, .keep = 2, .queue = 1000 };
	const char *tmp = getenv("TMPDIR");
	char root[256];
	struct store_config config;
	struct why why = { 0 };

	*h = (struct harness){ 0 };
	log_init("imapd-test", LOG_FATAL);
	(void)snprintf(root, sizeof(root), "%s/imapd-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(root) == NULL)
		log_fatal("no temporary directory");
	h->root = xstrdup(root);
	h->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	h->d.lim = imap_limits_default;
	h->d.message_bytes = 1024 * 1024;
	h->d.version = "test";
	h->d.boxes = mailboxes_new();
	store_config_init(&config);
	config.root = h->root_fd;
	config.changed = store_changed;
	config.changed_arg = h;
	if (store_open(&config, &h->d.store, &why) != DONE)
		log_fatal("store: %s", why.text);
	h->pool = pool_new(&limits);
	h->d.lot = lot_new(h->pool);
	h->thread = xmalloc(sizeof(pthread_t));
	(void)pthread_create(h->thread, NULL, run_lot, h);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	return remove(path);
}

void
harness_stop(struct harness *h)
{
	lot_stop(h->d.lot, deadline_in(PATIENCE_MS));
	(void)pthread_join(*(pthread_t *)h->thread, NULL);
	free(h->thread);
	pool_free(&h->pool);
	lot_free(&h->d.lot);
	store_close(&h->d.store);
	mailboxes_free(&h->d.boxes);
	(void)close(h->root_fd);
	(void)nftw(h->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(h->root);
}

int
harness_login(struct harness *h, const char *name, struct quota_limit quota)
{
	char user[128], home[128];
	struct account account = { .quota = quota };
	struct handover handover = {
		.protocol = IMAPD_IMAP,
		.tag = STR("login"),
		.client = STR("192.0.2.1"),
	};
	struct why why = { 0 };
	int ends[2];

	(void)snprintf(user, sizeof(user), "%s@example.test", name);
	(void)snprintf(home, sizeof(home), "example.test/%s", name);
	account.user = str_of(user);
	account.home = str_of(home);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		log_fatal("no socketpair");
	handover.fd = ends[1];
	if (imap_begin(&h->d, &handover, &account, &why) != DONE)
		log_fatal("login: %s", why.text);
	return ends[0];
}

void
client_send(int fd, struct str text)
{
	while (text.n > 0) {
		ssize_t put = send(fd, text.p, text.n, MSG_NOSIGNAL);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return;
		text = str_from(text, (size_t)put);
	}
}

/* Does a line from *at on begin so?  Moves *at behind the lines looked at. */
static bool
has_line(const struct buf *b, size_t *at, const char *until)
{
	struct str left = str_from(buf_str(b), *at), line;

	while (str_cut(left, '\n', &line, &left)) {
		*at = b->n - left.n;
		if (str_starts(line, str_of(until)))
			return true;
	}
	return false;
}

static char *
read_until(int fd, const char *until)
{
	int64_t end = clock_ms() + PATIENCE_MS;
	char piece[65536];
	struct buf b;
	char *text;
	bool ok = false;
	size_t at = 0;

	buf_init(&b, 256 * 1024 * 1024);
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t got;

		if (until != NULL && has_line(&b, &at, until)) {
			ok = true;
			break;
		}
		if (clock_ms() > end)
			break;
		if (poll(&p, 1, 1000) < 0) /* libFuzzer's alarm */
			continue;
		if ((p.revents & (POLLIN | POLLHUP)) == 0)
			continue;
		got = recv(fd, piece, sizeof(piece), 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			ok = until == NULL;
			break;
		}
		(void)buf_put(&b, str_n(piece, (size_t)got));
	}
	text = xstrdup(buf_cstr(&b));
	if (!ok)
		(void)fprintf(
		    stderr, "waited for %s, got:\n%s\n", until != NULL ? until : "the end", text);
	buf_free(&b);
	if (ok)
		return text;
	free(text);
	return NULL;
}

char *
client_read(int fd, const char *until)
{
	return read_until(fd, until);
}

char *
client_rest(int fd)
{
	return read_until(fd, NULL);
}

char *
client_ask(int fd, const char *format, ...)
{
	char tag[64];
	struct buf b;
	va_list ap;
	char *got;
	size_t n;

	buf_init(&b, 1024 * 1024);
	va_start(ap, format);
	(void)buf_vprintf(&b, format, ap);
	va_end(ap);
	(void)buf_puts(&b, "\r\n");
	n = strcspn(buf_cstr(&b), " ");
	(void)snprintf(tag, sizeof(tag), "%.*s ", (int)MIN(n, sizeof(tag) - 2), b.p);
	client_send(fd, buf_str(&b));
	buf_free(&b);
	got = read_until(fd, tag);
	return got;
}
