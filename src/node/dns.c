#include "node/dns.h"

#include <libknot/libknot.h>
#include <string.h>

enum {
  DNS_HEADER_SIZE = 12,
  DNS_IPV4_LABELS = 4,
  DNS_IPV6_LABELS = 32,
  DNS_RDATA_MAX = 255,
  DNS_OPCODE_QUERY = 0,
};

/* libknot takes memory it may write to, and keeps pointers into it. */
struct dns_packet {
  uint8_t wire[DNS_MESSAGE_MAX];
  knot_pkt_t *packet;
};

static bool packet_open(struct dns_packet *query, struct span message) {
  query->packet = NULL;
  if (message.size < DNS_HEADER_SIZE || message.size > sizeof(query->wire)) {
    return false;
  }
  memcpy(query->wire, message.data, message.size);
  query->packet = knot_pkt_new(query->wire, (uint16_t)message.size, NULL);
  return query->packet != NULL;
}

static void packet_close(struct dns_packet *query) {
  knot_pkt_free(query->packet);
  query->packet = NULL;
}

/* A dot or a backslash inside a label would make two different names look the same as text, and
 * other bytes have no place in the names of this network. */
static bool label_byte_allowed(uint8_t byte) {
  return byte > ' ' && byte < 0x7f && byte != '.' && byte != '\\' && byte != '"';
}

/* `name` is uncompressed, lower case and of at most 255 bytes, as libknot gives it. */
static bool name_to_text(const knot_dname_t *name, char text[static DNS_NAME_SIZE]) {
  struct reader reader = reader_init(name, knot_dname_size(name));
  size_t size = 0;
  for (;;) {
    uint8_t length = reader_u8(&reader);
    if (reader.failed) {
      return false;
    }
    if (length == 0) {
      break;
    }
    struct span label = reader_bytes(&reader, length);
    if (reader.failed || size + length + 2 > DNS_NAME_SIZE) {
      return false;
    }
    if (size > 0) {
      text[size++] = '.';
    }
    for (size_t i = 0; i < label.size; i++) {
      if (!label_byte_allowed(label.data[i])) {
        return false;
      }
      text[size++] = (char)label.data[i];
    }
  }
  text[size] = '\0';
  return true;
}

/* Takes the last label off `text` (of *size bytes) as a view into it. */
static struct span label_last(const char *text, size_t *size) {
  size_t start = *size;
  while (start > 0 && text[start - 1] != '.') {
    start--;
  }
  struct span label = {.data = (const uint8_t *)text + start, .size = *size - start};
  *size = start > 0 ? start - 1 : 0;
  return label;
}

static int decimal_octet(struct span label) {
  if (label.size == 0 || label.size > 3 || (label.size > 1 && label.data[0] == '0')) {
    return -1;
  }
  int value = 0;
  for (size_t i = 0; i < label.size; i++) {
    if (label.data[i] < '0' || label.data[i] > '9') {
      return -1;
    }
    value = value * 10 + (label.data[i] - '0');
  }
  return value <= 255 ? value : -1;
}

