/* What an init has made so far, so that a failed one can take it back. */
#ifndef CYPHONIC_SERVER_MADE_H
#define CYPHONIC_SERVER_MADE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

enum { MADE_MAX = 64 };

/* Zero-initialise. */
struct made {
  size_t count;
  char *path[MADE_MAX];
};

/* Notes a file that is about to be made, so that also a half-made one goes. */
int made_file(struct made *made, const char *path, struct error *error) MUST_CHECK;
/* Makes a folder and its missing parents, noting each; one that exists is left as it is. */
int made_folder(struct made *made, const char *path, mode_t mode, struct error *error) MUST_CHECK;
/* Removes all of it, the last first. */
void made_undo(struct made *made);
/* Gives what lies below `folder` to the folder's owner, if that is another user. */
int made_give_away(const struct made *made, const char *folder, struct error *error) MUST_CHECK;
void made_clear(struct made *made);

#endif
