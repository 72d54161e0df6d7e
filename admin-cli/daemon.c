/*
 * daemon.c - see daemon.h.
 */
#include "admin-cli/daemon.h"

#include <errno.h>
#include <string.h>

#include "conf/conf.h"

static const char *
socket_path(struct cli *c, const char *name)
{
	struct conf_socket s = conf_socket(c->conf, arena_printf(c->arena, "%s.sock", name));

	return arena_cstr(c->arena, str_of(s.path));
}

struct rpc_client *
daemon_try(struct cli *c, const char *name)
{
	struct rpc_client *client;
	int fd = rpc_connect(socket_path(c, name));

	if (fd < 0)
		return NULL;
	client = rpc_client_new(name);
	rpc_client_attach(client, fd);
	return client;
}

enum status
daemon_connect(struct cli *c, const char *name, struct rpc_client **out)
{
	enum status s = cli_conf(c);

	*out = NULL;
	if (s != STATUS_DONE)
		return s;
	*out = daemon_try(c, name);
	if (*out != NULL)
		return STATUS_DONE;
	return cli_fail(c, STATUS_UNREACHABLE,
	    errno == EACCES ? "only root may ask it"
			    : "is Postroom running?  systemctl status postroom",
	    "%s does not answer at %s: %m", name, socket_path(c, name));
}
