/*
 * spools.h - the files that smtpd is writing messages to: numbers on the
 * wire, read-only descriptors here.
 *
 * A spool belongs to the wire it was handed out on and dies with it.  What we
 * keep open is a read-only descriptor: the writable one was sent away, so
 * when its last holder has closed it nobody can write any more, which commit
 * proves by a lease.  Any thread.
 */
#ifndef DELIVER_SPOOLS_H
#define DELIVER_SPOOLS_H

#include "base/outcome.h"
#include "store/store.h"

#define SPOOLS_MAX      4096 /* open at the same time, all wires */
#define SPOOLS_WIRE_MAX 2048 /* of one wire */

struct spools;

struct spools *spools_new(struct store *store);
void spools_free(struct spools **s); /* discards all */

/*
 * A new one: *write_fd is for the writer (the caller's to send and close).
 * TEMPFAIL 4.3.1: too many are open, or the disk is full.
 */
must_use enum outcome spools_open(
    struct spools *s, uint64_t wire, uint64_t *id, int *write_fd, struct why *why);

/*
 * Take it out of the table, to commit it; *out is then the caller's to
 * spool_discard (which closes its read-only descriptor).  False: no such
 * spool on this wire.
 */
must_use bool spools_take(struct spools *s, uint64_t wire, uint64_t id, struct spool_file *out);

void spools_discard(struct spools *s, uint64_t wire, uint64_t id);
void spools_discard_wire(struct spools *s, uint64_t wire);

size_t spools_count(struct spools *s);

#endif
