#include "base/crashpoint.h"

#ifdef POSTROOM_CRASHPOINTS

#	include <fcntl.h>
#	include <pthread.h>
#	include <signal.h>
#	include <stdint.h>
#	include <stdio.h>
#	include <stdlib.h>
#	include <unistd.h>

#	include "base/str.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char armed[160]; /* what passed is counted for */
static uint64_t passed;

/* What we are told to die of now; "" for nothing. */
static void
read_order(char out[static 160])
{
	const char *file = getenv("POSTROOM_CRASH_FILE");
	const char *order = getenv("POSTROOM_CRASH");
	int fd = file != NULL ? open(file, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n;

	out[0] = '\0';
	if (fd >= 0) {
		n = read(fd, out, 159);
		(void)close(fd);
		out[n > 0 ? n : 0] = '\0';
		out[strcspn(out, "\r\n")] = '\0';
		return;
	}
	if (order != NULL)
		(void)snprintf(out, 160, "%s", order);
}

static void
note(const char *name)
{
	const char *file = getenv("POSTROOM_CRASH_LOG");
	int fd = file != NULL ? open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666) : -1;

	if (fd < 0)
		return;
	(void)!dprintf(fd, "%s\n", name);
	(void)close(fd);
}

void
crash_point(const char *name)
{
	char order[160];
	struct str what, number;
	uint64_t at = 1;

	note(name);
	(void)pthread_mutex_lock(&lock);
	read_order(order);
	if (strcmp(order, armed) != 0) {
		memcpy(armed, order, sizeof(armed));
		passed = 0;
	}
	(void)str_cut(str_of(order), ':', &what, &number);
	if (str_u64(what, &at))
		what = str_of(name);
	else if (number.n > 0 && !str_u64(number, &at))
		at = 1;
	if (order[0] != '\0' && str_eq(what, str_of(name)) && ++passed >= at) {
		const char *file = getenv("POSTROOM_CRASH_FILE");

		if (file != NULL)
			(void)unlink(file);
		(void)raise(SIGKILL);
	}
	(void)pthread_mutex_unlock(&lock);
}

#else

/* A translation unit holds something. */
typedef int crashpoint_unused;

#endif
