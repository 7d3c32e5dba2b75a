#include "nms/relay_message.h"

#include <assert.h>

#include "control/control.h"
#include "nms/message.h"

/* Beside the strings: tags, lengths and a port for each address, tags and lengths for each TRS; and
 * what else a registration is answered with. */
static_assert(RELAYS_LISTED_MAX * (PKI_NAME_SIZE + 8 + RELAY_ADDRESSES_MAX * (PKI_NAME_SIZE + 12)) +
                      4 * PKI_NAME_SIZE <=
                  CONTROL_MESSAGE_MAX,
              "a RegistrationResponse has no room for so many TRSs");

void relay_message_init(struct relay_message *message, const struct relay *relay) {
  message->name = nms_message_text(relay->name);
  message->address_count = relay->address_count;
  for (size_t i = 0; i < relay->address_count; i++) {
    message->address[i] = (Cyphonic__ServiceAddress)CYPHONIC__SERVICE_ADDRESS__INIT;
    message->address[i].host = nms_message_text(relay->address[i].host);
    message->address[i].port = relay->address[i].port;
    message->addresses[i] = &message->address[i];
  }
}
