#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/message.h"
#include "node/relay_offer.h"

struct sample {
  Cyphonic__RelayOffer message;
  Cyphonic__ServiceAddress address, *addresses[1];
  char name[300], host[32];
  uint8_t grant[RELAY_GRANT_MAX + 1];
};

static void sample_init(struct sample *sample) {
  *sample = (struct sample){
      .message = CYPHONIC__RELAY_OFFER__INIT,
      .address = CYPHONIC__SERVICE_ADDRESS__INIT,
      .name = "trs.cyphonic.internal",
      .host = "192.0.2.9",
      .grant = {1, 2, 3},
  };
  sample->address.host = sample->host;
  sample->address.port = 443;
  sample->addresses[0] = &sample->address;
  sample->message.name = sample->name;
  sample->message.addresses = sample->addresses;
  sample->message.n_addresses = 1;
  sample->message.grant = message_data(sample->grant, 3);
}

static void an_offer_is_kept_whole(void **state) {
  (void)state;
  struct sample sample;
  struct relay_offer *offer;
  struct error error = {0};
  sample_init(&sample);
  assert_int_equal(relay_offer_read(&sample.message, &offer, &error), 0);
  assert_string_equal(offer->name, "trs.cyphonic.internal");
  assert_int_equal(offer->address_count, 1);
  assert_int_equal(offer->grant_size, 3);
  assert_memory_equal(offer->grant, sample.grant, 3);
  free(offer);
}

static void no_offer_is_none(void **state) {
  (void)state;
  struct relay_offer *offer;
  struct error error = {0};
  assert_int_equal(relay_offer_read(NULL, &offer, &error), 0);
  assert_null(offer);
}

static void expect_fault(struct sample *sample) {
  struct relay_offer *offer;
  struct error error = {0};
  assert_int_equal(relay_offer_read(&sample->message, &offer, &error), ERROR_PROTOCOL);
  assert_null(offer);
  assert_non_null(strstr(error.message, "relay"));
  sample_init(sample);
}

static void what_cannot_be_is_refused(void **state) {
  (void)state;
  static struct sample sample;
  sample_init(&sample);
  sample.name[0] = '\0';
  expect_fault(&sample);
  strcpy(sample.name, "trs\033[2J");
  expect_fault(&sample);
  memset(sample.name, 'a', FQDN_SIZE);
  expect_fault(&sample);
  sample.message.n_addresses = 0;
  expect_fault(&sample);
  sample.address.port = 0;
  expect_fault(&sample);
  sample.message.grant.len = 0;
  expect_fault(&sample);
  sample.message.grant = message_data(sample.grant, RELAY_GRANT_MAX + 1);
  expect_fault(&sample);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_offer_is_kept_whole),
      cmocka_unit_test(no_offer_is_none),
      cmocka_unit_test(what_cannot_be_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
