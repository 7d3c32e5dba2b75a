#include "control/peer_error.h"

int control_error_code(Cyphonic__Error__Code code) {
  switch (code) {
  case CYPHONIC__ERROR__CODE__INVITATION_EXPIRED:
  case CYPHONIC__ERROR__CODE__GRANT_EXPIRED:
    return ERROR_EXPIRED;
  case CYPHONIC__ERROR__CODE__GRANT_INVALID:
  case CYPHONIC__ERROR__CODE__INVITATION_INVALID:
  case CYPHONIC__ERROR__CODE__INVITATION_USED:
  case CYPHONIC__ERROR__CODE__DEVICE_UNKNOWN:
  case CYPHONIC__ERROR__CODE__DEVICE_REVOKED:
  case CYPHONIC__ERROR__CODE__NOT_DIRECTED:
    return ERROR_PERMISSION;
  case CYPHONIC__ERROR__CODE__NAME_TAKEN:
    return ERROR_EXISTS;
  case CYPHONIC__ERROR__CODE__NAME_INVALID:
    return ERROR_INVALID;
  case CYPHONIC__ERROR__CODE__NAME_UNKNOWN:
    return ERROR_NOT_FOUND;
  case CYPHONIC__ERROR__CODE__ADDRESSES_EXHAUSTED:
    return ERROR_LIMIT;
  case CYPHONIC__ERROR__CODE__PEER_ABSENT:
    return ERROR_TIMEOUT;
  case CYPHONIC__ERROR__CODE__UNAVAILABLE:
  case CYPHONIC__ERROR__CODE__NOT_REGISTERED:
    return ERROR_AGAIN;
  case CYPHONIC__ERROR__CODE__UNSPECIFIED:
  case CYPHONIC__ERROR__CODE__UNKNOWN_MESSAGE:
  case CYPHONIC__ERROR__CODE__MALFORMED:
  case _CYPHONIC__ERROR__CODE_IS_INT_SIZE:
    break;
  }
  return ERROR_PROTOCOL;
}

void control_set_peer_error(struct error *error, int code, const char *text) {
  char clean[CONTROL_TEXT_MAX];
  size_t size = 0;
  for (; text[size] != '\0' && size + 1 < sizeof(clean); size++) {
    unsigned char character = (unsigned char)text[size];
    clean[size] = character < 0x20 || character == 0x7f ? ' ' : text[size];
  }
  clean[size] = '\0';
  error_set(error, (enum error_code)code, "%s",
            size > 0 ? clean : "the peer refused the request without saying why");
}
