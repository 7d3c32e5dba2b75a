/* A wire that is long, and loses: Ethernet frames from one interface leave by the other after a
 * while, both ways. For kernels without netem; nothing on the path knows of it.
 *
 *   delay-forwarder [OPTION...] INTERFACE INTERFACE
 *     --delay MS     one way, decimal fractions allowed
 *     --jitter MS    added at random to each frame from 0 to this: frames overtake each other
 *     --loss PERCENT of the frames each way, at random
 *     --seed N       of the randomness; the same frames of a run of the same seed are lost
 *     --rate MBIT    a second, each way
 *     --queue MS     what waits for its turn at that rate; more is dropped (default 50)
 *
 * Prints "ready" when it forwards. On SIGHUP the randomness begins anew, so that what comes next
 * has the same losses again; on SIGUSR1 it begins with the next seed. On SIGTERM it lets arrive
 * what is on its way, prints, a line each way, what became of the frames, and ends with 0;
 * "overrun" are those that it lost by being too slow, which makes a run void.
 *
 * A frame is lost or passes as a whole, so the interfaces' peers must not send joined ones: their
 * gso_max_segs has to be 1. Joined frames pass as they are and are counted. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
  WAYS = 2,
  BATCH = 64,           /* frames a system call */
  FRAMES_MAX = 1 << 16, /* on the way in one direction: 50 ms of 1,500-byte frames at 15 Gbit/s */
  FRAME_SIZE = 2048,    /* with its virtio header */
  SOCKET_BUFFER = 64 << 20,
  NS_PER_MS = 1000000,
};

struct options {
  uint64_t delay, jitter, queue; /* nanoseconds */
  double loss;                   /* 0 to 1 */
  double ns_per_bit;             /* 0: no limit */
  uint64_t seed;
};

/* A frame on its way. Frames of one due time leave in the order of `number`. */
struct travel {
  uint64_t due;
  uint64_t number;
  uint32_t slot;
  uint32_t size;
};

struct way {
  const char *from, *to;
  int in, out; /* packet sockets */
  uint8_t (*storage)[FRAME_SIZE];
  uint32_t free_slots[FRAMES_MAX]; /* a stack, so that few pages are ever touched */
  size_t free_count;
  struct travel heap[FRAMES_MAX]; /* the earliest first */
  size_t count;
  uint64_t random, numbers;
  uint64_t line_free; /* when the line has sent all that it was given */
  struct {
    uint64_t forwarded, lost, queue_full, overrun, joined;
  } counters;
};

static struct way ways[WAYS];
static volatile sig_atomic_t stopped, again, next;

static void on_signal(int signal_number) {
  if (signal_number == SIGHUP) {
    again = 1;
  } else if (signal_number == SIGUSR1) {
    again = next = 1;
  } else {
    stopped = 1;
  }
}

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "delay-forwarder: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* From 0 to below 1, by splitmix64. */
static double random_fraction(struct way *way) {
  uint64_t z = way->random += 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  z ^= z >> 31;
  return (double)(z >> 11) / 9007199254740992.0; /* 2 to the 53rd */
}

/* --- the heap --- */

static bool before(const struct travel *a, const struct travel *b) {
  return a->due != b->due ? a->due < b->due : a->number < b->number;
}

static void heap_push(struct way *way, struct travel travel) {
  size_t i = way->count++;
  for (; i > 0 && before(&travel, &way->heap[(i - 1) / 2]); i = (i - 1) / 2) {
    way->heap[i] = way->heap[(i - 1) / 2];
  }
  way->heap[i] = travel;
}

static struct travel heap_pop(struct way *way) {
  struct travel first = way->heap[0], last = way->heap[--way->count];
  size_t i = 0;
  for (size_t child; (child = 2 * i + 1) < way->count; i = child) {
    if (child + 1 < way->count && before(&way->heap[child + 1], &way->heap[child])) {
      child++;
    }
    if (!before(&way->heap[child], &last)) {
      break;
    }
    way->heap[i] = way->heap[child];
  }
  way->heap[i] = last;
  return first;
}

/* --- in and out --- */

static int open_interface(const char *name) {
  const int on = 1, buffer = SOCKET_BUFFER;
  unsigned index = if_nametoindex(name);
  if (index == 0) {
    fail(name);
  }
  /* Without a protocol until bound: or frames of all interfaces would come meanwhile. */
  int descriptor = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_ll address = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)index};
  if (descriptor < 0) {
    fail("cannot open a packet socket");
  }
  /* The virtio header tells of checksums that are still to be computed, and has them computed. */
  if (setsockopt(descriptor, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) != 0 ||
      setsockopt(descriptor, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) != 0 ||
      setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) != 0 ||
      setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer)) != 0) {
    fail("cannot set the options of a packet socket");
  }
  if (bind(descriptor, (struct sockaddr *)&address, sizeof(address)) != 0) {
    fail(name);
  }
  return descriptor;
}

