#include "node/main/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define TUN_PATH "/dev/net/tun"

enum { STATE_MODE = 0700, SOCKET_FOLDER_MODE = 0755 };

struct account {
  uid_t user;
  gid_t group;
};

static int account_find(const char *user, struct account *account, struct error *error) {
  errno = 0;
  /* The daemon has one thread here. */
  const struct passwd *entry = getpwnam(user);
  if (entry == NULL) {
    return errno != 0 && errno != ENOENT
               ? error_set_errno(error, errno, "cannot look the user '%s' up", user)
               : error_set(error, ERROR_CONFIG,
                           "[node] user: there is no user '%s'; make it with: useradd --system %s",
                           user, user);
  }
  *account = (struct account){.user = entry->pw_uid, .group = entry->pw_gid};
  return ERROR_NONE;
}

/* Only a folder that is made here changes hands: another may be shared, as /run is. */
static int folder_make(const char *path, mode_t mode, const struct account *owner,
                       struct error *error) {
  struct stat status;
  if (stat(path, &status) == 0) {
    return S_ISDIR(status.st_mode)
               ? ERROR_NONE
               : error_set(error, ERROR_EXISTS, "%s is in the way and no folder", path);
  }
  int code = file_make_folder(path, mode, error);
  if (code != ERROR_NONE || owner == NULL) {
    return code;
  }
  if (chown(path, owner->user, owner->group) != 0) {
    return error_set_errno(error, errno, "cannot give the folder %s to the daemon's user", path);
  }
  return ERROR_NONE;
}

int privileges_make_folders(const char *state, const char *socket, const char *user,
                            struct error *error) {
  struct account account;
  const struct account *owner = NULL;
  if (geteuid() == 0 && user != NULL) {
    int code = account_find(user, &account, error);
    if (code != ERROR_NONE) {
      return code;
    }
    owner = &account;
  }
  int code = folder_make(state, STATE_MODE, owner, error);
  if (code != ERROR_NONE) {
    return code;
  }
  char *folder = strdup(socket);
  if (folder == NULL) {
    return error_set(error, ERROR_NO_MEMORY, "no memory for a path");
  }
  char *slash = strrchr(folder, '/');
  if (slash != NULL && slash != folder) {
    *slash = '\0';
    code = folder_make(folder, SOCKET_FOLDER_MODE, owner, error);
  }
  free(folder);
  return code;
}

static int capability_check(struct error *error) {
  if (capng_get_caps_process() != 0) {
    return error_set(error, ERROR_SYSTEM, "cannot read the process's capabilities");
  }
  if (capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN) == 0) {
    return error_set(error, ERROR_PERMISSION,
                     "cyphonicd may not make a TUN device: it lacks CAP_NET_ADMIN. Start it by "
                     "'systemctl start cyphonic', or as root");
  }
  return ERROR_NONE;
}

/* As whom the daemon runs in the end: the device file may be root's alone. */
static int device_check(struct error *error) {
  if (access(TUN_PATH, F_OK) != 0) {
    return error_set_errno(error, errno,
                           "cyphonicd cannot make a TUN device: no " TUN_PATH
                           "; try 'modprobe tun', or give the container that device");
  }
  int descriptor = open(TUN_PATH, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) {
    return error_set_errno(error, errno,
                           "user %u may not open " TUN_PATH ", so that cyphonicd cannot make a TUN "
                           "device; its usual mode is 0666 ('chmod 0666 " TUN_PATH "')",
                           (unsigned)geteuid());
  }
  close(descriptor);
  return ERROR_NONE;
}

static int capabilities_reduce(bool root, const struct account *account, struct error *error) {
  bool may_bind = capng_have_capability(CAPNG_PERMITTED, CAP_NET_BIND_SERVICE) != 0;
  bool bounds = root && capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) != 0;
  capng_type_t kept = CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET;
  capng_clear(CAPNG_SELECT_ALL);
  if (capng_update(CAPNG_ADD, kept, CAP_NET_ADMIN) != 0 ||
      (may_bind && capng_update(CAPNG_ADD, kept, CAP_NET_BIND_SERVICE) != 0)) {
    return error_set(error, ERROR_SYSTEM, "cannot choose the capabilities to keep");
  }
  int result;
  if (account != NULL) {
    /* The bounding set goes first: the change of user takes the right to shrink it. */
    if (bounds && capng_apply(CAPNG_SELECT_BOUNDS) != 0) {
      return error_set(error, ERROR_SYSTEM, "cannot shrink the bounding set");
    }
    result = capng_change_id((int)account->user, (int)account->group, CAPNG_INIT_SUPP_GRP);
  } else {
    result = capng_apply(bounds ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
    if (result == 0) {
      /* What systemd put there would come back with each program that is run. */
      result = capng_apply(CAPNG_SELECT_AMBIENT);
    }
  }
  if (result != 0) {
    return error_set(
        error, ERROR_SYSTEM,
        "cannot drop the privileges that cyphonicd does not need (capability library's "
        "code %d)",
        result);
  }
  return ERROR_NONE;
}

int privileges_drop(const char *user, struct error *error) {
  bool root = geteuid() == 0;
  int code = capability_check(error);
  if (code != ERROR_NONE) {
    return code;
  }
  struct account account;
  bool change = root && user != NULL;
  if (change) {
    code = account_find(user, &account, error);
    if (code != ERROR_NONE) {
      return code;
    }
  }
  code = capabilities_reduce(root, change ? &account : NULL, error);
  if (code != ERROR_NONE) {
    return code;
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return error_set_errno(error, errno, "cannot forbid new privileges");
  }
  return device_check(error);
}
