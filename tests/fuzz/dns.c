/* A query from anybody who reaches the resolver's socket, and each answer to it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "node/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct span message = {.data = data, .size = size};
  struct dns_question question;
  bool answerable;
  int rcode;
  uint8_t reply[DNS_MESSAGE_MAX];
  if (dns_query_parse(message, &question, &answerable, &rcode) != ERROR_NONE) {
    if (answerable && dns_answer_empty(message, rcode, reply) == 0) {
      abort();
    }
    return 0;
  }
  if (strlen(question.name) >= DNS_NAME_SIZE) {
    abort();
  }
  struct ip_address ipv4 = {.family = 4, .bytes = {10, 1, 2, 3}};
  struct ip_address ipv6 = {.family = 6, .bytes = {0xfd, 1, 2, 3}};
  if (dns_answer_address(message, &ipv4, reply) == 0 ||
      dns_answer_address(message, &ipv6, reply) == 0 ||
      dns_answer_name(message, "node.cyphonic.internal", reply) == 0 ||
      dns_answer_empty(message, DNS_RCODE_NO_NAME, reply) == 0) {
    abort();
  }
  return 0;
}
