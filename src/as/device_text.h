/* What a node says of itself, made fit for the database and for an operator's terminal. */
#ifndef CYPHONIC_AS_DEVICE_TEXT_H
#define CYPHONIC_AS_DEVICE_TEXT_H

#include "store/store.h"

/* Copies UTF-8, cut between characters where it is longer than STORE_TEXT_SIZE - 1 bytes. Control
 * characters (they could steer a terminal) and bytes that are no UTF-8 become '?'. */
void as_device_text(const char *said, char text[static STORE_TEXT_SIZE]);

#endif
