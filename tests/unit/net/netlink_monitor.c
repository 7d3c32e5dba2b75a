#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <net/if.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "namespace.h"
#include "net/netlink.h"
#include "net/tun.h"

enum { LOOPBACK = 1 };

struct watch {
  struct netlink *netlink;
  struct netlink_monitor *monitor;
  struct tun *tun;
};

static struct watch watch_begin(void **state) {
  namespace_need(state);
  struct watch watch = {0};
  struct error error = {0};
  if (tun_open("test0", &watch.tun, &error) != 0) {
    print_message("%s\n", error.message);
    skip();
  }
  assert_int_equal(netlink_open(&watch.netlink, &error), 0);
  if (netlink_monitor_open(&watch.monitor, &error) != 0) {
    fail_msg("%s", error.message);
  }
  return watch;
}

static void watch_end(struct watch *watch) {
  netlink_monitor_close(watch->monitor);
  netlink_close(watch->netlink);
  tun_close(watch->tun);
}

static bool changed(const struct watch *watch, unsigned except) {
  bool result = false;
  enum netlink_own own;
  struct error error = {0};
  if (netlink_monitor_read(watch->monitor, except, &result, &own, &error) != 0) {
    fail_msg("%s", error.message);
  }
  return result;
}

static enum netlink_own happened_to(const struct watch *watch, unsigned interface) {
  bool result;
  enum netlink_own own;
  struct error error = {0};
  assert_int_equal(netlink_monitor_read(watch->monitor, interface, &result, &own, &error), 0);
  return own;
}

static void address_add(const struct watch *watch, unsigned interface, uint32_t number) {
  uint8_t bytes[4] = {198, 18, (uint8_t)(number >> 8), (uint8_t)number};
  struct ip_address address;
  struct error error = {0};
  assert_int_equal(ip_address_from_bytes(&address, bytes, 4), 0);
  if (netlink_address_add(watch->netlink, interface, &address, 32, &error) != 0) {
    fail_msg("%s", error.message);
  }
}

static void device_up(const struct watch *watch) {
  struct error error = {0};
  assert_int_equal(netlink_link_up(watch->netlink, tun_index(watch->tun), 1400, &error), 0);
}

static void where_nothing_happens_nothing_is_told(void **state) {
  struct watch watch = watch_begin(state);
  changed(&watch, 0); /* the end of what came before */
  assert_false(changed(&watch, 0));
  watch_end(&watch);
}

static void a_link_that_comes_up_is_a_change(void **state) {
  struct watch watch = watch_begin(state);
  changed(&watch, 0);
  loopback_up(watch.netlink);
  device_up(&watch);
  wait_readable(netlink_monitor_descriptor(watch.monitor));
  assert_true(changed(&watch, LOOPBACK));
  watch_end(&watch);
}

static void a_new_address_is_a_change_and_is_told_once(void **state) {
  struct watch watch = watch_begin(state);
  changed(&watch, 0);
  address_add(&watch, LOOPBACK, 1);
  wait_readable(netlink_monitor_descriptor(watch.monitor));
  assert_true(changed(&watch, tun_index(watch.tun)));
  assert_false(changed(&watch, tun_index(watch.tun)));
  watch_end(&watch);
}

static void what_happens_on_our_own_device_is_no_change(void **state) {
  struct watch watch = watch_begin(state);
  changed(&watch, 0);
  device_up(&watch);
  address_add(&watch, tun_index(watch.tun), 2);
  wait_readable(netlink_monitor_descriptor(watch.monitor));
  assert_false(changed(&watch, tun_index(watch.tun)));
  watch_end(&watch);
}

static void device_down(const struct watch *watch) {
  struct ifreq request = {0};
  strncpy(request.ifr_name, tun_name(watch->tun), IFNAMSIZ - 1);
  int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_int_equal(ioctl(descriptor, SIOCSIFFLAGS, &request), 0); /* without IFF_UP */
  close(descriptor);
}