static int hexadecimal_digit(struct span label) {
  if (label.size != 1) {
    return -1;
  }
  uint8_t byte = label.data[0];
  if (byte >= '0' && byte <= '9') {
    return byte - '0';
  }
  return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Strips `suffix` (with its leading dot) from a name of *size bytes. */
static bool suffix_strip(const char *name, size_t *size, const char *suffix) {
  size_t suffix_size = strlen(suffix);
  if (*size <= suffix_size || memcmp(name + *size - suffix_size, suffix, suffix_size) != 0) {
    return false;
  }
  *size -= suffix_size;
  return true;
}

int dns_reverse_parse(const char *name, struct ip_prefix *prefix) {
  memset(prefix, 0, sizeof(*prefix));
  size_t size = strlen(name);
  size_t labels = 0;
  if (suffix_strip(name, &size, ".in-addr.arpa")) {
    prefix->address.family = 4;
    for (; size > 0; labels++) {
      int octet = decimal_octet(label_last(name, &size));
      if (octet < 0 || labels == DNS_IPV4_LABELS) {
        return ERROR_INVALID;
      }
      prefix->address.bytes[labels] = (uint8_t)octet;
    }
    prefix->length = (uint8_t)(labels * 8);
    return ERROR_NONE;
  }
  if (suffix_strip(name, &size, ".ip6.arpa")) {
    prefix->address.family = 6;
    for (; size > 0; labels++) {
      int digit = hexadecimal_digit(label_last(name, &size));
      if (digit < 0 || labels == DNS_IPV6_LABELS) {
        return ERROR_INVALID;
      }
      prefix->address.bytes[labels / 2] |= (uint8_t)(labels % 2 == 0 ? digit << 4 : digit);
    }
    prefix->length = (uint8_t)(labels * 4);
    return ERROR_NONE;
  }
  return ERROR_INVALID;
}

static bool reverse_full(const char *name, struct ip_address *address) {
  struct ip_prefix prefix;
  if (dns_reverse_parse(name, &prefix) != ERROR_NONE ||
      prefix.length != (prefix.address.family == 4 ? 32 : 128)) {
    return false;
  }
  *address = prefix.address;
  return true;
}

static enum dns_kind kind_of(uint16_t type, const char *name, struct ip_address *address) {
  bool reverse = reverse_full(name, address);
  switch (type) {
  case KNOT_RRTYPE_A:
    return DNS_A;
  case KNOT_RRTYPE_AAAA:
    return DNS_AAAA;
  case KNOT_RRTYPE_PTR:
    return reverse ? DNS_REVERSE : DNS_OTHER;
  default:
    return DNS_OTHER;
  }
}

static int query_check(knot_pkt_t *packet, struct dns_question *question, bool *answerable,
                       int *rcode) {
  if (knot_wire_get_qr(packet->wire) != 0) {
    return ERROR_INVALID; /* answering answers makes loops between servers */
  }
  *answerable = true;
  if (knot_wire_get_opcode(packet->wire) != DNS_OPCODE_QUERY) {
    *rcode = DNS_RCODE_NOT_IMPLEMENTED;
    return ERROR_INVALID;
  }
  *rcode = DNS_RCODE_FORMAT;
  if (knot_wire_get_qdcount(packet->wire) != 1 || knot_pkt_parse(packet, 0) != KNOT_EOK ||
      packet->qname_size == 0) {
    return ERROR_INVALID;
  }
  /* RFC 6891 section 6.1.3 */
  if (knot_pkt_has_edns(packet) && knot_edns_get_version(packet->opt_rr) != KNOT_EDNS_VERSION) {
    *rcode = DNS_RCODE_BAD_VERSION;
    return ERROR_INVALID;
  }
  *rcode = DNS_RCODE_REFUSED;
  if (knot_pkt_qclass(packet) != KNOT_CLASS_IN ||
      !name_to_text(knot_pkt_qname(packet), question->name)) {
    return ERROR_INVALID;
  }
  question->kind = kind_of(knot_pkt_qtype(packet), question->name, &question->address);
  *rcode = DNS_RCODE_OK;
  return ERROR_NONE;
}

int dns_query_parse(struct span message, struct dns_question *question, bool *answerable,
                    int *rcode) {
  memset(question, 0, sizeof(*question));
  *answerable = false;
  *rcode = DNS_RCODE_FORMAT;
  struct dns_packet query;
  if (!packet_open(&query, message)) {
    return ERROR_INVALID;
  }
  int code = query_check(query.packet, question, answerable, rcode);
  packet_close(&query);
  if (code != ERROR_NONE) {
    memset(question, 0, sizeof(*question));
  }
  return code;
}

static bool put_record(knot_pkt_t *reply, uint16_t type, const uint8_t *data, uint16_t size) {
  /* The owner is the question's name: written as a pointer to it, so that it is echoed letter for
   * letter (a client that mixes upper and lower case at random checks that). */
  knot_rrset_t record;
  knot_dname_t *owner = knot_dname_copy(reply->lower_qname, NULL);
  if (owner == NULL) {
    return false;
  }
  knot_rrset_init(&record, owner, type, KNOT_CLASS_IN, DNS_TTL);
  bool done = knot_rrset_add_rdata(&record, data, size, NULL) == KNOT_EOK &&
              knot_pkt_begin(reply, KNOT_ANSWER) == KNOT_EOK &&
              knot_pkt_put(reply, KNOT_COMPR_HINT_QNAME, &record, KNOT_PF_NOTRUNC) == KNOT_EOK;
  knot_rrset_clear(&record, NULL);
  return done;
}

static bool put_edns(knot_pkt_t *reply, int rcode) {
  knot_rrset_t record;
  if (knot_edns_init(&record, DNS_MESSAGE_MAX, (uint8_t)(rcode >> 4), KNOT_EDNS_VERSION, NULL) !=
      KNOT_EOK) {
    return false;
  }
  bool done = knot_pkt_begin(reply, KNOT_ADDITIONAL) == KNOT_EOK &&
              knot_pkt_put(reply, KNOT_COMPR_HINT_NOCOMP, &record, KNOT_PF_NOTRUNC) == KNOT_EOK;
  knot_rrset_clear(&record, NULL);
  return done;
}

/* type 0: no answer record. */
static size_t answer_build(struct span message, int rcode, uint16_t type, const uint8_t *data,
                           uint16_t data_size, uint8_t reply[static DNS_MESSAGE_MAX]) {
  struct dns_packet query;
  if (!packet_open(&query, message)) {
    return 0;
  }
  /* A query that does not parse to its end may still have a question to echo. */
  (void)knot_pkt_parse(query.packet, 0);
  size_t size = 0;
  knot_pkt_t *answer = knot_pkt_new(reply, DNS_MESSAGE_MAX, NULL);
  if (answer == NULL || knot_pkt_init_response(answer, query.packet) != KNOT_EOK) {
    goto out;
  }
  knot_wire_set_qdcount(answer->wire, answer->qname_size > 0 ? 1 : 0);
  knot_wire_set_rcode(answer->wire, (uint8_t)(rcode & 0x0f));
  if (rcode == DNS_RCODE_OK || rcode == DNS_RCODE_NO_NAME) {
    knot_wire_set_aa(answer->wire);
  }
  if (type != 0 && (answer->qname_size == 0 || !put_record(answer, type, data, data_size))) {
    goto out;
  }
  if (knot_pkt_has_edns(query.packet) && !put_edns(answer, rcode)) {
    goto out;
  }
  size = answer->size;
out:
  knot_pkt_free(answer);
  packet_close(&query);
  return size;
}

size_t dns_answer_address(struct span query, const struct ip_address *ip,
                          uint8_t reply[static DNS_MESSAGE_MAX]) {
  size_t size = ip_address_size(ip);
  if (size == 0) {
    return 0;
  }
  return answer_build(query, DNS_RCODE_OK, ip->family == 4 ? KNOT_RRTYPE_A : KNOT_RRTYPE_AAAA,
                      ip->bytes, (uint16_t)size, reply);
}

size_t dns_answer_name(struct span query, const char *fqdn, uint8_t reply[static DNS_MESSAGE_MAX]) {
  uint8_t name[DNS_RDATA_MAX];
  if (knot_dname_from_str(name, fqdn, sizeof(name)) == NULL) {
    return 0;
  }
  return answer_build(query, DNS_RCODE_OK, KNOT_RRTYPE_PTR, name, (uint16_t)knot_dname_size(name),
                      reply);
}

size_t dns_answer_empty(struct span query, int rcode, uint8_t reply[static DNS_MESSAGE_MAX]) {
  return answer_build(query, rcode, 0, NULL, 0, reply);
}
