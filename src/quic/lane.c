#include "quic/lane.h"

/* RFC 8999 section 5. */
enum {
  LONG_HEADER = 0x80, /* in a packet's first byte */
  LONG_ID_SIZE = 5,   /* where a long header has the size of the Destination Connection ID */
  LONG_ID = 6,        /* and where that ID begins */
  SHORT_ID = 1,
};

void lane_mark(uint8_t *id, unsigned lane, unsigned lanes) {
  unsigned value = id[LANE_BYTE] - id[LANE_BYTE] % lanes + lane;
  id[LANE_BYTE] = (uint8_t)(value <= UINT8_MAX ? value : value - lanes);
}

unsigned lane_of(const uint8_t *packet, size_t size, unsigned lanes) {
  if (size <= SHORT_ID + LANE_BYTE) {
    return 0;
  }
  if ((packet[0] & LONG_HEADER) == 0) {
    return packet[SHORT_ID + LANE_BYTE] % lanes;
  }
  if (size <= LONG_ID + LANE_BYTE) {
    return 0;
  }
  unsigned value = packet[LONG_ID + LANE_BYTE];
  return packet[LONG_ID_SIZE] == CONNECTION_ID_SIZE ? value % lanes : 1 + value % (lanes - 1);
}

void lane_program(unsigned lanes, struct sock_filter program[static LANE_INSTRUCTIONS]) {
  /* A load beyond the packet's end ends the program with 0. */
  const struct sock_filter instructions[LANE_INSTRUCTIONS] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, LONG_HEADER, 2, 0),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SHORT_ID + LANE_BYTE),
      BPF_JUMP(BPF_JMP | BPF_JA, 3, 0, 0),
      /* A long header. */
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, LONG_ID_SIZE),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CONNECTION_ID_SIZE, 0, 3),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, LONG_ID + LANE_BYTE),
      /* An ID of ours. */
      BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, lanes),
      BPF_STMT(BPF_RET | BPF_A, 0),
      /* A client's. */
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, LONG_ID + LANE_BYTE),
      BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, lanes - 1),
      BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1),
      BPF_STMT(BPF_RET | BPF_A, 0),
  };
  for (size_t i = 0; i < LANE_INSTRUCTIONS; i++) {
    program[i] = instructions[i];
  }
}
