#include "node/peer_state.h"

enum peer_state peer_state_next(enum peer_state state, enum peer_event event) {
  static const enum peer_state next[PEER_STATE_COUNT][PEER_EVENT_COUNT] = {
      [PEER_IDLE] =
          {
              [PEER_WANTED] = PEER_DIRECTING,
              [PEER_DIRECTED] = PEER_CONNECTING,
              [PEER_ESTABLISHED] = PEER_UP,
              [PEER_BROKEN] = PEER_IDLE,
              [PEER_ENDED] = PEER_IDLE,
              [PEER_FORGOTTEN] = PEER_IDLE,
          },
      [PEER_DIRECTING] =
          {
              [PEER_WANTED] = PEER_DIRECTING,
              [PEER_DIRECTED] = PEER_CONNECTING,
              [PEER_ESTABLISHED] = PEER_UP,
              [PEER_BROKEN] = PEER_FAILED,
              [PEER_ENDED] = PEER_DIRECTING,
              [PEER_FORGOTTEN] = PEER_DIRECTING,
          },
      [PEER_CONNECTING] =
          {
              [PEER_WANTED] = PEER_CONNECTING,
              [PEER_DIRECTED] = PEER_CONNECTING,
              [PEER_ESTABLISHED] = PEER_UP,
              [PEER_BROKEN] = PEER_FAILED,
              [PEER_ENDED] = PEER_CONNECTING,
              [PEER_FORGOTTEN] = PEER_CONNECTING,
          },
      [PEER_UP] =
          {
              [PEER_WANTED] = PEER_UP,
              [PEER_DIRECTED] = PEER_UP, /* the new path replaces the old when it stands */
              [PEER_ESTABLISHED] = PEER_UP,
              [PEER_BROKEN] = PEER_FAILED,
              [PEER_ENDED] = PEER_IDLE,
              [PEER_FORGOTTEN] = PEER_UP,
          },
      [PEER_FAILED] =
          {
              [PEER_WANTED] = PEER_DIRECTING,
              [PEER_DIRECTED] = PEER_CONNECTING,
              [PEER_ESTABLISHED] = PEER_UP,
              [PEER_BROKEN] = PEER_FAILED,
              [PEER_ENDED] = PEER_FAILED,
              [PEER_FORGOTTEN] = PEER_IDLE,
          },
  };
  return next[state][event];
}

const char *peer_state_name(enum peer_state state) {
  switch (state) {
  case PEER_IDLE:
    return "idle";
  case PEER_DIRECTING:
    return "directing";
  case PEER_CONNECTING:
    return "connecting";
  case PEER_UP:
    return "up";
  case PEER_FAILED:
    return "failed";
  }
  return "unknown";
}
