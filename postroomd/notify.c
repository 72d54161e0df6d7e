#include "postroomd/notify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un to = { .sun_family = AF_UNIX };
static socklen_t to_n;

void
notify_begin(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	if (path != NULL && path[0] != '\0' && strlen(path) < sizeof(to.sun_path)) {
		memcpy(to.sun_path, path, strlen(path));
		if (to.sun_path[0] == '@') /* the abstract name space */
			to.sun_path[0] = '\0';
		to_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	}
	(void)unsetenv("NOTIFY_SOCKET");
}

void
notify(const char *format, ...)
{
	char text[512];
	va_list ap;
	int fd, n;

	if (to_n == 0)
		return;
	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (n > 0)
		(void)!sendto(fd, text, MIN((size_t)n, sizeof(text) - 1), MSG_NOSIGNAL,
		    (struct sockaddr *)&to, to_n);
	(void)close(fd);
}
