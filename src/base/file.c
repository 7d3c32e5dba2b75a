#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"

static int read_whole(int descriptor, const char *path, size_t limit, uint8_t **data, size_t *size,
                      struct error *error) {
  size_t capacity = 4096, used = 0;
  uint8_t *buffer = malloc(capacity);
  while (buffer != NULL) {
    ssize_t got = read(descriptor, buffer + used, capacity - used - 1);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      int code = error_set_errno(error, errno, "cannot read %s", path);
      explicit_bzero(buffer, used);
      free(buffer);
      return code;
    }
    used += (size_t)got;
    if (used > limit) {
      explicit_bzero(buffer, used);
      free(buffer);
      return error_set(error, ERROR_LIMIT, "%s is larger than %zu bytes", path, limit);
    }
    if (got == 0) {
      buffer[used] = '\0';
      *data = buffer;
      *size = used;
      return 0;
    }
    if (used == capacity - 1) {
      /* realloc would leave a copy of a secret behind */
      uint8_t *larger = malloc(2 * capacity);
      if (larger != NULL) {
        memcpy(larger, buffer, used);
      }
      explicit_bzero(buffer, used);
      free(buffer);
      buffer = larger;
      capacity *= 2;
    }
  }
  return error_set(error, ERROR_NO_MEMORY, "out of memory for %s", path);
}

static int file_read_checked(const char *path, bool secret, size_t limit, uint8_t **data,
                             size_t *size, struct error *error) {
  int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    return error_set_errno(error, errno, "cannot open %s", path);
  }
  int code = 0;
  struct stat status;
  if (fstat(descriptor, &status) != 0) {
    code = error_set_errno(error, errno, "cannot look at %s", path);
  } else if (!S_ISREG(status.st_mode)) {
    code = error_set(error, secret ? ERROR_PERMISSION : ERROR_INVALID, "%s is not a regular file",
                     path);
  } else if (secret && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    code = error_set(error, ERROR_PERMISSION,
                     "%s holds a secret but others may read it (mode %04o): run chmod 600 %s", path,
                     status.st_mode & 07777, path);
  } else {
    code = read_whole(descriptor, path, limit, data, size, error);
  }
  close(descriptor);
  return code;
}

int file_read(const char *path, size_t limit, uint8_t **data, size_t *size, struct error *error) {
  return file_read_checked(path, false, limit, data, size, error);
}

int file_read_secret(const char *path, size_t limit, uint8_t **data, size_t *size,
                     struct error *error) {
  return file_read_checked(path, true, limit, data, size, error);
}

static int write_whole(int descriptor, const void *data, size_t size) {
  const uint8_t *next = data;
  while (size > 0) {
    ssize_t wrote = write(descriptor, next, size);
    if (wrote < 0 && errno == EINTR) {
      continue;
    }
    if (wrote < 0) {
      return -1;
    }
    next += wrote;
    size -= (size_t)wrote;
  }
  return fsync(descriptor);
}

/* A renamed file is there after a power cut only if its folder is synced too. */
static int sync_folder_of(const char *path) {
  char *copy = strdup(path);
  if (copy == NULL) {
    return -1;
  }
  int descriptor = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  free(copy);
  if (descriptor < 0) {
    return -1;
  }
  int status = fsync(descriptor);
  close(descriptor);
  return status;
}

static int file_put(const char *path, const void *data, size_t size, mode_t mode, bool replace,
                    struct error *error) {
  uint32_t unique;
  random_bytes(&unique, sizeof(unique));
  char *temporary;
  if (asprintf(&temporary, "%s.%08x.new", path, unique) < 0) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for %s", path);
  }
  int code = 0;
  int descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (descriptor < 0) {
    code = error_set_errno(error, errno, "cannot create %s", temporary);
    free(temporary);
    return code;
  }
  /* The umask may only have taken rights away; the caller's mode holds. */
  if (fchmod(descriptor, mode) != 0 || write_whole(descriptor, data, size) != 0) {
    code = error_set_errno(error, errno, "cannot write %s", temporary);
  }
  if (close(descriptor) != 0 && code == 0) {
    code = error_set_errno(error, errno, "cannot write %s", temporary);
  }
  if (code == 0 && replace && rename(temporary, path) != 0) {
    code = error_set_errno(error, errno, "cannot put %s in its place", path);
  }
  if (code == 0 && !replace && link(temporary, path) != 0) {
    code = error_set_errno(error, errno, "cannot create %s", path);
  }
  if (code != 0 || !replace) {
    unlink(temporary);
  }
  if (code == 0 && sync_folder_of(path) != 0) {
    code = error_set_errno(error, errno, "cannot sync the folder of %s", path);
  }
  free(temporary);
  return code;
}

int file_write(const char *path, const void *data, size_t size, mode_t mode, struct error *error) {
  return file_put(path, data, size, mode, true, error);
}

int file_create(const char *path, const void *data, size_t size, mode_t mode, struct error *error) {
  return file_put(path, data, size, mode, false, error);
}

int file_make_folder(const char *path, mode_t mode, struct error *error) {
  if (path[0] == '\0') {
    return error_set(error, ERROR_INVALID, "a folder without a name cannot be made");
  }
  char *copy = strdup(path);
  if (copy == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for %s", path);
  }
  int code = 0;
  for (char *slash = copy; code == 0 && slash != NULL;) {
    slash = strchr(slash + 1, '/');
    if (slash != NULL) {
      *slash = '\0';
    }
    if (mkdir(copy, mode) != 0 && errno != EEXIST) {
      code = error_set_errno(error, errno, "cannot make the folder %s", copy);
    }
    if (slash != NULL) {
      *slash = '/';
    }
  }
  struct stat status;
  if (code == 0 && (stat(path, &status) != 0 || !S_ISDIR(status.st_mode))) {
    code = error_set(error, ERROR_EXISTS, "%s is there and is not a folder", path);
  }
  free(copy);
  return code;
}

char *file_path(const char *folder, const char *name) {
  char *path;
  return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}
