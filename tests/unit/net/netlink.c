#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "base/error.h"
#include "namespace.h"
#include "net/netlink.h"
#include "net/tun.h"
#include "net/udp.h"

enum { LOOPBACK = 1, NOWHERE = 9999 };

static struct netlink *opened(void) {
  struct netlink *netlink = NULL;
  struct error error = {0};
  if (netlink_open(&netlink, &error) != 0) {
    fail_msg("%s", error.message);
  }
  return netlink;
}

static struct tun *device(const char *name) {
  struct tun *tun = NULL;
  struct error error = {0};
  if (tun_open(name, &tun, &error) != 0) {
    print_message("%s\n", error.message);
    skip();
  }
  return tun;
}

static struct ip_address ip(const char *text) {
  struct ip_address parsed;
  assert_int_equal(ip_address_parse(text, &parsed), 0);
  return parsed;
}

static int add(struct netlink *netlink, unsigned interface, const char *text, uint8_t length,
               struct error *error) {
  struct ip_address address = ip(text);
  return netlink_address_add(netlink, interface, &address, length, error);
}

struct search {
  struct ip_address ip;
  size_t total, found;
  struct netlink_address last;
};

static void on_address(const struct netlink_address *address, void *context) {
  struct search *search = context;
  search->total++;
  if (ip_address_equal(&address->ip, &search->ip)) {
    search->found++;
    search->last = *address;
  }
}

static struct search search_for(struct netlink *netlink, const char *text) {
  struct search search = {.ip = ip(text)};
  struct error error = {0};
  if (netlink_addresses(netlink, on_address, &search, &error) != 0) {
    fail_msg("%s", error.message);
  }
  return search;
}

static bool has_ipv6(void) {
  return access("/proc/sys/net/ipv6", F_OK) == 0;
}

static void interface_settings(const char *name, short *flags, int *mtu) {
  int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
  struct ifreq request = {0};
  strcpy(request.ifr_name, name);
  assert_int_equal(ioctl(descriptor, SIOCGIFFLAGS, &request), 0);
  *flags = request.ifr_flags;
  assert_int_equal(ioctl(descriptor, SIOCGIFMTU, &request), 0);
  *mtu = request.ifr_mtu;
  close(descriptor);
}

/* Must be the first: the namespace is new. */
static void interfaces_that_are_down_have_no_addresses_to_tell(void **state) {
  namespace_need(state);
  struct netlink *netlink = opened();
  assert_int_equal(search_for(netlink, "127.0.0.1").total, 0);
  struct error error = {0};
  assert_int_equal(add(netlink, LOOPBACK, "192.0.2.7", 32, &error), 0);
  assert_int_equal(search_for(netlink, "192.0.2.7").total, 0);
  loopback_up(netlink);
  struct search search = search_for(netlink, "127.0.0.1");
  assert_int_equal(search.found, 1);
  assert_int_equal(search.last.interface, LOOPBACK);
  assert_int_equal(search.last.length, 8);
  assert_int_equal(search_for(netlink, "192.0.2.7").found, 1);
  if (has_ipv6()) {
    search = search_for(netlink, "::1");
    assert_int_equal(search.found, 1);
    assert_int_equal(search.last.length, 128);
  }
  netlink_close(netlink);
}

static void a_link_comes_up_with_its_mtu(void **state) {
  namespace_need(state);
  struct tun *tun = device("test0");
  struct netlink *netlink = opened();
  struct error error = {0};
  short flags;
  int mtu;
  interface_settings("test0", &flags, &mtu);
  assert_int_equal(flags & IFF_UP, 0);
  assert_int_equal(netlink_link_up(netlink, tun_index(tun), 1280, &error), 0);
  interface_settings("test0", &flags, &mtu);
  assert_true((flags & IFF_UP) != 0);
  assert_int_equal(mtu, 1280);
  assert_int_equal(netlink_link_up(netlink, tun_index(tun), 1400, &error), 0);
  interface_settings("test0", &flags, &mtu);
  assert_int_equal(mtu, 1400);
  netlink_close(netlink);
  tun_close(tun);
}

static void as_many_packets_wait_as_one_wants(void **state) {
  namespace_need(state);
  struct tun *tun = device("test0");
  struct netlink *netlink = opened();
  struct error error = {0};
  assert_int_equal(netlink_link_queue(netlink, tun_index(tun), 1234, &error), 0);
  struct ifreq request = {.ifr_name = "test0"};
  int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_int_equal(ioctl(descriptor, SIOCGIFTXQLEN, &request), 0);
  assert_int_equal(request.ifr_qlen, 1234);
  close(descriptor);
  assert_int_not_equal(netlink_link_queue(netlink, NOWHERE, 1234, &error), 0);
  assert_non_null(strstr(error.message, "1234"));
  netlink_close(netlink);
  tun_close(tun);
}

static void an_mtu_that_cannot_be_is_named(void **state) {
  namespace_need(state);
  struct tun *tun = device("test0");
  struct netlink *netlink = opened();
  struct error error = {0};
  assert_int_not_equal(netlink_link_up(netlink, tun_index(tun), 1, &error), 0);
  assert_non_null(strstr(error.message, "MTU of 1"));
  netlink_close(netlink);
  tun_close(tun);
}

