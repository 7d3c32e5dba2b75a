#include "control/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/control.h"

static void encode_login(uint8_t **data, size_t *size) {
  static char hardware[] = "router", os[] = "Debian 12";
  Cyphonic__LoginRequest login = CYPHONIC__LOGIN_REQUEST__INIT;
  login.hardware = hardware;
  login.os = os;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_LOGIN_REQUEST;
  message.login_request = &login;
  assert_int_equal(frame_encode(&message, data, size, NULL), 0);
}

static int feed(struct frame_decoder *decoder, const void *data, size_t size,
                Cyphonic__Message **message) {
  return frame_decoder_feed(decoder, (struct span){.data = data, .size = size}, message, NULL);
}

static void a_frame_is_its_length_in_four_bytes_and_the_message(void **state UNUSED) {
  uint8_t *data;
  size_t size;
  encode_login(&data, &size);
  struct reader reader = reader_init(data, size);
  assert_int_equal(reader_u32(&reader), size - FRAME_HEADER_SIZE);
  /* login_request is field 4, length-delimited. */
  assert_int_equal(reader_u8(&reader), 4 << 3 | 2);
  free(data);
}

static void a_message_comes_back_as_it_was(void **state UNUSED) {
  uint8_t *data;
  size_t size;
  encode_login(&data, &size);
  struct frame_decoder decoder = {0};
  Cyphonic__Message *message = NULL;
  assert_true(frame_decoder_is_empty(&decoder));
  assert_int_equal(feed(&decoder, data, size, &message), 1);
  assert_false(frame_decoder_is_empty(&decoder));
  assert_int_equal(message->body_case, CYPHONIC__MESSAGE__BODY_LOGIN_REQUEST);
  assert_string_equal(message->login_request->hardware, "router");
  cyphonic__message__free_unpacked(message, NULL);
  frame_decoder_clear(&decoder);
  free(data);
}

static void a_message_may_come_byte_by_byte(void **state UNUSED) {
  uint8_t *data;
  size_t size;
  encode_login(&data, &size);
  struct frame_decoder decoder = {0};
  Cyphonic__Message *message = NULL;
  for (size_t i = 0; i + 1 < size; i++) {
    assert_int_equal(feed(&decoder, data + i, 1, &message), 0);
    assert_false(frame_decoder_is_empty(&decoder));
  }
  assert_int_equal(feed(&decoder, data + size - 1, 1, &message), 1);
  assert_string_equal(message->login_request->os, "Debian 12");
  cyphonic__message__free_unpacked(message, NULL);
  frame_decoder_clear(&decoder);
  free(data);
}

static void no_bytes_change_nothing(void **state UNUSED) {
  struct frame_decoder decoder = {0};
  Cyphonic__Message *message = NULL;
  assert_int_equal(feed(&decoder, NULL, 0, &message), 0);
  assert_true(frame_decoder_is_empty(&decoder));
}

static void an_empty_message_has_no_body(void **state UNUSED) {
  static const uint8_t frame[FRAME_HEADER_SIZE] = {0};
  struct frame_decoder decoder = {0};
  Cyphonic__Message *message = NULL;
  assert_int_equal(feed(&decoder, frame, sizeof(frame), &message), 1);
  assert_int_equal(message->body_case, CYPHONIC__MESSAGE__BODY__NOT_SET);
  cyphonic__message__free_unpacked(message, NULL);
  assert_int_equal(feed(&decoder, NULL, 0, &message), 0);
  frame_decoder_clear(&decoder);
}

static void an_unknown_field_passes(void **state UNUSED) {
  /* Field 99 of a newer version. */
  static const uint8_t frame[] = {0, 0, 0, 4, 0x9a, 0x06, 0x01, 'x'};
  struct frame_decoder decoder = {0};
  Cyphonic__Message *message = NULL;
  assert_int_equal(feed(&decoder, frame, sizeof(frame), &message), 1);
  assert_int_equal(message->body_case, CYPHONIC__MESSAGE__BODY__NOT_SET);
  cyphonic__message__free_unpacked(message, NULL);
  frame_decoder_clear(&decoder);
}

static void
an_announced_size_beyond_the_bound_is_refused_before_memory_is_taken(void **state UNUSED) {
  static const uint8_t frame[] = {0, 0, 0x80, 0x01, 0, 0};
  struct frame_decoder decoder = {0};
  Cyphonic__Message *message = NULL;
  struct error error = {0};
  int code = frame_decoder_feed(&decoder, (struct span){.data = frame, .size = sizeof(frame)},
                                &message, &error);
  assert_int_equal(code, ERROR_LIMIT);
  assert_non_null(strstr(error.message, "32769"));
  assert_null(decoder.body);
  frame_decoder_clear(&decoder);
}

