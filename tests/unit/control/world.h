/* Two controls on the two ends of a fake connection: one asks, the other answers. */
#ifndef CYPHONIC_TEST_CONTROL_WORLD_H
#define CYPHONIC_TEST_CONTROL_WORLD_H

#include "control/control.h"
#include "fake_quic.h"

enum { PATIENCE = 60000, SOON = 5 }; /* milliseconds */

/* What the peer's side does with a request. */
enum conduct { REPLY_AT_ONCE, REFUSE, KEEP, FREE_CONTROL };

struct side {
  struct control *control;
  enum conduct conduct;
  size_t requests;
  struct control_exchange *kept[CONTROL_EXCHANGES_MAX];
  size_t kept_count;
};

struct world {
  struct fake_quic quic;
  struct side asker, answerer;
};

/* What became of a request. */
struct outcome {
  bool done;
  size_t calls;
  size_t order; /* among those that ended, the first is 1 */
  int code;
  Cyphonic__Message__BodyCase body_case;
  Cyphonic__Error__Code refusal;
  struct error error;
  bool frees_control;
  size_t asks_again;
};

control_message ping_request(void);
void reply_ping(struct control_exchange *exchange);

/* A control_reply_callback whose context is a struct outcome. */
void on_reply(struct control *control, int code, const control_message *reply,
              const struct error *error, void *context);
/* The asker sends a ping request, with a timeout in milliseconds. */
void ask(struct world *world, uint64_t timeout, struct outcome *outcome);
void ask_in_turn(struct world *world, uint64_t timeout, struct outcome *outcome);

/* For cmocka: *state is a struct world. */
int setup(void **state);
int teardown(void **state);

#endif