static void address_take(const struct watch *watch) {
  struct ifreq request = {.ifr_addr.sa_family = AF_INET}; /* 0.0.0.0 takes the one that is there */
  strncpy(request.ifr_name, tun_name(watch->tun), IFNAMSIZ - 1);
  int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_int_equal(ioctl(descriptor, SIOCSIFADDR, &request), 0);
  close(descriptor);
}

/* Of a device that was set down the kernel takes addresses, too, and may say so later. */
static void a_device_that_is_down_is_not_up_for_losing_an_address(void **state) {
  struct watch watch = watch_begin(state);
  unsigned own = tun_index(watch.tun);
  device_up(&watch);
  address_add(&watch, own, 3);
  assert_int_equal(happened_to(&watch, own), NETLINK_OWN_UP);
  address_take(&watch);
  assert_int_equal(happened_to(&watch, own), NETLINK_OWN_UP);
  address_add(&watch, own, 3);
  device_down(&watch);
  assert_int_equal(happened_to(&watch, own), NETLINK_OWN_DOWN);
  address_take(&watch);
  assert_int_equal(happened_to(&watch, own), NETLINK_OWN_SAME);
  watch_end(&watch);
}

static void what_others_do_to_our_own_device_is_told(void **state) {
  struct watch watch = watch_begin(state);
  unsigned own = tun_index(watch.tun);
  device_up(&watch);
  assert_int_equal(happened_to(&watch, own), NETLINK_OWN_UP);
  assert_int_equal(happened_to(&watch, own), NETLINK_OWN_SAME);
  address_add(&watch, own, 3);
  assert_int_equal(happened_to(&watch, own), NETLINK_OWN_SAME);
  device_down(&watch);
  assert_int_equal(happened_to(&watch, own), NETLINK_OWN_DOWN);
  device_up(&watch);
  assert_int_equal(happened_to(&watch, LOOPBACK), NETLINK_OWN_SAME);
  watch_end(&watch);
}

static void a_device_that_vanishes_is_a_change(void **state) {
  struct watch watch = watch_begin(state);
  device_up(&watch);
  changed(&watch, 0);
  tun_close(watch.tun);
  watch.tun = NULL;
  wait_readable(netlink_monitor_descriptor(watch.monitor));
  assert_true(changed(&watch, LOOPBACK));
  watch_end(&watch);
}

static void notices_that_were_lost_count_as_a_change(void **state) {
  struct watch watch = watch_begin(state);
  device_up(&watch);
  changed(&watch, 0);
  int size = 1; /* the kernel makes it as small as it can be */
  assert_int_equal(setsockopt(netlink_monitor_descriptor(watch.monitor), SOL_SOCKET, SO_RCVBUF,
                              &size, sizeof(size)),
                   0);
  for (uint32_t i = 1000; i < 1200; i++) {
    address_add(&watch, tun_index(watch.tun), i);
  }
  assert_true(changed(&watch, tun_index(watch.tun)));
  watch_end(&watch);
}

static void closing_nothing_is_no_error(void **state UNUSED) {
  netlink_monitor_close(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(where_nothing_happens_nothing_is_told),
      cmocka_unit_test(a_link_that_comes_up_is_a_change),
      cmocka_unit_test(a_new_address_is_a_change_and_is_told_once),
      cmocka_unit_test(what_happens_on_our_own_device_is_no_change),
      cmocka_unit_test(a_device_that_is_down_is_not_up_for_losing_an_address),
      cmocka_unit_test(what_others_do_to_our_own_device_is_told),
      cmocka_unit_test(a_device_that_vanishes_is_a_change),
      cmocka_unit_test(notices_that_were_lost_count_as_a_change),
      cmocka_unit_test(closing_nothing_is_no_error),
  };
  return cmocka_run_group_tests(tests, namespace_enter, NULL);
}
