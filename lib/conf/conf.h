/*
 * conf.h - the settings: one file of `key = value` lines, parsed into one
 * immutable structure with a typed field for each option of options.def:
 *
 *	if (size > s->conf->message_size) ...
 *
 * Counted: whoever keeps a struct conf over a reload holds a reference.  All
 * functions may be called by any thread.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdatomic.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/outcome.h"

#define CONF_TEXT_MAX (256 * 1024) /* octets in a configuration file */
#define CONF_LINE_MAX 8192         /* octets in one line */
#define CONF_LIST_MAX 1024         /* members of one list */

struct conf_list {
	const char *const *items;
	size_t n;
};

struct conf_net {
	int family; /* AF_INET or AF_INET6 */
	unsigned bits;
	unsigned char octets[16];
};

struct conf_nets {
	const struct conf_net *items;
	size_t n;
};

struct conf_host {
	const char *name; /* "mail.example.net", "192.0.2.1", "::1"; "*": every address of ours */
	uint16_t port;
};

struct conf_hosts {
	const struct conf_host *items;
	size_t n; /* 0: off */
};

enum conf_type {
	CONF_TEXT,
	CONF_PATH,
	CONF_BOOL,
	CONF_NUMBER,
	CONF_SIZE,
	CONF_TIME,
	CONF_LIST,
	CONF_NETS,
	CONF_HOSTPORT,
	CONF_CHOICE,
};

/* The C type of each kind of option. */
#define CONF_C_TEXT     const char *
#define CONF_C_PATH     const char *
#define CONF_C_BOOL     bool
#define CONF_C_NUMBER   uint64_t
#define CONF_C_SIZE     uint64_t
#define CONF_C_TIME     int64_t
#define CONF_C_LIST     struct conf_list
#define CONF_C_NETS     struct conf_nets
#define CONF_C_HOSTPORT struct conf_hosts
#define CONF_C_CHOICE   int

/* The number of each option, and how many there are. */
enum conf_index {
#define OPTION(type, name, value, bounds, users, help) CONF_INDEX_##name,
#include "conf/options.def"
#undef OPTION
	CONF_OPTIONS
};

struct conf_private;

struct conf {
#define OPTION(type, name, value, bounds, users, help) CONF_C_##type name;
#include "conf/options.def"
#undef OPTION
	struct conf_private *private;
};

/* --- the table --- */

struct conf_option {
	const char *name;
	enum conf_type type;
	const char *value; /* the default as it would be written */
	const char *bounds;
	const char *users;
	const char *help;
	size_t offset; /* of the field in struct conf */
};

extern const struct conf_option conf_options[CONF_OPTIONS];

const char *conf_type_name(enum conf_type t);                   /* "size" */
const struct conf_option *conf_option_by_name(struct str name); /* NULL: none */
/* The option whose name is most like this; NULL when none is near. */
const struct conf_option *conf_option_nearest(struct str name);

/* --- reading --- */

/*
 * Parse the text of a file; `file` is its name, for messages.  PERMFAIL:
 * *out is NULL and `errors` has one line for each mistake, "FILE:LINE: what
 * was expected".  Empty text gives the defaults.
 */
must_use enum outcome conf_parse(
    struct str text, const char *file, struct conf **out, struct buf *errors);

/* The same for a file that is opened by name. */
must_use enum outcome conf_read(const char *path, struct conf **out, struct buf *errors);
/* The octets of a file or memfd from its beginning; PERMFAIL and a line in errors if not to be had.
 */
must_use enum outcome conf_load_fd(int fd, const char *name, struct buf *out, struct buf *errors);

struct conf *conf_ref(struct conf *c);
void conf_unref(struct conf **c); /* accepts NULL, nulls the pointer */

/* The value of an option as it was written, or its default. */
const char *conf_written(const struct conf *c, enum conf_index i);
/* The line that set it; 0: it is the default. */
unsigned conf_line(const struct conf *c, enum conf_index i);
/* The file's name as given to conf_parse. */
const char *conf_file(const struct conf *c);

/*
 * All settings in force as the text of a configuration file, the host's
 * name filled in: what the supervisor hands to the daemons.
 */
void conf_print(const struct conf *c, struct buf *out);

/* --- using values --- */

/*
 * Where the unix socket of this name is: in run_dir or, when that path is
 * longer than a socket's name may be, in a short directory under /run that
 * is made from it.  name is a constant of ours of at most 32 octets.
 */
#define CONF_SOCKET_MAX 108
struct conf_socket {
	char path[CONF_SOCKET_MAX];
};
struct conf_socket conf_socket(const struct conf *c, const char *name);

/* Is the address (AF_INET, AF_INET6, also v4-mapped) in one of the networks? */
must_use bool conf_nets_have(const struct conf_nets *nets, const struct sockaddr *sa);

#endif
