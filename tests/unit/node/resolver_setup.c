#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/resolver.h"

enum { LOOPBACK = 1 };

/* A bus with one service on it, in a thread: it answers Hello as the bus and all else as
 * systemd-resolved would, and writes down what it was asked. */
struct bus {
  char folder[64], path[96], address[128];
  int listener;
  const char *fault; /* of SetLinkDNS; NULL: none */
  char seen[4096];
  pthread_t thread;
};

static void note(struct bus *bus, const char *text) {
  strncat(bus->seen, text, sizeof(bus->seen) - strlen(bus->seen) - 1);
}

static void note_dns(struct bus *bus, sd_bus_message *message, bool with_port) {
  int interface, family;
  const void *bytes;
  size_t size;
  uint16_t port = 0;
  const char *name = "";
  char text[128];
  sd_bus_message_read(message, "i", &interface);
  sd_bus_message_enter_container(message, 'a', with_port ? "(iayqs)" : "(iay)");
  sd_bus_message_enter_container(message, 'r', with_port ? "iayqs" : "iay");
  sd_bus_message_read(message, "i", &family);
  sd_bus_message_read_array(message, 'y', &bytes, &size);
  if (with_port) {
    sd_bus_message_read(message, "qs", &port, &name);
  }
  struct ip_address ip;
  char ip_text[ADDRESS_TEXT_SIZE];
  if (ip_address_from_bytes(&ip, bytes, size) != ERROR_NONE) {
    return;
  }
  snprintf(text, sizeof(text), " %d %s %u", interface, ip_address_text(&ip, ip_text), port);
  note(bus, text);
}

static void note_domains(struct bus *bus, sd_bus_message *message) {
  int interface;
  sd_bus_message_read(message, "i", &interface);
  sd_bus_message_enter_container(message, 'a', "(sb)");
  const char *domain;
  int routing;
  while (sd_bus_message_read(message, "(sb)", &domain, &routing) > 0) {
    note(bus, routing != 0 ? " ~" : " ");
    note(bus, domain);
  }
}

static int on_message(sd_bus_message *message, void *context, sd_bus_error *error) {
  (void)error;
  struct bus *bus = context;
  const char *member = sd_bus_message_get_member(message);
  if (member == NULL || sd_bus_message_is_method_call(message, NULL, NULL) <= 0) {
    return 0;
  }
  if (strcmp(member, "Hello") == 0) {
    return sd_bus_reply_method_return(message, "s", ":1.1");
  }
  note(bus, member);
  if (strcmp(member, "SetLinkDNS") == 0 || strcmp(member, "SetLinkDNSEx") == 0) {
    note_dns(bus, message, member[strlen("SetLinkDNS")] != '\0');
    if (bus->fault != NULL) {
      return sd_bus_reply_method_errorf(message, bus->fault, "it does not");
    }
  } else if (strcmp(member, "SetLinkDomains") == 0) {
    note_domains(bus, message);
  }
  note(bus, "\n");
  return sd_bus_reply_method_return(message, "");
}

static void *bus_run(void *context) {
  struct bus *bus = context;
  int peer = accept(bus->listener, NULL, NULL);
  sd_bus *server = NULL;
  sd_id128_t id;
  sd_id128_randomize(&id);
  sd_bus_new(&server);
  sd_bus_set_fd(server, peer, peer);
  sd_bus_set_server(server, 1, id);
  sd_bus_set_anonymous(server, 1);
  sd_bus_add_filter(server, NULL, on_message, bus);
  sd_bus_start(server);
  for (;;) {
    int result = sd_bus_process(server, NULL);
    if (result < 0) {
      break;
    }
    if (result == 0 && sd_bus_wait(server, UINT64_MAX) < 0) {
      break;
    }
  }
  sd_bus_unref(server);
  return NULL;
}

