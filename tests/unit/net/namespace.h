/* A network namespace of the test's own, so that it can make and break interfaces; and a look at
 * the world with no rights. */
#ifndef CYPHONIC_TESTS_NET_NAMESPACE_H
#define CYPHONIC_TESTS_NET_NAMESPACE_H

#include <stdbool.h>

struct netlink;

/* A group's setup: moves this process into a new network namespace, where that is allowed. */
int namespace_enter(void **state);

/* Skips the test if namespace_enter was not allowed to. */
void namespace_need(void **state);

/* Runs `action` in a child process as a user without rights and returns what it returned, which
 * must be 0 or a negative error code. Needs root. */
int as_nobody(int (*action)(void *context), void *context);

/* Waits until the descriptor is readable; fails the test after some seconds. */
void wait_readable(int descriptor);

/* Brings the loopback interface up, whose index is 1 in every namespace. */
void loopback_up(struct netlink *netlink);

#endif
