#include "net/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#define TUN_DEVICE "/dev/net/tun"

/* Linux 6.2; the headers that we build with may be older than the kernel that we run on. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#endif
#ifndef TUN_F_USO6
#define TUN_F_USO6 0x40
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

struct tun {
  int descriptor;
  unsigned index;
  unsigned offloads;
  bool multi_queue;
  size_t header_size; /* of virtio's header before each packet; 0: a kernel without it */
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

/* A kernel refuses the whole set for one that it does not know, hence from the richest down. */
static void take_offloads(struct tun *tun) {
  enum { TCP = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 };
  static const struct {
    unsigned long asked;
    unsigned given;
  } sets[] = {
      {TCP | TUN_F_TSO_ECN | TUN_F_USO4 | TUN_F_USO6,
       TUN_OFFLOADS_CHECKSUM | TUN_OFFLOADS_TCP | TUN_OFFLOADS_UDP},
      {TCP | TUN_F_TSO_ECN, TUN_OFFLOADS_CHECKSUM | TUN_OFFLOADS_TCP},
      {TCP, TUN_OFFLOADS_CHECKSUM | TUN_OFFLOADS_TCP},
      {TUN_F_CSUM, TUN_OFFLOADS_CHECKSUM},
  };
  for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
    if (ioctl(tun->descriptor, TUNSETOFFLOAD, sets[i].asked) == 0) {
      tun->offloads = sets[i].given;
      return;
    }
  }
}

/* The kernel's default, but everything read and written depends on it. */
static int set_header_size(struct tun *tun, struct error *error) {
  int size = (int)tun->header_size;
  if (size > 0 && ioctl(tun->descriptor, TUNSETVNETHDRSZ, &size) != 0) {
    return error_set_errno(error, errno, "cannot set the packet header of the interface %s",
                           tun->name);
  }
  return 0;
}

static short interface_flags(struct tun *tun) {
  unsigned features;
  bool has_header =
      ioctl(tun->descriptor, TUNGETFEATURES, &features) == 0 && (features & IFF_VNET_HDR) != 0;
  tun->header_size = has_header ? sizeof(struct virtio_net_hdr) : 0;
  return (short)(IFF_TUN | IFF_NO_PI | (has_header ? IFF_VNET_HDR : 0) |
                 (tun->multi_queue ? IFF_MULTI_QUEUE : 0));
}

/* `exclusive`: an interface that somebody else made persistent has settings that are not ours. */
static int attach(struct tun *tun, const char *name, bool exclusive, struct error *error) {
  tun->descriptor = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (tun->descriptor < 0) {
    return tun_device_error(errno, error);
  }
  struct ifreq request = {0};
  request.ifr_flags = (short)(interface_flags(tun) | (exclusive ? IFF_TUN_EXCL : 0));
  memcpy(request.ifr_name, name, strlen(name) + 1);
  if (ioctl(tun->descriptor, TUNSETIFF, &request) != 0) {
    return tun_create_error(errno, name, error);
  }
  memcpy(tun->name, request.ifr_name, sizeof(tun->name));
  tun->name[sizeof(tun->name) - 1] = '\0';
  tun->index = if_nametoindex(tun->name);
  if (tun->index == 0) {
    return error_set_errno(error, errno, "cannot find the new interface %s", tun->name);
  }
  return 0;
}

static int tun_new(const char *name, struct tun **tun, struct error *error) {
  *tun = calloc(1, sizeof(**tun));
  if (*tun == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "out of memory for the interface %s", name);
  }
  (*tun)->descriptor = -1;
  return 0;
}

int tun_open_with(const char *name, const struct tun_options *options, struct tun **out,
                  struct error *error) {
  if (name[0] == '\0' || strlen(name) >= IFNAMSIZ) {
    return error_set(error, ERROR_INVALID,
                     "'%.50s' is no valid name for an interface: 1 to %d characters", name,
                     IFNAMSIZ - 1);
  }
  struct tun *tun;
  int code = tun_new(name, &tun, error);
  if (code != 0) {
    return code;
  }
  tun->multi_queue = options->multi_queue;
  code = attach(tun, name, true, error);
  if (code == 0) {
    code = set_header_size(tun, error);
  }
  if (code != 0) {
    tun_close(tun);
    return code;
  }
  if (options->offload && tun->header_size > 0) {
    take_offloads(tun);
  }
  *out = tun;
  return 0;
}

int tun_open(const char *name, struct tun **tun, struct error *error) {
  const struct tun_options none = {0};
  return tun_open_with(name, &none, tun, error);
}

