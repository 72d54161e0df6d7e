/*
 * password.c - a new password: asked for twice on the terminal, read from
 * standard input, or made up.
 */
#include <fcntl.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "admin-cli/mailbox.h"
#include "sql/passwd.h"

#define GENERATED_GROUPS 4
#define SHORT_PASSWORD   8

/* One line without its end.  False: nothing there, or too long. */
static bool
read_line(int fd, struct secret *out)
{
	char line[SECRET_MAX + 2];
	size_t n = 0;
	bool ended = false, good;

	while (!ended && n < sizeof(line)) {
		ssize_t got = read(fd, line + n, 1);

		if (got <= 0)
			break;
		ended = line[n] == '\n';
		if (!ended)
			n++;
	}
	if (n > 0 && line[n - 1] == '\r')
		n--;
	good = n > 0 && n <= SECRET_MAX && secret_set(out, str_n(line, n));
	wipe(line, sizeof(line));
	return good;
}

static bool
prompt(int tty, const char *text, struct secret *out)
{
	struct termios was, quiet;
	bool read, had = tcgetattr(tty, &was) == 0;

	if (had) {
		quiet = was;
		quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
		(void)tcsetattr(tty, TCSAFLUSH, &quiet);
	}
	dprintf(tty, "%s", text);
	read = read_line(tty, out);
	dprintf(tty, "\n");
	if (had)
		(void)tcsetattr(tty, TCSAFLUSH, &was);
	return read;
}

static enum status
ask_on_terminal(struct cli *c, struct secret *password)
{
	struct secret again = { 0 };
	enum status s = STATUS_DONE;
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (tty < 0)
		return cli_fail(c, STATUS_USAGE, "use --password-stdin or --generate",
		    "there is no terminal to ask for the password");
	if (!prompt(tty, "New password: ", password) || !prompt(tty, "Once more: ", &again))
		s = cli_fail(
		    c, STATUS_FAILED, NULL, "no password, or one over %d octets", SECRET_MAX);
	else if (!str_eq(secret_reveal(password), secret_reveal(&again)))
		s = cli_fail(c, STATUS_FAILED, NULL, "these were two different passwords");
	secret_free(&again);
	close(tty);
	return s;
}

enum status
password_ask(struct cli *c, struct str *hash, struct str *generated)
{
	bool from_stdin = cli_option(c, "password-stdin") != NULL;
	struct secret password = { 0 };
	struct why why = { 0 };
	enum status s = STATUS_DONE;
	struct buf out;
	char made[64];

	*generated = STR_NONE;
	if (from_stdin && cli_option(c, "generate") != NULL)
		return cli_fail(c, STATUS_USAGE, NULL, "--password-stdin or --generate, not both");
	if (cli_option(c, "generate") != NULL) {
		passwd_generate(GENERATED_GROUPS, made, sizeof(made));
		*generated = arena_str(c->arena, str_of(made));
		if (!secret_set(&password, str_of(made)))
			s = STATUS_FAILED;
	} else if (from_stdin) {
		if (!read_line(STDIN_FILENO, &password))
			s = cli_fail(c, STATUS_USAGE,
			    "its first line is taken, without the line end",
			    "no password on standard input, or one over %d octets", SECRET_MAX);
	} else
		s = ask_on_terminal(c, &password);
	if (s == STATUS_DONE && password.length < SHORT_PASSWORD && !c->json)
		fprintf(stderr, "postroom: note: this password has fewer than %d octets\n",
		    SHORT_PASSWORD);
	if (s == STATUS_DONE) {
		buf_init(&out, PASSWD_STORED_MAX);
		if (passwd_hash(PASSWD_DEFAULT, &password, &out, &why) == DONE)
			*hash = arena_str(c->arena, buf_str(&out));
		else
			s = cli_fail(
			    c, STATUS_REFUSED, NULL, "this password cannot be used: %s", why.text);
		buf_free(&out);
	}
	secret_free(&password);
	wipe(made, sizeof(made));
	return s;
}