static void an_ipv4_address_brings_its_route(void **state) {
  namespace_need(state);
  struct tun *tun = device("test0");
  struct netlink *netlink = opened();
  struct error error = {0};
  assert_int_equal(netlink_link_up(netlink, tun_index(tun), 1400, &error), 0);
  assert_int_equal(add(netlink, tun_index(tun), "10.77.0.1", 16, &error), 0);
  struct search search = search_for(netlink, "10.77.0.1");
  assert_int_equal(search.found, 1);
  assert_int_equal(search.last.interface, tun_index(tun));
  assert_int_equal(search.last.length, 16);
  assert_false(search.last.temporary || search.last.deprecated || search.last.tentative);
  struct address remote = {ip("10.77.200.1"), 443};
  struct ip_address local;
  assert_int_equal(udp_socket_route_check(&remote, &local, &error), 0);
  assert_true(ip_address_equal(&local, &search.ip));
  netlink_close(netlink);
  tun_close(tun);
}

static void an_ipv6_address_can_be_used_at_once(void **state) {
  namespace_need(state);
  if (!has_ipv6()) {
    skip();
  }
  struct tun *tun = device("test0");
  struct netlink *netlink = opened();
  struct error error = {0};
  assert_int_equal(netlink_link_up(netlink, tun_index(tun), 1400, &error), 0);
  assert_int_equal(add(netlink, tun_index(tun), "fd00:77::1", 64, &error), 0);
  struct search search = search_for(netlink, "fd00:77::1");
  assert_int_equal(search.found, 1);
  assert_int_equal(search.last.interface, tun_index(tun));
  assert_int_equal(search.last.length, 64);
  assert_false(search.last.temporary || search.last.deprecated || search.last.tentative);
  struct address remote = {ip("fd00:77::2"), 443}, own = {search.ip, 0};
  struct ip_address local;
  assert_int_equal(udp_socket_route_check(&remote, &local, &error), 0);
  assert_true(ip_address_equal(&local, &search.ip));
  struct udp_socket *socket;
  assert_int_equal(udp_socket_open(&own, &socket, &error), 0);
  udp_socket_close(socket);
  netlink_close(netlink);
  tun_close(tun);
}

static void an_address_given_twice_exists(void **state) {
  namespace_need(state);
  struct netlink *netlink = opened();
  struct error error = {0};
  assert_int_equal(add(netlink, LOOPBACK, "192.0.2.8", 32, &error), 0);
  assert_int_equal(add(netlink, LOOPBACK, "192.0.2.8", 32, &error), ERROR_EXISTS);
  assert_non_null(strstr(error.message, "192.0.2.8/32"));
  netlink_close(netlink);
}

static void an_interface_that_is_not_there_is_named(void **state) {
  namespace_need(state);
  struct netlink *netlink = opened();
  struct error error = {0};
  assert_int_equal(netlink_link_up(netlink, NOWHERE, 1400, &error), ERROR_NOT_FOUND);
  assert_non_null(strstr(error.message, "9999"));
  assert_int_equal(add(netlink, NOWHERE, "192.0.2.9", 32, &error), ERROR_NOT_FOUND);
  assert_non_null(strstr(error.message, "9999"));
  netlink_close(netlink);
}

static void a_prefix_longer_than_the_address_is_refused(void **state UNUSED) {
  struct netlink *netlink = opened();
  struct error error = {0};
  assert_int_equal(add(netlink, LOOPBACK, "192.0.2.9", 33, &error), ERROR_INVALID);
  assert_int_equal(add(netlink, LOOPBACK, "fd00::9", 129, &error), ERROR_INVALID);
  struct ip_address none = {0};
  assert_int_equal(netlink_address_add(netlink, LOOPBACK, &none, 0, &error), ERROR_INVALID);
  netlink_close(netlink);
}

static int bring_loopback_up(void *context) {
  struct error error;
  return netlink_link_up(context, LOOPBACK, 65536, &error);
}

static int give_address(void *context) {
  struct error error;
  const struct ip_address address = {.family = 4, .bytes = {192, 0, 2, 10}};
  return netlink_address_add(context, LOOPBACK, &address, 32, &error);
}

static void without_the_right_nothing_is_set(void **state) {
  namespace_need(state);
  if (geteuid() != 0) {
    skip();
  }
  struct netlink *netlink = opened();
  assert_int_equal(as_nobody(bring_loopback_up, netlink), ERROR_PERMISSION);
  assert_int_equal(as_nobody(give_address, netlink), ERROR_PERMISSION);
  netlink_close(netlink);
}

