/*
 * message.c - a message, as much of it as is asked for.
 */
#include "imapd/message.h"

#include <sys/mman.h>

void
message_init(struct message *m, struct imap *s, const struct msg_row *row, struct arena *arena)
{
	*m = (struct message){ .s = s, .row = row, .arena = arena, .file = { .fd = -1 } };
}

void
message_done(struct message *m)
{
	if (m->has_file)
		msg_close(&m->file);
	m->has_file = m->has_data = false;
}

bool
message_open(struct message *m, bool data)
{
	if (m->has_file && (m->has_data || !data))
		return true;
	if (m->has_file)
		msg_close(&m->file);
	m->has_file = m->has_data = false;
	m->trouble = folder_open_message(m->s->view.folder, m->row->uid, data ? MSG_DATA : MSG_FD,
	    imap_store_deadline(m->s), &m->file, NULL);
	m->has_file = m->trouble == DONE;
	m->has_data = m->has_file && data;
	return m->has_file;
}

/* Not in the index, or not of this file: parse the message and let the store keep the result. */
static bool
find_out(struct message *m)
{
	struct buf packed;
	bool ok;

	if (!message_open(m, true))
		return false;
	buf_init(&packed, STRUCTURE_MAX);
	ok = structure_build(m->file.data, &packed);
	if (ok) {
		struct str kept = arena_str(m->arena, buf_str(&packed));

		ok = structure_unpack(kept, &m->structure);
		if (ok)
			folder_offer(m->s->view.folder, m->row->uid,
			    region_crlf_size(&m->structure.message), kept,
			    imap_store_deadline(m->s));
	}
	buf_free(&packed);
	if (!ok)
		m->trouble = TEMPFAIL;
	return ok;
}

bool
message_structure(struct message *m)
{
	struct str packed;

	if (m->has_structure)
		return true;
	m->trouble = folder_packed(m->s->view.folder, m->row, m->arena, &packed);
	m->has_structure = m->trouble == DONE && packed.n > 0 &&
			   structure_unpack(packed, &m->structure) &&
			   m->structure.message.size == m->row->size;
	if (!m->has_structure)
		m->has_structure = find_out(m);
	return m->has_structure;
}

bool
message_size(struct message *m, uint32_t *size)
{
	if (m->row->vsize != VSIZE_UNKNOWN) {
		*size = m->row->vsize;
		return true;
	}
	if (!message_structure(m))
		return false;
	*size = (uint32_t)MIN(region_crlf_size(&m->structure.message), (size_t)UINT32_MAX);
	return true;
}
