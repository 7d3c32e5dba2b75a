/* xdp-answer pass|drop DEVICE: attaches a program that lets all pass, or nothing. A veth takes the
 * frames that a program at its other end sends back (XDP_TX) only if it has one itself; a network
 * card needs nothing. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

int main(int count, char **arguments) {
  bool drop = count == 3 && strcmp(arguments[1], "drop") == 0;
  if (count != 3 || (!drop && strcmp(arguments[1], "pass") != 0)) {
    fprintf(stderr, "usage: xdp-answer pass|drop DEVICE\n");
    return 2;
  }
  const struct bpf_insn program[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K,
       .dst_reg = BPF_REG_0,
       .imm = drop ? XDP_DROP : XDP_PASS},
      {.code = BPF_JMP | BPF_EXIT},
  };
  int index = (int)if_nametoindex(arguments[2]);
  int descriptor = bpf_prog_load(BPF_PROG_TYPE_XDP, "answer", "Apache-2.0", program,
                                 sizeof(program) / sizeof(program[0]), NULL);
  int code =
      descriptor < 0 ? descriptor : bpf_xdp_attach(index, descriptor, XDP_FLAGS_DRV_MODE, NULL);
  if (code < 0) {
    fprintf(stderr, "xdp-answer: %s: %s\n", arguments[2], strerror(-code));
    return 1;
  }
  return 0;
}
