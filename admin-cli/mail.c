/*
 * mail.c - the mail of a mailbox, for the commands that move or measure it.
 *
 * All of it is done as the user who owns the store, so that nothing of
 * root's is left in there and a planted link leads root nowhere; only the
 * root of the store is opened as root, since its path may be root's.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin-cli/daemon.h"
#include "admin-cli/mailbox.h"
#include "conf/conf.h"
#include "rpc/auth_client.h"
#include "rpc/imap_proto.h"
#include "store/home.h"

#define STORE_WAIT_MS 10000
#define KICK_WAIT_MS  2000
#define ASK_WAIT_MS   2000
#define NOTE_NAME     "account.json"
#define NOTE_MAX      65536
#define REMOVED       ".removed"
#define ENTRIES_MAX   1000000 /* in one folder of what was set aside */

struct opened {
	int root;
	uid_t was_user;
	gid_t was_group;
	bool switched;
	struct store *store;
};

struct str
mail_home(struct cli *c, struct str address, struct str domain, struct str home_column)
{
	ptrdiff_t at = str_rchr(address, '@');
	struct rpc_client *authd;
	struct auth_home home;
	bool known = false;

	if (home_column.n > 0)
		return home_column;
	/* authd knows the template (mailbox_home), and how unusual names are written. */
	authd = cli_conf(c) == STATUS_DONE ? daemon_try(c, "authd") : NULL;
	if (authd != NULL)
		known = auth_home(authd, address, deadline_in(ASK_WAIT_MS), c->arena, &home,
			    NULL) == DONE;
	rpc_client_free(&authd);
	if (known)
		return home.home;
	assert(at > 0);
	return str_of(arena_printf(c->arena, STR_FMT "/" STR_FMT, STR_ARG(domain),
	    STR_ARG(str_first(address, (size_t)at))));
}

static void
close_store(struct opened *o)
{
	if (o->store != NULL)
		store_close(&o->store);
	if (o->switched) {
		(void)!seteuid(o->was_user);
		(void)!setegid(o->was_group);
	}
	fd_close(&o->root);
}

