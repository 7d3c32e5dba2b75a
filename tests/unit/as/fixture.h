/* An AS without its connections: a network's CA and database, an invitation, and a node's request.
 */
#ifndef CYPHONIC_TEST_AS_FIXTURE_H
#define CYPHONIC_TEST_AS_FIXTURE_H

#include "../store/fixture.h"

#include "as/sign_up.h"
#include "pki/invitation.h"
#include "pki/key.h"
#include "pki/trust.h"

#define NOW INT64_C(1800000000)
enum { CERTIFICATE_SECONDS = 86400 };

struct office {
  struct place *place;
  struct store *store; /* place's */
  struct pki_ca *root, *intermediate;
  struct as_sign_up_context context;
  uint8_t secret[INVITATION_SECRET_SIZE];
};

int office_open(void **state);
int office_close(void **state);

/* The next invitation's secret is office->secret. `name` "": any. */
void office_invite(struct office *office, uint8_t number, const char *name, int64_t uses,
                   int64_t expires);

/* A node that asks with a key of its own; it borrows the office's secret. */
struct applicant {
  struct pki_key *key;
  uint8_t *csr;
  size_t csr_size;
  Cyphonic__SignUpRequest request;
};
void applicant_init(struct applicant *applicant, struct office *office, char *name);
void applicant_clear(struct applicant *applicant);

/* Signs up and expects success; the certificate's identity is written to `identity`. */
void sign_up(struct office *office, struct applicant *applicant, struct as_sign_up_result *result,
             struct pki_identity *identity);

/* An allocator that has addresses for everyone, counting up from the device's id. */
int allocate_by_id(struct store *store, int64_t device_id, int64_t now, struct ip_address *ipv4,
                   struct ip_address *ipv6, struct error *error);

#endif
