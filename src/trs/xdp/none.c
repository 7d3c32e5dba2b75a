/* For builds without libbpf: all is forwarded in user space. */
#include <stddef.h>

#include "trs/xdp/forward.h"

int xdp_forward_new(const struct xdp_forward_config *config UNUSED, struct xdp_forward **forward,
                    struct error *error) {
  *forward = NULL;
  return error_set(error, ERROR_NOT_FOUND,
                   "this program was built without XDP; build it with libbpf and clang (-Dxdp)");
}

void xdp_forward_free(struct xdp_forward *forward UNUSED) {
}

struct relay_offload xdp_forward_offload(struct xdp_forward *forward UNUSED) {
  return (struct relay_offload){0};
}

const char *xdp_forward_interfaces(const struct xdp_forward *forward UNUSED) {
  return "";
}

int xdp_forward_program(const struct xdp_forward *forward UNUSED) {
  return -1;
}
