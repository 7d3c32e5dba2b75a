/* A TRS on the endpoint of the test's cloud, beside AS and NMS, and nodes that use it. */
#ifndef CYPHONIC_TEST_TRS_STATION_H
#define CYPHONIC_TEST_TRS_STATION_H

#include "../nms/cloud.h"
#include "../nms/present.h"

#include "trs/trs.h"

struct station {
  struct cloud *cloud;
  struct member member; /* has the certificate, and an endpoint that is of no use here */
  struct trs_service *trs;
};

/* What the clock of each TRS is ahead of the wall's, in seconds. */
extern int64_t station_clock_ahead;

/* Without NMS, unless `config` names one; its public address is the cloud's. `config` may be NULL;
 * else its rate limit and NMSs are taken. */
void station_open(struct cloud *cloud, const struct trs_config *config, struct station *station);
/* Waits until it is gone. */
void station_close(struct station *station);
struct trs_counters station_counters(const struct station *station);

/* A node that is connected to the TRS, with a route id. */
struct user {
  struct member member;
  struct session session;
  uint32_t route_id;
};

void user_open(struct cloud *cloud, const char *name, uint32_t route_id, struct user *user);
void user_close(struct user *user);

/* A RelayRequest under way. */
struct wish {
  bool came;
  Cyphonic__Error__Code refusal; /* 0: granted */
  int code;                      /* as control tells it */
};

struct wish_terms {
  const char *relay;                       /* NULL: this TRS */
  const struct user *first, *second;       /* whom the grant names */
  int64_t seconds;                         /* until it expires */
  const struct pki_credentials *signed_by; /* NULL: NMS */
};
void user_wish(struct user *user, const struct station *station, const struct wish_terms *terms,
               struct wish *wish);
/* For an hour, signed by NMS. */
void user_wish_peer(struct user *user, const struct station *station, const struct user *peer,
                    struct wish *wish);
/* Waits, and fails unless it is refused with `refusal`, or granted where that is 0. */
void wish_await(struct cloud *cloud, const struct wish *wish, Cyphonic__Error__Code refusal);
/* Both ask, and both are granted. */
void users_meet(const struct station *station, struct user *one, struct user *other);

/* Waits for `holds`, turning the loop. */
void wait_for(struct cloud *cloud, bool (*holds)(void *context), void *context);

#endif
