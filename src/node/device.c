#include "node/device.h"

#include <stdio.h>
#include <sys/utsname.h>

void device_describe(struct device *device) {
  *device = (struct device){0};
  struct utsname system;
  if (uname(&system))
    return; /* the record stays without them; nothing depends on it */
  snprintf(device->host, sizeof device->host, "%s", system.nodename);
  snprintf(device->hardware, sizeof device->hardware, "%s", system.machine);
  snprintf(device->os, sizeof device->os, "%.60s %.60s", system.sysname, system.release);
}