/* Decides what becomes of a frame that came; its slot is kept or given back. */
static void take(struct way *way, const struct options *options, uint32_t slot, size_t size,
                 uint64_t now) {
  const struct virtio_net_hdr *header = (const struct virtio_net_hdr *)way->storage[slot];
  /* Drawn for each frame, whatever becomes of it, so that a seed always means the same frames. */
  bool lost = random_fraction(way) < options->loss;
  double jitter = random_fraction(way) * (double)options->jitter;
  uint64_t departure = now;
  if (header->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
    way->counters.joined++;
  }
  if (options->ns_per_bit > 0 && !lost) {
    uint64_t begin = way->line_free > now ? way->line_free : now;
    if (begin - now > options->queue) {
      way->counters.queue_full++;
      way->free_slots[way->free_count++] = slot;
      return;
    }
    double bits = 8 * (double)(size - sizeof(*header));
    departure = way->line_free = begin + (uint64_t)(bits * options->ns_per_bit);
  }
  if (lost) {
    way->counters.lost++;
    way->free_slots[way->free_count++] = slot;
    return;
  }
  heap_push(way, (struct travel){.due = departure + options->delay + (uint64_t)jitter,
                                 .number = way->numbers++,
                                 .slot = slot,
                                 .size = (uint32_t)size});
}

