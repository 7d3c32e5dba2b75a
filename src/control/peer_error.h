/* What a peer's Error message becomes here. */
#ifndef CYPHONIC_CONTROL_PEER_ERROR_H
#define CYPHONIC_CONTROL_PEER_ERROR_H

#include "control/control.h"

enum {
  CONTROL_TEXT_MAX = 384 /* of an Error, theirs or ours; a struct error has room for words beside */
};

/* A peer's text goes to logs and terminals: line ends and escapes are taken out. */
void control_set_peer_error(struct error *error, int code, const char *text);

#endif
