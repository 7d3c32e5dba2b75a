/* Errors: one list of codes, and a message made where the fault is known.
 *
 * Every function that can fail returns 0 or one of the negative codes below and, where the
 * reason deserves words, fills a `struct error` of the caller's. The message says what failed,
 * where, with which value, and what to do; it is logged once, by whoever gives up. */
#ifndef CYPHONIC_BASE_ERROR_H
#define CYPHONIC_BASE_ERROR_H

/* Marks a function whose result the caller must look at. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* Marks a parameter or variable that an interface asks for and this code has no use for. */
#define UNUSED __attribute__((unused))

enum error_code {
  ERROR_NONE = 0,
  ERROR_NO_MEMORY = -1,
  ERROR_INVALID = -2,      /* a value that cannot be: message, packet, argument */
  ERROR_CONFIG = -3,       /* a configuration file or a command line */
  ERROR_NOT_FOUND = -4,    /* no such file, name, device */
  ERROR_EXISTS = -5,       /* there is one already: a name taken, a file in the way */
  ERROR_PERMISSION = -6,   /* the system, a peer or a policy does not allow it */
  ERROR_EXPIRED = -7,      /* a certificate, invitation or token past its time */
  ERROR_CERTIFICATE = -8,  /* a certificate, key or chain that does not hold */
  ERROR_TLS = -9,          /* the TLS library refused */
  ERROR_PROTOCOL = -10,    /* a peer broke the protocol */
  ERROR_DATABASE = -11,    /* the database refused: locked, read-only, newer schema */
  ERROR_SYSTEM = -12,      /* a system call failed; the message bears errno's text */
  ERROR_UNREACHABLE = -13, /* nobody answers, or no route leads there */
  ERROR_TIMEOUT = -14,
  ERROR_CLOSED = -15, /* the connection or stream is gone */
  ERROR_LIMIT = -16,  /* a bound of ours is reached */
  ERROR_AGAIN = -17,  /* not now; the caller is told when */
  ERROR_RELAY = -18,  /* the two nodes need a relay and there is none */
};

struct error {
  enum error_code code;
  char message[512]; /* always terminated; empty where code is ERROR_NONE */
};

/* Fills `error` (which may be NULL) and returns `code`, so that a function fails in one line:
 * `return error_set(error, ERROR_CONFIG, "%s:%d: ...", file, line);` */
int error_set(struct error *error, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As error_set, with ": " and the text of `errno_value` appended; the code is derived from it
 * (EACCES and EPERM: ERROR_PERMISSION; ENOENT: ERROR_NOT_FOUND; EEXIST, EADDRINUSE: ERROR_EXISTS;
 * ENOMEM: ERROR_NO_MEMORY; ENETUNREACH and EHOSTUNREACH: ERROR_UNREACHABLE; else ERROR_SYSTEM). */
int error_set_errno(struct error *error, int errno_value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts text (for example "while joining: ") in front of the message, for a caller that knows more.
 * Returns error->code, or ERROR_SYSTEM where `error` is NULL: never success. */
int error_prefix(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A short stable name such as "not-found", for logs and JSON. Never NULL. */
const char *error_name(int code);

#endif
