/*
 * password.c - a new password: asked for twice on the terminal, read from
 * standard input, or made up.  What SCRAM needs is made along with the hash,
 * since it cannot be made from that later.
 */
#include <fcntl.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "admin-cli/mailbox.h"
#include "base/codec.h"

#define GENERATED_GROUPS 4
#define SHORT_PASSWORD   8
#define SALT_OCTETS      16

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

/* The forms of the password that are stored. */
static enum status
derive(struct cli *c, const struct secret *password, struct new_password *out)
{
	unsigned char salt[SALT_OCTETS], digest[32];
	enum status s = STATUS_DONE;
	struct why why = { 0 };
	struct buf text;

	buf_init(&text, PASSWD_STORED_MAX);
	if (passwd_hash(PASSWD_DEFAULT, password, &text, &why) != DONE)
		s = cli_fail(c, STATUS_REFUSED, NULL, "this password cannot be used: %s", why.text);
	out->hash = arena_str(c->arena, buf_str(&text));
	for (int k = 0; s == STATUS_DONE && k < SCRAM_KINDS; k++) {
		buf_clear(&text);
		random_octets(salt, sizeof(salt));
		if (scram_make((enum scram_kind)k, password, str_n(salt, sizeof(salt)),
			SCRAM_ITERATIONS, &text))
			out->scram[k] = arena_str(c->arena, buf_str(&text));
	}
	scram_made_for(out->hash, digest);
	buf_clear(&text);
	(void)hex_put(&text, digest, sizeof(digest));
	out->made_for = arena_str(c->arena, buf_str(&text));
	buf_free(&text);
	return s;
}

enum status
password_ask(struct cli *c, struct new_password *out)
{
	bool from_stdin = cli_option(c, "password-stdin") != NULL;
	bool generate = cli_option(c, "generate") != NULL;
	struct secret password = { 0 };
	enum status s = STATUS_DONE;
	char made[64] = "";

	*out = (struct new_password){ 0 };
	if (from_stdin && generate)
		return cli_fail(c, STATUS_USAGE, NULL, "--password-stdin or --generate, not both");
	if (generate) {
		passwd_generate(GENERATED_GROUPS, made, sizeof(made));
		out->generated = arena_str(c->arena, str_of(made));
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
	if (s == STATUS_DONE)
		s = derive(c, &password, out);
	secret_free(&password);
	wipe(made, sizeof(made));
	return s;
}

enum status
password_keep_scram(struct cli *c, struct str address, const struct new_password *p)
{
	enum status s = STATUS_DONE;

	for (int k = 0; s == STATUS_DONE && k < SCRAM_KINDS; k++) {
		const struct db_param params[] = {
			db_text_param("address", address),
			db_text_param("mechanism", str_of(scram_name((enum scram_kind)k))),
			db_text_param("verifier", p->scram[k]),
			db_text_param("made_for", p->made_for),
		};

		if (p->scram[k].n > 0)
			s = cli_query(c, "scram_write", params, COUNT_OF(params), NULL);
	}
	return s;
}
