/* Files whole: read with a bound, written so that a reader sees the old or the new, never half. */
#ifndef CYPHONIC_BASE_FILE_H
#define CYPHONIC_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* Reads at most `limit` bytes (more is ERROR_LIMIT) into a new buffer that the caller frees with
 * free(); it is terminated by a zero that `size` does not count. */
int file_read(const char *path, size_t limit, uint8_t **data, size_t *size,
              struct error *error) MUST_CHECK;

/* As file_read, for a file that holds a secret: a file that group or others may read, or that is
 * no regular file, is ERROR_PERMISSION with the chmod to run. The check and the read use one
 * descriptor. The buffer should be wiped with explicit_bzero before free(). */
int file_read_secret(const char *path, size_t limit, uint8_t **data, size_t *size,
                     struct error *error) MUST_CHECK;

/* Writes a temporary file beside `path` with `mode` from its first byte, syncs it, renames it over
 * `path` and syncs the folder. */
int file_write(const char *path, const void *data, size_t size, mode_t mode,
               struct error *error) MUST_CHECK;

/* As file_write, but never over a file that exists: ERROR_EXISTS. */
int file_create(const char *path, const void *data, size_t size, mode_t mode,
                struct error *error) MUST_CHECK;

/* Makes a folder and its missing parents. */
int file_make_folder(const char *path, mode_t mode, struct error *error) MUST_CHECK;

/* "folder/name" as a new string that the caller frees with free(); NULL without memory. */
char *file_path(const char *folder, const char *name);

#endif
