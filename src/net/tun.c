#include "net/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>

#define TUN_DEVICE "/dev/net/tun"

struct tun {
  int descriptor;
  unsigned index;
  char name[IFNAMSIZ];
};

static int tun_device_error(int errno_value, struct error *error) {
  switch (errno_value) {
  case ENOENT:
  case ENODEV:
  case ENXIO:
    return error_set(error, ERROR_NOT_FOUND,
                     "this system has no " TUN_DEVICE ": load the kernel's tun module (modprobe "
                     "tun), or give the device to the container");
  case EACCES:
  case EPERM:
    return error_set(error, ERROR_PERMISSION,
                     "may not open " TUN_DEVICE ": run as root, or through the service unit");
  default:
    return error_set_errno(error, errno_value, "cannot open " TUN_DEVICE);
  }
}

static int tun_create_error(int errno_value, const char *name, struct error *error) {
  switch (errno_value) {
  case EBUSY:
  case EEXIST:
    return error_set(error, ERROR_EXISTS,
                     "there is an interface %s already: stop the program that holds it, delete it "
                     "(ip link delete %s) or choose another name",
                     name, name);
  case EACCES:
  case EPERM:
    return error_set(error, ERROR_PERMISSION,
                     "may not create the interface %s: this needs CAP_NET_ADMIN; run as root, or "
                     "through the service unit",
                     name);
  case EINVAL:
    return error_set(error, ERROR_INVALID, "'%s' is no valid name for an interface", name);
  default:
    return error_set_errno(error, errno_value, "cannot create the interface %s", name);
  }
}

int tun_open(const char *name, struct tun **out, struct error *error) {
  if (name[0] == '\0' || strlen(name) >= IFNAMSIZ) {
    return error_set(error, ERROR_INVALID,
                     "'%.50s' is no valid name for an interface: 1 to %d characters", name,
                     IFNAMSIZ - 1);
  }
  struct tun *tun = calloc(1, sizeof(*tun));
  if (tun == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for the interface %s", name);
  }
  int code = 0;
  tun->descriptor = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (tun->descriptor < 0) {
    code = tun_device_error(errno, error);
    goto fail;
  }
  struct ifreq request = {0};
  /* Exclusive: an interface that somebody else made persistent has settings that are not ours. */
  request.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL);
  memcpy(request.ifr_name, name, strlen(name) + 1);
  if (ioctl(tun->descriptor, TUNSETIFF, &request) != 0) {
    code = tun_create_error(errno, name, error);
    goto fail;
  }
  memcpy(tun->name, request.ifr_name, sizeof(tun->name));
  tun->name[sizeof(tun->name) - 1] = '\0';
  tun->index = if_nametoindex(tun->name);
  if (tun->index == 0) {
    code = error_set_errno(error, errno, "cannot find the new interface %s", tun->name);
    goto fail;
  }
  *out = tun;
  return 0;

fail:
  tun_close(tun);
  return code;
}

void tun_close(struct tun *tun) {
  if (tun == NULL) {
    return;
  }
  if (tun->descriptor >= 0) {
    close(tun->descriptor);
  }
  free(tun);
}

int tun_descriptor(const struct tun *tun) {
  return tun->descriptor;
}

const char *tun_name(const struct tun *tun) {
  return tun->name;
}

unsigned tun_index(const struct tun *tun) {
  return tun->index;
}

static int tun_code_of_errno(int errno_value) {
  switch (errno_value) {
  case EAGAIN:
    return ERROR_AGAIN;
  case EBADFD: /* the interface was deleted */
  case EFAULT: /* the same, between the kernel's check and the read */
  case EIO:    /* the interface is down */
    return ERROR_CLOSED;
  case EINVAL: /* no IP packet */
    return ERROR_INVALID;
  case ENOMEM:
  case ENOBUFS:
    return ERROR_NO_MEMORY;
  default:
    return ERROR_SYSTEM;
  }
}

int tun_read(struct tun *tun, uint8_t *data, size_t capacity, size_t *size) {
  ssize_t got;
  do {
    got = read(tun->descriptor, data, capacity);
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    return tun_code_of_errno(errno);
  }
  *size = (size_t)got;
  return 0;
}

int tun_write(struct tun *tun, const uint8_t *data, size_t size) {
  ssize_t wrote;
  do {
    wrote = write(tun->descriptor, data, size);
  } while (wrote < 0 && errno == EINTR);
  return wrote < 0 ? tun_code_of_errno(errno) : 0;
}
