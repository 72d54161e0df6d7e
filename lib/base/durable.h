/*
 * durable.h - syncs whose success can be believed.
 *
 * A file system that gave itself up (an I/O error on its journal) drops what
 * was not written; on XFS an fsync of a directory that comes after that finds
 * nothing left to wait for and says 0.  So both functions ask once more
 * whether the file system still answers: fstat(2) says EIO on one that does
 * not.  Found by tests/reliability/powercut.py on XFS.
 *
 * A failed sync is never tried again: the pages are gone (docs/deliver.md).
 * Both wait for the disk, without a deadline.
 */
#ifndef BASE_DURABLE_H
#define BASE_DURABLE_H

#include "base/base.h"

/* The data of a file, and its size.  False with errno. */
must_use bool durable_data(int fd);

/* A directory's names, or a file with all its attributes.  False with errno. */
must_use bool durable_names(int fd);

#endif