static void a_host_without_ipv6_says_so(void **state) {
  namespace_need(state);
  struct tun *tun = device("test0");
  FILE *file = fopen("/proc/sys/net/ipv6/conf/test0/disable_ipv6", "we");
  if (file == NULL) {
    tun_close(tun);
    skip();
  }
  fputs("1", file);
  fclose(file);
  struct netlink *netlink = opened();
  struct error error = {0};
  assert_int_equal(netlink_link_up(netlink, tun_index(tun), 1400, &error), 0);
  assert_int_equal(add(netlink, tun_index(tun), "fd00:77::1", 64, &error), ERROR_UNREACHABLE);
  assert_non_null(strstr(error.message, "disable_ipv6"));
  assert_int_equal(add(netlink, tun_index(tun), "10.77.0.1", 16, &error), 0);
  netlink_close(netlink);
  tun_close(tun);
}

static void a_long_list_comes_whole(void **state) {
  namespace_need(state);
  enum { COUNT = 1000 };
  struct tun *tun = device("test0");
  struct netlink *netlink = opened();
  struct error error = {0};
  assert_int_equal(netlink_link_up(netlink, tun_index(tun), 1400, &error), 0);
  size_t before = search_for(netlink, "127.0.0.1").total;
  for (uint32_t i = 0; i < COUNT; i++) {
    uint8_t bytes[4] = {198, 18, (uint8_t)(i >> 8), (uint8_t)i};
    struct ip_address address;
    assert_int_equal(ip_address_from_bytes(&address, bytes, 4), 0);
    assert_int_equal(netlink_address_add(netlink, tun_index(tun), &address, 32, &error), 0);
  }
  struct search search = search_for(netlink, "198.18.3.200");
  assert_int_equal(search.found, 1);
  assert_true(search.total >= before + COUNT);
  netlink_close(netlink);
  tun_close(tun);
}

/* An address whose preferred lifetime is over. */
static void add_deprecated(const char *text) {
  uint8_t buffer[512] __attribute__((aligned(8)));
  struct ip_address address = ip(text);
  struct ifa_cacheinfo lifetime = {.ifa_prefered = 0, .ifa_valid = UINT32_MAX};
  struct mnl_socket *socket = mnl_socket_open(NETLINK_ROUTE);
  assert_non_null(socket);
  struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
  header->nlmsg_type = RTM_NEWADDR;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
  struct ifaddrmsg *message = mnl_nlmsg_put_extra_header(header, sizeof(*message));
  message->ifa_family = AF_INET6;
  message->ifa_prefixlen = 128;
  message->ifa_index = LOOPBACK;
  mnl_attr_put(header, IFA_LOCAL, 16, address.bytes);
  mnl_attr_put(header, IFA_CACHEINFO, sizeof(lifetime), &lifetime);
  assert_true(mnl_socket_sendto(socket, header, header->nlmsg_len) > 0);
  assert_true(mnl_socket_recvfrom(socket, buffer, sizeof(buffer)) > 0);
  mnl_socket_close(socket);
}

static void a_deprecated_address_is_marked(void **state) {
  namespace_need(state);
  if (!has_ipv6()) {
    skip();
  }
  add_deprecated("2001:db8::dead");
  struct netlink *netlink = opened();
  loopback_up(netlink);
  struct search search = search_for(netlink, "2001:db8::dead");
  assert_int_equal(search.found, 1);
  assert_true(search.last.deprecated);
  assert_false(search.last.temporary);
  netlink_close(netlink);
}

/* IPv4 uses the bit of IPv6's "temporary" for the second address of a subnet. */
static void a_secondary_ipv4_address_is_not_temporary(void **state) {
  namespace_need(state);
  struct netlink *netlink = opened();
  struct error error = {0};
  loopback_up(netlink);
  assert_int_equal(add(netlink, LOOPBACK, "203.0.113.1", 24, &error), 0);
  assert_int_equal(add(netlink, LOOPBACK, "203.0.113.2", 24, &error), 0);
  struct search search = search_for(netlink, "203.0.113.2");
  assert_int_equal(search.found, 1);
  assert_false(search.last.temporary);
  netlink_close(netlink);
}

static void closing_nothing_is_no_error(void **state UNUSED) {
  netlink_close(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(interfaces_that_are_down_have_no_addresses_to_tell),
      cmocka_unit_test(a_link_comes_up_with_its_mtu),
      cmocka_unit_test(as_many_packets_wait_as_one_wants),
      cmocka_unit_test(an_mtu_that_cannot_be_is_named),
      cmocka_unit_test(an_ipv4_address_brings_its_route),
      cmocka_unit_test(an_ipv6_address_can_be_used_at_once),
      cmocka_unit_test(an_address_given_twice_exists),
      cmocka_unit_test(an_interface_that_is_not_there_is_named),
      cmocka_unit_test(a_prefix_longer_than_the_address_is_refused),
      cmocka_unit_test(without_the_right_nothing_is_set),
      cmocka_unit_test(a_host_without_ipv6_says_so),
      cmocka_unit_test(a_long_list_comes_whole),
      cmocka_unit_test(a_deprecated_address_is_marked),
      cmocka_unit_test(a_secondary_ipv4_address_is_not_temporary),
      cmocka_unit_test(closing_nothing_is_no_error),
  };
  return cmocka_run_group_tests(tests, namespace_enter, NULL);
}
