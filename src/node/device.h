/* What this device says of itself for its record at AS (paper 2.1). */
#ifndef CYPHONIC_NODE_DEVICE_H
#define CYPHONIC_NODE_DEVICE_H

enum { DEVICE_TEXT_SIZE = 128 };

struct device {
  char host[DEVICE_TEXT_SIZE];     /* its own name, as the system has it */
  char hardware[DEVICE_TEXT_SIZE]; /* "x86_64" */
  char os[DEVICE_TEXT_SIZE];       /* "Linux 6.1.0" */
};

void device_describe(struct device *device);

#endif
