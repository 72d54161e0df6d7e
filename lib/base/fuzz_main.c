/*
 * fuzz_main.c - replays a corpus through a fuzz target, so that what a
 * fuzzer once found stays found in every normal test run.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fuzz.h"

static unsigned long replayed;

static void
replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *octets = NULL;
	size_t n = 0, room = 0, got;

	if (f == NULL) {
		perror(path);
		exit(1);
	}
	do {
		if (n == room) {
			room = room > 0 ? room * 2 : 4096;
			octets = xrealloc(octets, room);
		}
		got = fread(octets + n, 1, room - n, f);
		n += got;
	} while (got > 0);
	(void)fclose(f);
	/* A block of exactly n octets lets the sanitizer see one read too many. */
	octets = xrealloc(octets, n);
	(void)LLVMFuzzerTestOneInput(octets, n);
	free(octets);
	replayed++;
}

static void
replay(const char *path)
{
	struct dirent *e;
	struct stat st;
	DIR *d;

	if (stat(path, &st) != 0) {
		perror(path);
		exit(1);
	}
	if (!S_ISDIR(st.st_mode)) {
		replay_file(path);
		return;
	}
	d = opendir(path);
	if (d == NULL) {
		perror(path);
		exit(1);
	}
	while ((e = readdir(d)) != NULL) {
		char file[4096];
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		replay_file(file);
	}
	(void)closedir(d);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	if (replayed == 0) {
		fprintf(stderr, "no corpus files: nothing was tested\n");
		return 1;
	}
	printf("%lu inputs replayed\n", replayed);
	return 0;
}
