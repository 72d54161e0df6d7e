/*
 * resolve.h - what deliver asks authd: where a mailbox lives and where an
 * address goes.
 *
 * TEMPFAIL: authd or its database cannot answer now.  PERMFAIL: there is no
 * such mailbox or address.
 */
#ifndef DELIVER_RESOLVE_H
#define DELIVER_RESOLVE_H

#include "deliver/deliver.h"
#include "rpc/deliver_proto.h"
#include "store/home.h"

struct mailbox {
	struct str home; /* below the mail root */
	struct quota_limit quota;
};

must_use enum outcome resolve_mailbox(struct deliver *d, struct str address, struct deadline by,
    struct arena *arena, struct mailbox *out, struct why *why);

/*
 * The targets of an address; at least one with DONE.  *foreign: its domain is
 * not ours, and the one target is the address itself.
 */
must_use enum outcome resolve_address(struct deliver *d, struct str address, struct deadline by,
    struct arena *arena, struct deliver_target **targets, size_t *count, bool *foreign,
    struct why *why);

#endif
