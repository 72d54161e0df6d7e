#include "postroomd/material.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Read-only for everybody from here on, us included. */
static int
sealed(const char *name, struct str text)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t put = 0;

	while (fd >= 0 && put < text.n) {
		ssize_t n = write(fd, text.p + put, text.n - put);

		if (n <= 0)
			fd_close(&fd);
		else
			put += (size_t)n;
	}
	if (fd >= 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
		fd_close(&fd);
	return fd;
}

static bool
load(const char *option, const char *path, struct buf *out, struct buf *errors)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	enum outcome o;

	if (fd < 0) {
		buf_printf(
		    errors, "%s: cannot open %s: %s\n", option, path, strerrordesc_np(errno));
		return false;
	}
	o = conf_load_fd(fd, path, out, errors);
	fd_close(&fd);
	return o == DONE;
}

static bool
holds(const struct buf *pem, size_t from, const char *what, const char *option, const char *path,
    struct buf *errors)
{
	if (str_find(str_from(buf_str(pem), from), str_of(what)) >= 0)
		return true;
	buf_printf(errors, "%s: expected \"%s\" in %s\n", option, what, path);
	return false;
}

static bool
read_certificate(const struct conf *c, int *out, struct buf *errors)
{
	struct buf pem;
	size_t key_at;
	bool good;

	*out = -1;
	if (c->tls_certificate[0] == '\0')
		return true;
	buf_init(&pem, CERTIFICATE_MAX);
	good = load("tls_certificate", c->tls_certificate, &pem, errors) &&
	       holds(&pem, 0, "-----BEGIN CERTIFICATE-----", "tls_certificate", c->tls_certificate,
		   errors);
	buf_putc(&pem, '\n');
	key_at = pem.n;
	good = good && load("tls_key", c->tls_key, &pem, errors) &&
	       holds(&pem, key_at, "PRIVATE KEY-----", "tls_key", c->tls_key, errors);
	if (good) {
		*out = sealed("certificate", buf_str(&pem));
		if (*out < 0)
			buf_printf(errors, "tls_certificate: no memory file\n");
	}
	if (pem.room > 0)
		wipe(pem.p, pem.room);
	buf_free(&pem);
	return good && *out >= 0;
}

/* The first line of a file; nothing where no file is set. */
static bool
read_password(const char *option, const char *path, struct secret *out, struct buf *errors)
{
	struct buf text;
	struct str line, rest;
	bool good;

	if (path[0] == '\0')
		return true;
	buf_init(&text, SECRET_MAX + 2);
	good = load(option, path, &text, errors);
	if (good) {
		(void)str_cut(buf_str(&text), '\n', &line, &rest);
		good = secret_set(out, str_trim(line));
	}
	if (text.room > 0)
		wipe(text.p, text.room);
	buf_free(&text);
	return good;
}

enum outcome
material_read(const struct conf *c, struct material *out, struct buf *errors)
{
	struct buf settings;
	bool good;

	*out = (struct material){ .settings = -1, .certificate = -1 };
	buf_init(&settings, CONF_TEXT_MAX);
	conf_print(c, &settings);
	out->settings = sealed("settings", buf_str(&settings));
	buf_free(&settings);
	good = out->settings >= 0;
	if (!good)
		buf_printf(errors, "no memory file for the settings\n");
	good = read_certificate(c, &out->certificate, errors) && good;
	good = read_password(
		   "database_password_file", c->database_password_file, &out->password, errors) &&
	       good;
	good = read_password("smarthost_password_file", c->smarthost_password_file,
		   &out->smarthost_password, errors) &&
	       good;
	if (!good)
		material_free(out);
	return good ? DONE : PERMFAIL;
}

void
material_free(struct material *m)
{
	fd_close(&m->settings);
	fd_close(&m->certificate);
	secret_free(&m->password);
	secret_free(&m->smarthost_password);
}
