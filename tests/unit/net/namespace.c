#include "namespace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "net/netlink.h"

enum { NOBODY = 65534, WAIT_MILLISECONDS = 10000, LOOPBACK_MTU = 65536 };

int namespace_enter(void **state) {
  static char entered;
  *state = unshare(CLONE_NEWNET) == 0 ? &entered : NULL;
  return 0;
}

void namespace_need(void **state) {
  if (*state == NULL) {
    skip();
  }
}

int as_nobody(int (*action)(void *context), void *context) {
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0) {
      _exit(255);
    }
    _exit(-action(context));
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  assert_int_not_equal(WEXITSTATUS(status), 255);
  return -WEXITSTATUS(status);
}

void wait_readable(int descriptor) {
  struct pollfd item = {.fd = descriptor, .events = POLLIN};
  assert_int_equal(poll(&item, 1, WAIT_MILLISECONDS), 1);
}

void loopback_up(struct netlink *netlink) {
  struct error error = {0};
  if (netlink_link_up(netlink, 1, LOOPBACK_MTU, &error) != 0) {
    fail_msg("%s", error.message);
  }
}
