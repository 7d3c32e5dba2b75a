/* Host names as certificates and invitations of this network may bear them. Pure; for pki/ alone.
 */
#ifndef CYPHONIC_PKI_NAME_H
#define CYPHONIC_PKI_NAME_H

#include <stdbool.h>

#include "base/span.h"
#include "pki/identity.h"

/* Writes the name in lower case and returns true; false for anything but labels of letters, digits
 * and inner hyphens, 1 to 63 bytes each and 253 in all, without a final dot. So wildcards, embedded
 * zeros, underscores and bytes above ASCII are refused, and `name` is safe to log. */
bool pki_name_normalise(struct span text, char name[static PKI_NAME_SIZE]);

/* As above for a string. */
bool pki_name_normalise_text(const char *text, char name[static PKI_NAME_SIZE]);

#endif
