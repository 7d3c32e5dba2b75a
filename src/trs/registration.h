/* Tells NMS that this TRS is there: a connection to each NMS, which stands as long as both do, and
 * is made again with a growing, jittered pause when it breaks. */
#ifndef CYPHONIC_TRS_REGISTRATION_H
#define CYPHONIC_TRS_REGISTRATION_H

#include "trs/trs.h"

struct trs_registration;

/* Milliseconds. */
enum {
  TRS_RETRY_FIRST = 500,
  TRS_RETRY_MAX = 30000,
};

/* Everything that is about the NMSs in `config` is copied, the rest borrowed until it is freed.
 * ERROR_NO_MEMORY, ERROR_LIMIT. */
int trs_registration_new(const struct trs_config *config, struct trs_registration **registration,
                         struct error *error) MUST_CHECK;
/* Closes the connections. `done` (may be NULL) comes when nothing is left: from the loop, which a
 * look-up of a name may put off for some seconds, or at once where there are no NMSs. */
void trs_registration_free(struct trs_registration *registration, void (*done)(void *context),
                           void *context);

/* How many pairs are bound now; NMS is told when that is much more or less than it knows. */
void trs_registration_set_load(struct trs_registration *registration, size_t pairs);

/* How many NMSs know us now. */
size_t trs_registration_count(const struct trs_registration *registration);

#endif