/* Returns whether there may be more. */
static bool receive(struct way *way, const struct options *options) {
  struct mmsghdr messages[BATCH] = {0};
  struct iovec vectors[BATCH];
  uint32_t slots[BATCH];
  unsigned wanted = way->free_count < BATCH ? (unsigned)way->free_count : BATCH;
  if (wanted == 0) {
    return false; /* the socket's buffer fills up next, and the kernel counts what it drops */
  }
  for (unsigned i = 0; i < wanted; i++) {
    slots[i] = way->free_slots[--way->free_count];
    vectors[i] = (struct iovec){way->storage[slots[i]], FRAME_SIZE};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  int got = recvmmsg(way->in, messages, wanted, MSG_DONTWAIT, NULL);
  if (got < 0 && errno != EAGAIN && errno != EINTR && errno != ENETDOWN) {
    fail("cannot receive");
  }
  unsigned count = got < 0 ? 0 : (unsigned)got;
  /* Read after the frames: a frame never leaves before it came. */
  uint64_t now = now_ns();
  for (unsigned i = wanted; i-- > count;) {
    way->free_slots[way->free_count++] = slots[i];
  }
  for (unsigned i = 0; i < count; i++) {
    if ((messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) {
      way->counters.joined++;
      way->free_slots[way->free_count++] = slots[i];
    } else {
      take(way, options, slots[i], messages[i].msg_len, now);
    }
  }
  return count == wanted;
}

static void send_due(struct way *way, uint64_t now) {
  while (way->count > 0 && way->heap[0].due <= now) {
    struct mmsghdr messages[BATCH] = {0};
    struct iovec vectors[BATCH];
    uint32_t slots[BATCH];
    unsigned count = 0;
    while (count < BATCH && way->count > 0 && way->heap[0].due <= now) {
      struct travel travel = heap_pop(way);
      slots[count] = travel.slot;
      vectors[count] = (struct iovec){way->storage[travel.slot], travel.size};
      messages[count].msg_hdr.msg_iov = &vectors[count];
      messages[count].msg_hdr.msg_iovlen = 1;
      count++;
    }
    for (unsigned done = 0; done < count;) {
      int sent = sendmmsg(way->out, &messages[done], count - done, MSG_DONTWAIT);
      if (sent > 0) {
        done += (unsigned)sent;
        way->counters.forwarded += (unsigned)sent;
      } else if (errno != EINTR) {
        way->counters.overrun++;
        done++;
      }
    }
    for (unsigned i = 0; i < count; i++) {
      way->free_slots[way->free_count++] = slots[i];
    }
  }
}

static void seed(uint64_t value) {
  ways[0].random = value;
  ways[1].random = ~value;
}

static void forward(struct options *options) {
  sigset_t none;
  sigemptyset(&none);
  for (;;) {
    bool more = false;
    if (again) {
      options->seed += (uint64_t)next;
      again = next = 0;
      seed(options->seed);
    }
    uint64_t due = UINT64_MAX;
    for (struct way *way = ways; way < ways + WAYS; way++) {
      more |= !stopped && receive(way, options);
      send_due(way, now_ns());
      if (way->count > 0 && way->heap[0].due < due) {
        due = way->heap[0].due;
      }
    }
    if (stopped && due == UINT64_MAX) {
      return;
    }
    uint64_t now = now_ns();
    uint64_t wait = more || due <= now ? 0 : due - now;
    struct timespec timeout = {.tv_sec = (time_t)(wait / 1000000000U),
                               .tv_nsec = (long)(wait % 1000000000U)};
    struct pollfd polls[WAYS] = {{.fd = ways[0].in, .events = stopped ? 0 : POLLIN},
                                 {.fd = ways[1].in, .events = stopped ? 0 : POLLIN}};
    if (ppoll(polls, WAYS, due == UINT64_MAX && !more ? NULL : &timeout, &none) < 0 &&
        errno != EINTR) {
      fail("cannot wait");
    }
  }
}

static void prepare_way(struct way *way, const char *from, const char *to) {
  way->from = from;
  way->to = to;
  way->storage = mmap(NULL, (size_t)FRAMES_MAX * FRAME_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (way->storage == MAP_FAILED) {
    fail("no memory");
  }
  while (way->free_count < FRAMES_MAX) {
    way->free_slots[way->free_count] = (uint32_t)(FRAMES_MAX - 1 - way->free_count);
    way->free_count++;
  }
}

static void report(struct way *way) {
  struct tpacket_stats kernel = {0};
  socklen_t size = sizeof(kernel);
  if (getsockopt(way->in, SOL_PACKET, PACKET_STATISTICS, &kernel, &size) != 0) {
    fail("cannot read the statistics");
  }
  printf("from=%s to=%s forwarded=%llu lost=%llu queue_full=%llu overrun=%llu joined=%llu\n",
         way->from, way->to, (unsigned long long)way->counters.forwarded,
         (unsigned long long)way->counters.lost, (unsigned long long)way->counters.queue_full,
         (unsigned long long)(way->counters.overrun + kernel.tp_drops),
         (unsigned long long)way->counters.joined);
}

/* --- the command line --- */

static _Noreturn void wrong_usage(void) {
  fprintf(stderr, "usage: delay-forwarder [--delay MS] [--jitter MS] [--loss PERCENT] [--seed N] "
                  "[--rate MBIT] [--queue MS] INTERFACE INTERFACE\n");
  exit(2);
}

static double number(const char *text, double limit) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end != '\0' || !(value >= 0 && value <= limit)) {
    fprintf(stderr, "delay-forwarder: '%s' is no number from 0 to %g\n", text, limit);
    exit(2);
  }
  return value;
}

int main(int argc, char **argv) {
  static const struct option names[] = {
      {"delay", required_argument, NULL, 'd'},
      {"jitter", required_argument, NULL, 'j'},
      {"loss", required_argument, NULL, 'l'},
      {"seed", required_argument, NULL, 's'},
      {"rate", required_argument, NULL, 'r'},
      {"queue", required_argument, NULL, 'q'},
      {NULL, 0, NULL, 0},
  };
  struct options options = {.queue = 50 * NS_PER_MS, .seed = 1};
  for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    switch (option) {
    case 'd':
      options.delay = (uint64_t)(number(optarg, 10000) * NS_PER_MS);
      break;
    case 'j':
      options.jitter = (uint64_t)(number(optarg, 10000) * NS_PER_MS);
      break;
    case 'l':
      options.loss = number(optarg, 100) / 100;
      break;
    case 's':
      options.seed = (uint64_t)number(optarg, 1e15);
      break;
    case 'r': {
      double rate = number(optarg, 1e6);
      options.ns_per_bit = rate > 0 ? 1000 / rate : 0;
      break;
    }
    case 'q':
      options.queue = (uint64_t)(number(optarg, 10000) * NS_PER_MS);
      break;
    default:
      wrong_usage();
    }
  }
  if (argc - optind != WAYS) {
    wrong_usage();
  }
  const char *a = argv[optind], *b = argv[optind + 1];
  /* Signals come in ppoll only, so that none is overlooked just before it. */
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  sigaddset(&signals, SIGUSR1);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  const struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGHUP, &action, NULL);
  sigaction(SIGUSR1, &action, NULL);
  prctl(PR_SET_TIMERSLACK, 1000UL); /* nanoseconds; 50,000 are usual */
  prepare_way(&ways[0], a, b);
  prepare_way(&ways[1], b, a);
  seed(options.seed);
  int socket_a = open_interface(a), socket_b = open_interface(b);
  ways[0].in = ways[1].out = socket_a;
  ways[1].in = ways[0].out = socket_b;
  printf("ready\n");
  fflush(stdout);
  forward(&options);
  report(&ways[0]);
  report(&ways[1]);
  return 0;
}
