/* Nodes that are joined and registered at NMS, TRSs that are registered there, and directions
 * between the nodes. Every function fails the test when something goes wrong. */
#ifndef CYPHONIC_TEST_NMS_PRESENT_H
#define CYPHONIC_TEST_NMS_PRESENT_H

#include "cloud.h"

/* A joined node with its session at NMS. */
struct present {
  struct member member;
  struct session session;
};

/* Registers with this IPv4 address of its own and what `request` has beside that; the answer is the
 * caller's. */
Cyphonic__Message *registered_with(struct session *session, const struct ip_address *own,
                                   Cyphonic__RegistrationRequest *request);
Cyphonic__Message *registered_as(struct session *session, const struct ip_address *own);
void register_as(struct session *session, const char *own);

/* Joins and connects; registers under `own` unless NULL. */
void arrive(struct cloud *cloud, const char *name, const char *own, struct present *present);
void leave(struct present *present);

/* A TRS on an endpoint of its own; registers with an address whose port is its endpoint's. */
void trs_arrive(struct cloud *cloud, const char *name, struct present *trs);
void trs_register(struct present *trs, uint32_t pairs);

Cyphonic__Message direction_message(Cyphonic__DirectionRequest *request, char *fqdn);
/* Asks for a direction, expects this status, and returns its id: 0 unless it is DIRECTED. */
uint64_t direct(struct present *from, struct present *to,
                Cyphonic__DirectionResponse__Status status);
/* The same, naming TRSs that failed (ends with NULL); `words` are in the answer's message. */
uint64_t direct_without(struct present *from, struct present *to, const char *const failed[],
                        Cyphonic__DirectionResponse__Status status, const char *words);
void await_directions(struct present *one, struct present *two);
void expect_direction(const struct present *receiver, const struct present *peer, uint64_t id,
                      uint32_t pattern, bool client, bool initiator);
/* The last direction's offer; NULL: none. */
const Cyphonic__RelayOffer *offer_to(const struct present *receiver);
/* Both have been offered this TRS with the same grant. */
void expect_offer(const struct present *one, const struct present *two, const struct present *trs);

#endif