/* Open the root of the store and become its owner. */
static enum status
become_owner(struct cli *c, struct opened *o)
{
	*o = (struct opened){ .root = -1, .was_user = geteuid(), .was_group = getegid() };
	enum status s = cli_conf(c);

	if (s != STATUS_DONE)
		return s;
	const struct passwd *owner = getpwnam(c->conf->mail_user); /* one thread */

	o->root = open(c->conf->mail_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (owner == NULL || o->root < 0)
		return cli_fail(c, STATUS_FAILED, "postroom config show mail_dir mail_user",
		    "the mail store %s of the user %s cannot be opened: %m", c->conf->mail_dir,
		    c->conf->mail_user);
	if (geteuid() == owner->pw_uid)
		return STATUS_DONE;
	o->switched = true;
	if (setegid(owner->pw_gid) != 0 || seteuid(owner->pw_uid) != 0)
		return cli_fail(c, STATUS_FAILED, "run this as root",
		    "cannot act as the user %s: %m", c->conf->mail_user);
	return STATUS_DONE;
}

static enum status
open_store(struct cli *c, struct opened *o)
{
	struct store_config config;
	struct why why = { 0 };
	enum status s = become_owner(c, o);

	if (s != STATUS_DONE)
		return s;
	store_config_init(&config);
	config.root = o->root;
	store_read_boot_id(config.boot_id);
	if (store_open(&config, &o->store, &why) != DONE)
		return cli_fail(
		    c, STATUS_FAILED, NULL, "the mail store cannot be opened: %s", why.text);
	return STATUS_DONE;
}

bool
mail_usage(struct cli *c, struct str home, uint64_t *octets, uint64_t *messages)
{
	struct cli quiet = *c; /* what cannot be said is shown as unknown, without a complaint */
	struct quota_usage usage = { 0 };
	struct home *h = NULL;
	struct opened o;
	bool known = false;

	quiet.quiet = true;
	if (open_store(&quiet, &o) == STATUS_DONE &&
	    store_home(o.store, home, false, &h, NULL) == DONE) {
		known = home_usage(h, deadline_in(STORE_WAIT_MS), &usage, NULL) == DONE;
		home_release(&h);
	}
	close_store(&o);
	*octets = usage.octets;
	*messages = usage.messages;
	return known;
}

/* --- what was set aside: .removed/HOME@TIME --- */

/*
 * The newest folder that was set aside for this home, below the mail root; in
 * the arena, STR_NONE when there is none.  store_home_remove puts
 * .removed/HOME@TIME there.
 */
static struct str
newest_aside(struct cli *c, int root, struct str home)
{
	struct str parent = STR_NONE, leaf = home, best = STR_NONE;
	ptrdiff_t slash = str_rchr(home, '/');
	const struct dirent *e;
	unsigned seen = 0;
	DIR *dir;
	int fd;

	if (slash >= 0) {
		parent = str_first(home, (size_t)slash);
		leaf = str_from(home, (size_t)slash + 1);
	}
	const char *folder =
	    arena_printf(c->arena, REMOVED "%s" STR_FMT, parent.n > 0 ? "/" : "", STR_ARG(parent));

	fd = openat(root, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		fd_close(&fd);
		return STR_NONE;
	}
	while ((e = readdir(dir)) != NULL && seen++ < ENTRIES_MAX) {
		struct str name = str_of(e->d_name);

		if (name.n <= leaf.n + 1 || !str_starts(name, leaf) || name.p[leaf.n] != '@')
			continue;
		struct str stamp = str_from(name, leaf.n + 1);

		if (!ascii_digit(stamp.p[0]))
			continue;
		if (best.n == 0 || str_cmp(name, best) > 0)
			best = arena_str(c->arena, name);
	}
	closedir(dir);
	if (best.n == 0)
		return STR_NONE;
	return str_of(arena_printf(c->arena, "%s/" STR_FMT, folder, STR_ARG(best)));
}

/* The account's data beside the mail, 0600; it holds the hash of the password. */
static bool
write_note(struct cli *c, int root, struct str aside, struct str note)
{
	const char *path = arena_printf(c->arena, STR_FMT "/" NOTE_NAME, STR_ARG(aside));
	int fd = openat(root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool good = fd >= 0 && write(fd, note.p, note.n) == (ssize_t)note.n && fsync(fd) == 0;

	fd_close(&fd);
	return good;
}

enum status
mail_set_aside(struct cli *c, struct str home, struct str note, bool *had)
{
	struct why why = { 0 };
	struct opened o;
	enum outcome done = DONE;
	enum status s = open_store(c, &o);

	*had = false;
	if (s == STATUS_DONE) {
		done = store_home_remove(o.store, home, &why);
		*had = done == DONE;
	}
	if (*had) {
		struct str aside = newest_aside(c, o.root, home);

		if (aside.n == 0 || !write_note(c, o.root, aside, note))
			s = cli_fail(c, STATUS_FAILED, NULL,
			    "the mail was set aside, but not the account's data beside it: %m");
	}
	close_store(&o);
	if (s == STATUS_DONE && done == TEMPFAIL)
		return cli_fail(c, STATUS_FAILED,
		    arena_printf(c->arena, "its folder is still " STR_FMT " below %s",
			STR_ARG(home), c->conf->mail_dir),
		    "the mailbox is removed, but its mail could not be set aside: %s", why.text);
	return s;
}

static enum status
nothing_aside(struct cli *c, struct str home)
{
	return cli_fail(c, STATUS_NOT_FOUND, "what was set aside is swept after some days",
	    "no mail is kept aside for " STR_FMT, STR_ARG(home));
}

enum status
mail_note(struct cli *c, struct str home, struct str *note)
{
	struct str aside = STR_NONE;
	struct opened o;
	char text[NOTE_MAX];
	ssize_t n = 0;
	enum status s = become_owner(c, &o);

	if (s == STATUS_DONE)
		aside = newest_aside(c, o.root, home);
	if (aside.n > 0) {
		int fd =
		    openat(o.root, arena_printf(c->arena, STR_FMT "/" NOTE_NAME, STR_ARG(aside)),
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

		n = fd >= 0 ? read(fd, text, sizeof(text)) : 0;
		fd_close(&fd);
	}
	close_store(&o);
	if (s != STATUS_DONE)
		return s;
	if (aside.n == 0)
		return nothing_aside(c, home);
	*note = arena_str(c->arena, str_n(text, n > 0 ? (size_t)n : 0));
	wipe(text, sizeof(text));
	return STATUS_DONE;
}

/* The folder that is to hold the home has to be there; it may have gone with its domain. */
static void
make_parent(struct cli *c, int root, struct str home)
{
	ptrdiff_t slash = str_chr(home, '/');

	if (slash > 0)
		(void)!mkdirat(root, arena_cstr(c->arena, str_first(home, (size_t)slash)), 0700);
}

enum status
mail_bring_back(struct cli *c, struct str home)
{
	struct str aside = STR_NONE;
	struct opened o;
	bool moved = false;
	enum status s = become_owner(c, &o);

	if (s == STATUS_DONE)
		aside = newest_aside(c, o.root, home);
	if (aside.n > 0) {
		const char *to = arena_cstr(c->arena, home);

		make_parent(c, o.root, home);
		/* A plain mkdir'ed, still empty home may stand there; mail in it may not be lost.
		 */
		moved = renameat2(
			    o.root, arena_cstr(c->arena, aside), o.root, to, RENAME_NOREPLACE) == 0;
		if (moved)
			(void)!unlinkat(o.root, arena_printf(c->arena, "%s/" NOTE_NAME, to), 0);
	}
	close_store(&o);
	if (s != STATUS_DONE)
		return s;
	if (aside.n == 0)
		return nothing_aside(c, home);
	if (!moved)
		return cli_fail(c, STATUS_REFUSED, "move that folder away first",
		    "there is mail in " STR_FMT " below %s already", STR_ARG(home),
		    c->conf->mail_dir);
	return STATUS_DONE;
}

enum status
mail_rename(struct cli *c, struct str from, struct str to)
{
	struct why why = { 0 };
	struct opened o;
	enum outcome done = DONE;
	enum status s = open_store(c, &o);
	struct home *h = NULL;
	bool had = false;

	if (s == STATUS_DONE && store_home(o.store, from, false, &h, NULL) == DONE) {
		had = true;
		home_release(&h);
	}
	if (had) {
		make_parent(c, o.root, to);
		done = store_home_rename(o.store, from, to, &why);
	}
	close_store(&o);
	if (s == STATUS_DONE && done != DONE)
		return cli_fail(c, STATUS_FAILED,
		    arena_printf(c->arena, "move " STR_FMT " to " STR_FMT " below %s by hand",
			STR_ARG(from), STR_ARG(to), c->conf->mail_dir),
		    "the mailbox has its new name, but the mail could not be moved: %s", why.text);
	return s;
}

/* --- sessions --- */

void
sessions_end(struct cli *c, struct str address)
{
	for (uint64_t shard = 0; shard < c->conf->imap_shards; shard++) {
		struct rpc_client *client =
		    daemon_try(c, arena_printf(c->arena, "imapd-%u", (unsigned)shard));
		struct rpc_in answer;
		struct rpc_out body;
		struct why why;

		if (client == NULL)
			continue;
		rpc_out_init(&body);
		rpc_put_u64(&body, 0);
		rpc_put_str(&body, address);
		if (rpc_call(client, IMAPD_KICK, &body, deadline_in(KICK_WAIT_MS), &answer, &why) ==
		    DONE)
			rpc_in_free(&answer);
		rpc_out_free(&body);
		rpc_client_free(&client);
	}
}
