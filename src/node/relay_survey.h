/* What this node finds out about the TRSs of its network, so that NMS chooses well: their
 * round-trip times, and how one sees this node, which tells how its NAT maps. Once after a
 * Registration; best effort. */
#ifndef CYPHONIC_NODE_RELAY_SURVEY_H
#define CYPHONIC_NODE_RELAY_SURVEY_H

#include "node/relay.h"

enum {
  RELAY_SURVEY_MAX = 12,            /* TRSs; NMS lists no more */
  RELAY_SURVEY_DELAY = 500,         /* milliseconds at least, so that first packets go first */
  RELAY_SURVEY_DELAY_SPREAD = 2000, /* more at random, so that a restarted NMS's nodes do not come
                                      together */
};

/* A TRS, as NMS tells of it. */
struct relay_listing {
  char name[FQDN_SIZE];
  struct service_addresses addresses;
};
struct relay_list {
  size_t count;
  struct relay_listing item[RELAY_SURVEY_MAX];
};
/* Those of the message that can be. */
void relay_list_read(struct relay_list *list, Cyphonic__RelayAddress *const *messages,
                     size_t count);
bool relay_list_equal(const struct relay_list *a, const struct relay_list *b);

/* Of one TRS. */
struct relay_finding {
  char name[FQDN_SIZE];
  uint64_t round_trip;             /* nanoseconds; 0: it does not answer */
  struct address remote, observed; /* the TRS's, and ours as it saw it; family 0: not known */
};

struct relay_survey;
/* Once for each relay_survey_begin that is not begun anew meanwhile. */
typedef void (*relay_survey_callback)(const struct relay_finding *findings, size_t count,
                                      void *context);

/* `relays` is borrowed. NULL without memory. */
struct relay_survey *relay_survey_new(uv_loop_t *loop, struct relays *relays,
                                      relay_survey_callback callback, void *context);
/* Before the relays are closed. The callback does not come any more; frees from the loop. */
void relay_survey_close(struct relay_survey *survey);
/* After `delay` milliseconds. What was under way is dropped. */
void relay_survey_begin(struct relay_survey *survey, const struct relay_list *list, uint64_t delay);

#endif