static void bus_start(struct bus *bus) {
  strcpy(bus->folder, "/tmp/cyphonic-bus-XXXXXX");
  assert_non_null(mkdtemp(bus->folder));
  snprintf(bus->path, sizeof(bus->path), "%s/bus", bus->folder);
  snprintf(bus->address, sizeof(bus->address), "unix:path=%s", bus->path);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strcpy(address.sun_path, bus->path);
  bus->listener = socket(AF_UNIX, SOCK_STREAM, 0);
  assert_int_equal(bind(bus->listener, (const struct sockaddr *)&address, sizeof(address)), 0);
  assert_int_equal(listen(bus->listener, 1), 0);
  assert_int_equal(pthread_create(&bus->thread, NULL, bus_run, bus), 0);
  setenv("DBUS_SYSTEM_BUS_ADDRESS", bus->address, 1);
}

static void bus_stop(struct bus *bus) {
  pthread_join(bus->thread, NULL);
  close(bus->listener);
  unlink(bus->path);
  rmdir(bus->folder);
}

static struct address server_at(uint16_t port) {
  return (struct address){.ip = {.family = 4, .bytes = {10, 20, 0, 2}}, .port = port};
}

static int set_up_with(struct bus *bus, uint16_t port, struct error *error) {
  bus_start(bus);
  struct address server = server_at(port);
  int code = resolver_setup_resolved(LOOPBACK, &server, "x.internal", error);
  bus_stop(bus);
  return code;
}

static void resolved_is_told_of_server_domain_and_reverse_zones(void **state) {
  (void)state;
  struct bus bus = {.fault = NULL};
  struct error error = {0};
  if (set_up_with(&bus, 53, &error) != ERROR_NONE) {
    fail_msg("%s", error.message);
  }
  /* The zones are those of the interface's addresses: here, the loopback's. */
  static const char *const parts[] = {
      "SetLinkDNS 1 10.20.0.2 0\n", "SetLinkDomains x.internal ~127.in-addr.arpa",
      "\nSetLinkDefaultRoute\n",    "\nSetLinkDNSSEC\n",
      "\nSetLinkDNSOverTLS\n",
  };
  for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
    if (strstr(bus.seen, parts[i]) == NULL) {
      fail_msg("'%s' is not in '%s'", parts[i], bus.seen);
    }
  }
}

static void another_port_is_told_by_the_call_that_has_one(void **state) {
  (void)state;
  struct bus bus = {.fault = NULL};
  struct error error = {0};
  assert_int_equal(set_up_with(&bus, 5353, &error), ERROR_NONE);
  assert_non_null(strstr(bus.seen, "SetLinkDNSEx 1 10.20.0.2 5353\n"));
}

static void a_host_without_resolved_is_no_failure(void **state) {
  (void)state;
  struct bus bus = {.fault = SD_BUS_ERROR_SERVICE_UNKNOWN};
  struct error error = {0};
  assert_int_equal(set_up_with(&bus, 53, &error), ERROR_NOT_FOUND);
}

static void a_host_without_a_bus_is_no_failure(void **state) {
  (void)state;
  setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
  struct address server = server_at(53);
  struct error error = {0};
  assert_int_equal(resolver_setup_resolved(LOOPBACK, &server, "x.internal", &error),
                   ERROR_NOT_FOUND);
}

static void a_refusal_is_an_error_with_the_reason(void **state) {
  (void)state;
  struct bus bus = {.fault = SD_BUS_ERROR_ACCESS_DENIED};
  struct error error = {0};
  assert_int_equal(set_up_with(&bus, 53, &error), ERROR_PERMISSION);
  assert_non_null(strstr(error.message, "it does not"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(resolved_is_told_of_server_domain_and_reverse_zones),
      cmocka_unit_test(another_port_is_told_by_the_call_that_has_one),
      cmocka_unit_test(a_host_without_resolved_is_no_failure),
      cmocka_unit_test(a_host_without_a_bus_is_no_failure),
      cmocka_unit_test(a_refusal_is_an_error_with_the_reason),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
