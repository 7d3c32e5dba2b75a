#include "server/made.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int made_file(struct made *made, const char *path, struct error *error) {
  if (made->count == MADE_MAX) {
    return error_set(error, ERROR_LIMIT, "the path '%s' has too many missing folders", path);
  }
  made->path[made->count] = strdup(path);
  if (made->path[made->count] == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "no memory for a path");
  }
  made->count++;
  return ERROR_NONE;
}

/* The path up to the `size`th byte. */
static int folder_step(struct made *made, const char *path, size_t size, mode_t mode,
                       struct error *error) {
  char *part = strndup(path, size);
  if (part == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "no memory for a path");
  }
  int code = ERROR_NONE;
  struct stat status;
  if (stat(part, &status) == 0) {
    if (!S_ISDIR(status.st_mode)) {
      code = error_set(error, ERROR_EXISTS, "%s is in the way and no folder", part);
    }
  } else if (errno != ENOENT) {
    code = error_set_errno(error, errno, "cannot look at %s", part);
  } else if (mkdir(part, mode) != 0) {
    code = error_set_errno(error, errno, "cannot make the folder %s", part);
  } else {
    code = made_file(made, part, error);
  }
  free(part);
  return code;
}

int made_folder(struct made *made, const char *path, mode_t mode, struct error *error) {
  size_t size = strlen(path);
  for (size_t i = 1; i < size; i++) {
    if (path[i] == '/' && path[i - 1] != '/') {
      /* Parents are for everybody to pass through. */
      int code = folder_step(made, path, i, 0755, error);
      if (code != ERROR_NONE) {
        return code;
      }
    }
  }
  return folder_step(made, path, size, mode, error);
}

void made_undo(struct made *made) {
  for (size_t i = made->count; i > 0; i--) {
    /* A failure leaves something behind, and its error would hide the one that led here. */
    (void)remove(made->path[i - 1]);
  }
  made_clear(made);
}

static bool below(const char *path, const char *folder) {
  size_t size = strlen(folder);
  while (size > 1 && folder[size - 1] == '/') {
    size--;
  }
  return strncmp(path, folder, size) == 0 && path[size] == '/';
}

int made_give_away(const struct made *made, const char *folder, struct error *error) {
  struct stat status;
  if (stat(folder, &status) != 0) {
    return error_set_errno(error, errno, "cannot look at %s", folder);
  }
  if (geteuid() != 0 || status.st_uid == 0) {
    return ERROR_NONE;
  }
  for (size_t i = 0; i < made->count; i++) {
    if (below(made->path[i], folder) && lchown(made->path[i], status.st_uid, status.st_gid) != 0 &&
        errno != ENOENT) {
      return error_set_errno(error, errno, "cannot give %s to the owner of %s", made->path[i],
                             folder);
    }
  }
  return ERROR_NONE;
}

void made_clear(struct made *made) {
  for (size_t i = 0; i < made->count; i++) {
    free(made->path[i]);
  }
  memset(made, 0, sizeof(*made));
}
