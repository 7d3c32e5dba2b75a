# Relays that forward in the kernel. A scenario that needs it sources this after lib.sh.

# kernel_ways HOST: what an operator does for a relay there; see docs/operations.md
kernel_ways() {
  on "$1" sh -c 'for version in 4 6; do
    echo 1 >/proc/sys/net/ipv$version/conf/lo/forwarding
  done'
}

# like_a_card HOST DEVICE: at the other end of the relay's veth. It completes checksums, which one
# veth otherwise leaves open for the other, and takes the frames that a program there sends.
like_a_card() {
  on "$1" python3 "$NET_FOLDER/features.py" "$2" tx-checksum=off
  on "$1" "$BUILD_DIR/tests/net/xdp-answer" pass "$2" || fail "no XDP on $2 of $1"
}

xdp_programs() { # HOST: how many are attached there
  ip -n "$PREFIX-$1" -o link show | grep -c 'prog/xdp' || true
}

has_no_xdp_program() { # HOST, for wait_until
  local seen
  seen=$(xdp_programs "$1")
  echo "$seen attached"
  [ "$seen" = 0 ]
}

# of_kernel packets|bytes: what the server's kernel had forwarded when it was last stopped
of_kernel() {
  sed -n "s/.* relay-in-kernel-ends .*$1=\([0-9]*\).*/\1/p" "$(log_of server)" | tail -n 1
}

# Where the programs were built without it, or the kernel has none.
skip_without_xdp() {
  programs
  if ! grep -aq forward_bound "$CYPHONIC_SERVER"; then
    echo 'skipped: this build has no XDP'
    exit 77
  fi
}
