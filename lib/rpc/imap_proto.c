/*
 * imap_proto.c - the layout of imapd's requests: imap_proto.h says what they
 * mean.
 */
#include "rpc/imap_proto.h"

void
handover_put(struct rpc_out *out, const struct handover *h)
{
	rpc_put_u8(out, (uint8_t)h->protocol);
	rpc_put_u64(out, h->session);
	rpc_put_u64(out, h->auth_request);
	rpc_put_str(out, h->auth_cookie);
	rpc_put_str(out, h->tag);
	rpc_put_str(out, h->input);
	rpc_put_str(out, h->client);
	rpc_put_u32(out, h->client_port);
	rpc_put_str(out, h->server);
	rpc_put_u32(out, h->server_port);
	rpc_put_str(out, h->tls);
	rpc_put_str(out, h->id);
	rpc_put_fd(out, h->fd);
}

bool
handover_get(struct rpc_in *in, struct handover *h)
{
	h->protocol = rpc_get_u8(in);
	h->session = rpc_get_u64(in);
	h->auth_request = rpc_get_u64(in);
	h->auth_cookie = rpc_get_str(in);
	h->tag = rpc_get_str(in);
	h->input = rpc_get_str(in);
	h->client = rpc_get_str(in);
	h->client_port = rpc_get_u32(in);
	h->server = rpc_get_str(in);
	h->server_port = rpc_get_u32(in);
	h->tls = rpc_get_str(in);
	h->id = rpc_get_str(in);
	if (!rpc_in_done(in) || (h->protocol != IMAPD_IMAP && h->protocol != IMAPD_POP3) ||
	    h->auth_cookie.n > HANDOVER_COOKIE_MAX || h->tag.n > HANDOVER_TAG_MAX ||
	    h->input.n > HANDOVER_INPUT_MAX)
		return false;
	h->fd = rpc_get_fd(in);
	return h->fd >= 0;
}

void
changed_put(struct rpc_out *out, struct str home, struct str folder)
{
	rpc_put_str(out, home);
	rpc_put_str(out, folder);
}

bool
changed_get(struct rpc_in *in, struct str *home, struct str *folder)
{
	*home = rpc_get_str(in);
	*folder = rpc_get_str(in);
	return rpc_in_done(in);
}

void
session_row_put(struct rpc_out *out, const struct session_row *row)
{
	rpc_put_u64(out, row->session);
	rpc_put_u8(out, (uint8_t)row->protocol);
	rpc_put_str(out, row->user);
	rpc_put_str(out, row->client);
	rpc_put_str(out, row->folder);
	rpc_put_u8(out, row->idling);
	rpc_put_u64(out, row->since_s);
}

bool
session_row_get(struct rpc_in *in, struct session_row *row)
{
	row->session = rpc_get_u64(in);
	row->protocol = rpc_get_u8(in);
	row->user = rpc_get_str(in);
	row->client = rpc_get_str(in);
	row->folder = rpc_get_str(in);
	row->idling = rpc_get_u8(in) != 0;
	row->since_s = rpc_get_u64(in);
	return !in->bad;
}
