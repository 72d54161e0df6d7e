#include "base/durable.h"

#include <sys/stat.h>
#include <unistd.h>

static bool
still_there(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0;
}

bool
durable_data(int fd)
{
	return fdatasync(fd) == 0 && still_there(fd);
}

bool
durable_names(int fd)
{
	return fsync(fd) == 0 && still_there(fd);
}
