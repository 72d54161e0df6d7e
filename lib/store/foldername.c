/*
 * foldername.c - names of folders: UTF-8 here, modified UTF-7 behind a dot on
 * disk, as Maildir++ has them.
 */
#include "mail/mutf7.h"
#include "store/core.h"

#define DISK_NAME_MAX 250 /* ".Name" in one directory entry */

bool
folder_is_inbox(struct str name)
{
	return str_eq_nocase(name, STR("INBOX"));
}

/* faults.md 15 to 17: what could leave the Maildir, or be two names for one folder. */
static enum outcome
disk_name(struct str name, struct buf *out, struct why *why)
{
	if (!mailbox_name_valid(name, FOLDER_SEP) || memchr(name.p, '/', name.n) != NULL)
		return fail(PERMFAIL, why, 0, "", "That is no name for a folder");
	/* "INBOX.x" would stand at .INBOX.x and read as a child of the inbox: it is one. */
	if (!buf_putc(out, '.') || !mutf7_from_utf8(name, out) || out->n > DISK_NAME_MAX)
		return fail(PERMFAIL, why, 0, "", "The folder's name is too long");
	return DONE;
}

enum outcome
folder_disk_name(struct str name, struct buf *out, struct why *why)
{
	if (folder_is_inbox(name))
		return DONE;
	return disk_name(name, out, why);
}

enum outcome
folder_name_check(struct str name, struct why *why)
{
	struct buf b;
	enum outcome o;

	buf_init(&b, 2 * MAILBOX_NAME_MAX);
	o = folder_disk_name(name, &b, why);
	buf_free(&b);
	return o;
}

bool
folder_name_of_disk(struct str disk, struct buf *out)
{
	size_t before = out->n;
	struct str name;

	if (disk.n < 2 || disk.p[0] != '.' || disk.n > DISK_NAME_MAX ||
	    !mutf7_to_utf8(str_from(disk, 1), out))
		return false;
	name = str_n(out->p + before, out->n - before);
	if (mailbox_name_valid(name, FOLDER_SEP) && memchr(name.p, '/', name.n) == NULL &&
	    !folder_is_inbox(name))
		return true;
	out->n = before;
	return false;
}