int tun_queue_open(const struct tun *tun, struct tun **out, struct error *error) {
  if (!tun->multi_queue) {
    return error_set(error, ERROR_INVALID, "the interface %s was opened for one queue", tun->name);
  }
  struct tun *queue;
  int code = tun_new(tun->name, &queue, error);
  if (code != 0) {
    return code;
  }
  queue->multi_queue = true;
  queue->offloads = tun->offloads;
  code = attach(queue, tun->name, false, error);
  /* Not exclusive, the call makes a new interface where the old one has just been deleted. */
  if (code == 0 && queue->index != tun->index) {
    code = error_set(error, ERROR_CLOSED, "the interface %s is gone", tun->name);
  }
  if (code != 0) {
    tun_close(queue);
    return code;
  }
  *out = queue;
  return 0;
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

unsigned tun_offloads(const struct tun *tun) {
  return tun->offloads;
}

static int tun_code_of_errno(int errno_value) {
  switch (errno_value) {
  case EAGAIN:
    return ERROR_AGAIN;
  case EBADFD: /* the interface was deleted */
  case EFAULT: /* the same, between the kernel's check and the read */
  case EIO:    /* the interface is down */
    return ERROR_CLOSED;
  case EINVAL: /* no IP packet, or an offload that contradicts it */
    return ERROR_INVALID;
  case ENOMEM:
  case ENOBUFS:
    return ERROR_NO_MEMORY;
  default:
    return ERROR_SYSTEM;
  }
}

/* Virtio's header is in the machine's byte order unless one asks for another. */
static int offload_from_header(const struct virtio_net_hdr *header, struct tun_offload *offload) {
  *offload = (struct tun_offload){0};
  switch (header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
  case VIRTIO_NET_HDR_GSO_NONE:
    break;
  case VIRTIO_NET_HDR_GSO_TCPV4:
    offload->kind = TUN_OFFLOAD_TCP_IPV4;
    break;
  case VIRTIO_NET_HDR_GSO_TCPV6:
    offload->kind = TUN_OFFLOAD_TCP_IPV6;
    break;
  case VIRTIO_NET_HDR_GSO_UDP_L4:
    offload->kind = TUN_OFFLOAD_UDP;
    break;
  default:
    return ERROR_INVALID;
  }
  if (offload->kind != TUN_OFFLOAD_NONE) {
    offload->segment_size = header->gso_size;
    offload->header_size = header->hdr_len;
    offload->ecn = (header->gso_type & VIRTIO_NET_HDR_GSO_ECN) != 0;
  }
  if ((header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0) {
    offload->needs_checksum = true;
    offload->checksum_start = header->csum_start;
    offload->checksum_offset = header->csum_offset;
  }
  return 0;
}

static struct virtio_net_hdr header_from_offload(const struct tun_offload *offload) {
  static const uint8_t types[] = {
      [TUN_OFFLOAD_NONE] = VIRTIO_NET_HDR_GSO_NONE,
      [TUN_OFFLOAD_TCP_IPV4] = VIRTIO_NET_HDR_GSO_TCPV4,
      [TUN_OFFLOAD_TCP_IPV6] = VIRTIO_NET_HDR_GSO_TCPV6,
      [TUN_OFFLOAD_UDP] = VIRTIO_NET_HDR_GSO_UDP_L4,
  };
  struct virtio_net_hdr header = {
      .gso_type = (uint8_t)(types[offload->kind] | (offload->ecn ? VIRTIO_NET_HDR_GSO_ECN : 0)),
      .hdr_len = offload->header_size,
      .gso_size = offload->segment_size,
  };
  if (offload->needs_checksum) {
    header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    header.csum_start = offload->checksum_start;
    header.csum_offset = offload->checksum_offset;
  }
  return header;
}

int tun_read_super(struct tun *tun, uint8_t *data, size_t capacity, size_t *size,
                   struct tun_offload *offload) {
  struct virtio_net_hdr header = {0};
  const struct iovec pieces[] = {
      {.iov_base = &header, .iov_len = tun->header_size},
      {.iov_base = data, .iov_len = capacity},
  };
  ssize_t got;
  do {
    got = readv(tun->descriptor, pieces, sizeof(pieces) / sizeof(pieces[0]));
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    return tun_code_of_errno(errno);
  }
  if ((size_t)got < tun->header_size) {
    return ERROR_INVALID;
  }
  *size = (size_t)got - tun->header_size;
  return offload_from_header(&header, offload);
}

int tun_write_super(struct tun *tun, const struct span *spans, size_t count,
                    const struct tun_offload *offload) {
  if (count > TUN_SPANS_MAX) {
    return ERROR_LIMIT;
  }
  bool complete = offload->kind == TUN_OFFLOAD_NONE && !offload->needs_checksum;
  if (tun->header_size == 0 && !complete) {
    return ERROR_INVALID;
  }
  struct virtio_net_hdr header = header_from_offload(offload);
  struct iovec pieces[1 + TUN_SPANS_MAX];
  pieces[0] = (struct iovec){.iov_base = &header, .iov_len = tun->header_size};
  for (size_t i = 0; i < count; i++) {
    /* writev's own type is not const; it does not write to what it is given. */
    pieces[1 + i] =
        (struct iovec){.iov_base = (void *)(uintptr_t)spans[i].data, .iov_len = spans[i].size};
  }
  ssize_t wrote;
  do {
    wrote = writev(tun->descriptor, pieces, (int)(1 + count));
  } while (wrote < 0 && errno == EINTR);
  return wrote < 0 ? tun_code_of_errno(errno) : 0;
}

int tun_read(struct tun *tun, uint8_t *data, size_t capacity, size_t *size) {
  struct tun_offload offload;
  int code = tun_read_super(tun, data, capacity, size, &offload);
  if (code != 0) {
    return code;
  }
  return offload.kind == TUN_OFFLOAD_NONE && !offload.needs_checksum ? 0 : ERROR_INVALID;
}

int tun_write(struct tun *tun, const uint8_t *data, size_t size) {
  const struct span packet = {.data = data, .size = size};
  const struct tun_offload none = {0};
  return tun_write_super(tun, &packet, 1, &none);
}
