/*
 * material.h - what daemons are handed as text: the settings, the
 * certificate with its key, the passwords for others.  Read here as root, since
 * the daemons open no files.
 */
#ifndef POSTROOMD_MATERIAL_H
#define POSTROOMD_MATERIAL_H

#include "base/outcome.h"
#include "base/secret.h"
#include "conf/conf.h"

#define CERTIFICATE_MAX (256 * 1024)

struct material {
	int settings;           /* sealed memfd: conf_print's text */
	int certificate;        /* sealed memfd: PEM chain, then PEM key; -1: no TLS */
	struct secret password; /* the database's */
	struct secret smarthost_password;
};

/* PERMFAIL: something cannot be read; `errors` says what, *out is empty. */
must_use enum outcome material_read(const struct conf *c, struct material *out, struct buf *errors);
void material_free(struct material *m);

#endif