static void an_announcement_alone_takes_no_memory(void **state UNUSED) {
  static const uint8_t frame[] = {0, 0, 0x80, 0x00, 0};
  struct frame_decoder decoder = {0};
  Cyphonic__Message *message = NULL;
  assert_int_equal(feed(&decoder, frame, FRAME_HEADER_SIZE, &message), 0);
  assert_null(decoder.body);
  assert_int_equal(feed(&decoder, frame + FRAME_HEADER_SIZE, 1, &message), 0);
  assert_in_range(decoder.body_capacity, 1, 1024);
  frame_decoder_clear(&decoder);
  assert_true(frame_decoder_is_empty(&decoder));
}

static void a_body_that_does_not_decode_is_a_breach_of_protocol(void **state UNUSED) {
  static const uint8_t frame[] = {0, 0, 0, 2, 0x0a, 0x7f};
  struct frame_decoder decoder = {0};
  Cyphonic__Message *message = NULL;
  assert_int_equal(feed(&decoder, frame, sizeof(frame), &message), ERROR_PROTOCOL);
  assert_null(message);
  frame_decoder_clear(&decoder);
}

static void bytes_behind_a_message_are_a_breach_of_protocol(void **state UNUSED) {
  static const uint8_t frame[] = {0, 0, 0, 0, 1};
  struct frame_decoder decoder = {0};
  Cyphonic__Message *message = NULL;
  assert_int_equal(feed(&decoder, frame, sizeof(frame), &message), ERROR_PROTOCOL);
  assert_null(message);
  frame_decoder_clear(&decoder);

  assert_int_equal(feed(&decoder, frame, FRAME_HEADER_SIZE, &message), 1);
  cyphonic__message__free_unpacked(message, NULL);
  assert_int_equal(feed(&decoder, frame, 1, &message), ERROR_PROTOCOL);
  frame_decoder_clear(&decoder);
}

/* A sign-up whose CSR makes the message exactly this large. */
static int encode_of_size(size_t body_size, uint8_t **data, size_t *size) {
  static uint8_t csr[CONTROL_MESSAGE_MAX];
  Cyphonic__SignUpRequest request = CYPHONIC__SIGN_UP_REQUEST__INIT;
  Cyphonic__Message message = CYPHONIC__MESSAGE__INIT;
  message.body_case = CYPHONIC__MESSAGE__BODY_SIGN_UP_REQUEST;
  message.sign_up_request = &request;
  request.csr = (ProtobufCBinaryData){.len = body_size - 8, .data = csr};
  assert_int_equal(cyphonic__message__get_packed_size(&message), body_size);
  return frame_encode(&message, data, size, NULL);
}

static void the_largest_message_passes_and_one_byte_more_does_not(void **state UNUSED) {
  uint8_t *data;
  size_t size;
  assert_int_equal(encode_of_size(CONTROL_MESSAGE_MAX, &data, &size), 0);
  struct frame_decoder decoder = {0};
  Cyphonic__Message *message = NULL;
  for (size_t offset = 0; offset < size; offset += 1000) {
    size_t piece = size - offset < 1000 ? size - offset : 1000;
    assert_int_equal(feed(&decoder, data + offset, piece, &message), offset + piece == size);
  }
  cyphonic__message__free_unpacked(message, NULL);
  frame_decoder_clear(&decoder);
  free(data);
  assert_int_equal(encode_of_size(CONTROL_MESSAGE_MAX + 1, &data, &size), ERROR_LIMIT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_frame_is_its_length_in_four_bytes_and_the_message),
      cmocka_unit_test(a_message_comes_back_as_it_was),
      cmocka_unit_test(a_message_may_come_byte_by_byte),
      cmocka_unit_test(no_bytes_change_nothing),
      cmocka_unit_test(an_empty_message_has_no_body),
      cmocka_unit_test(an_unknown_field_passes),
      cmocka_unit_test(an_announced_size_beyond_the_bound_is_refused_before_memory_is_taken),
      cmocka_unit_test(an_announcement_alone_takes_no_memory),
      cmocka_unit_test(a_body_that_does_not_decode_is_a_breach_of_protocol),
      cmocka_unit_test(bytes_behind_a_message_are_a_breach_of_protocol),
      cmocka_unit_test(the_largest_message_passes_and_one_byte_more_does_not),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
