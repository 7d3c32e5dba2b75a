#include "net/source.h"

#include <sys/socket.h>
#include <unistd.h>

struct ip_address source_towards(const struct address *remote, unsigned interface) {
  struct address local = {0};
  struct sockaddr_storage storage;
  socklen_t size = address_to_sockaddr(remote, &storage);
  int descriptor = socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    return local.ip;
  }
  int index = (int)interface;
  bool bound = interface == 0 ||
               setsockopt(descriptor, SOL_SOCKET, SO_BINDTOIFINDEX, &index, sizeof(index)) == 0;
  if (bound && connect(descriptor, (const struct sockaddr *)&storage, size) == 0) {
    size = sizeof(storage);
    if (getsockname(descriptor, (struct sockaddr *)&storage, &size) != 0 ||
        address_from_sockaddr((const struct sockaddr *)&storage, &local) != 0) {
      local = (struct address){0};
    }
  }
  close(descriptor);
  return local.ip;
}
