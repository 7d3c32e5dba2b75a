# The settings that bench/compare and bench/latency measure side by side. Each has two hosts of its
# own, PEER-a and PEER-b, joined by one veth; ours have alice and bob (a wire), carol and dave (no
# wire: a TRS between them), and one server for both pairs. Sourced after setting.sh.
#
# After set_up PEER: FROM, TO the hosts; ADDRESS that of TO as FROM reaches it; DAEMONS all processes
# of the setting; AT_WORK those that packets pass through; DEVICE where packets come out on TO.

PEERS=(raw direct relayed wireguard-go nebula fastd tinc openvpn)
SERVER=198.51.100.10
TUNNEL_MTU=1400 # of the peers that find none by themselves: what all of them get onto 1,500 bytes

ANSWER_SECONDS=45

declare -A FROM=() TO=() ADDRESS=() DAEMONS=() AT_WORK=() DEVICE=() VERSION=() SKIPPED=()
MEASURED=() # the peers that stand, in order

# Why a peer cannot be measured here; nothing: it can.
missing_of() { # PEER
  local program
  local -A programs=(
    [wireguard-go]='wireguard-go wg' [nebula]='nebula nebula-cert' [fastd]=fastd
    [tinc]=tincd [openvpn]='openvpn openssl'
  )
  for program in ${programs[$1]:-}; do
    if ! command -v "$program" >/dev/null; then
      echo "$program is not installed: tools/install-dependencies bench"
      return
    fi
  done
}

version_of() { # PEER
  local text package=''
  case $1 in
  raw) text="Linux $(uname -r)" ;;
  direct | relayed)
    text=$("$CYPHONIC" version | head -n 1 || true)
    text+=$(git -C "$BENCH_FOLDER" describe --always --dirty 2>/dev/null | sed 's/^/, checkout /' || true)
    ;;
  wireguard-go) text=$(wireguard-go --version 2>&1 | head -n 1 || true) package=wireguard-go ;;
  nebula) text=$(nebula -version 2>&1 | sed 's/^Version:/nebula/' || true) package=nebula ;;
  fastd) text=$(fastd --version 2>&1 | head -n 1 || true) package=fastd ;;
  tinc) text=$(tincd --version 2>&1 | head -n 1 || true) package=tinc ;;
  openvpn)
    text=$(openvpn --version 2>&1 | awk 'NR == 1 {print $1, $2}' || true)
    package=openvpn
    ;;
  esac
  if [ -n "$package" ]; then
    # What a program says of itself is not always what it was built from.
    text+=$(dpkg-query -W -f ' (package ${Version})' "$package" 2>/dev/null || true)
  fi
  printf '%s\n' "$text"
}

# check_peers PEER...: every name is one of ours
check_peers() {
  local peer
  for peer; do
    if [[ " ${PEERS[*]} " != *" $peer "* ]]; then
      echo "$0: no such peer: $peer (there are ${PEERS[*]})" >&2
      exit 2
    fi
  done
}

# set_up PEER...: those that are installed and answer; the others are skipped, and it says so.
set_up() {
  local peer why
  for peer; do
    why=$(missing_of "$peer")
    if [ -z "$why" ]; then
      "set_up_$peer"
      DAEMONS[$peer]=${DAEMONS[$peer]:-}
      AT_WORK[$peer]=${AT_WORK[$peer]:-${DAEMONS[$peer]}}
      why=$(does_not_answer "$peer")
    fi
    if [ -n "$why" ]; then
      SKIPPED[$peer]=$why
      say "$peer: skipped, $why"
      give_up "$peer"
      continue
    fi
    VERSION[$peer]=$(version_of "$peer")
    MEASURED+=("$peer")
    say "$peer: ${VERSION[$peer]}"
  done
  if [ ${#MEASURED[@]} -eq 0 ]; then
    fail 'there is nothing to measure'
  fi
}

# Stops what was started for a peer alone.
give_up() { # PEER
  local daemon
  for daemon in ${DAEMONS[$1]:-}; do
    if [[ $daemon == "$1-"* ]]; then
      stop "$daemon"
    fi
  done
}

# What is wrong if FROM gets no answer from TO; nothing: it answers. The time allows for one more
# handshake where two that met were both given up: fastd waits 20 s before it tries again.
does_not_answer() { # PEER
  local daemon deadline
  deadline=$(($(milliseconds) + ANSWER_SECONDS * 1000))
  until on "${FROM[$1]}" ping -q -n -c 1 -W 1 "${ADDRESS[$1]}" >/dev/null 2>&1; do
    if [ "$(milliseconds)" -ge "$deadline" ]; then
      echo "no answer through it within $ANSWER_SECONDS s"
      return
    fi
    for daemon in ${DAEMONS[$1]}; do
      if ! is_running "$daemon"; then
        echo "$daemon ended: $(tail -n 1 "$(log_of "$daemon")")"
        return
      fi
    done
    sleep 0.05 # a refused echo returns at once
  done
}

# --- two hosts and a wire

pair() { # PEER
  host "$1-a"
  host "$1-b"
  cable "$1-a" eth0 "$1-b" eth0
  ip -n "$PREFIX-$1-a" address add 203.0.113.1/24 dev eth0
  ip -n "$PREFIX-$1-b" address add 203.0.113.2/24 dev eth0
  FROM[$1]=$1-a
  TO[$1]=$1-b
  ADDRESS[$1]=10.99.0.2
  DAEMONS[$1]="$1-a $1-b"
  DEVICE[$1]=tunnel
  mkdir -p "$WORK/$1"
}

set_up_raw() {
  pair raw
  ADDRESS[raw]=203.0.113.2
  DAEMONS[raw]=''
  DEVICE[raw]=eth0
}

# --- ours

# The server in the middle, with all its roles, is no router: whoever has no other wire needs it.
star() {
  local node number=0
  host server
  for node in alice bob carol dave; do
    host "$node"
    cable server "eth$number" "$node" eth0
    number=$((number + 1))
    ip -n "$PREFIX-server" address add $SERVER/32 peer "198.51.100.$number" dev "eth$((number - 1))"
    ip -n "$PREFIX-$node" address add "198.51.100.$number/32" peer $SERVER dev eth0
  done
  cable alice eth1 bob eth1
  ip -n "$PREFIX-alice" address add 203.0.113.1/24 dev eth1
  ip -n "$PREFIX-bob" address add "$RAW/24" dev eth1
  start_server
}

set_up_nodes() { # PEER FROM TO PATH
  local node
  if [ -z "${PID[server]:-}" ]; then
    star
  fi
  for node in "$2" "$3"; do
    start_node "$node"
    join "$node"
  done
  wait_until 15 "the tunnel from $2 to $3 stands" peer_answers "$2" "$3"
  wait_until 15 "the path from $2 to $3 is $4" goes "$4" "$2" "$3"
  FROM[$1]=$2
  TO[$1]=$3
  ADDRESS[$1]=$(virtual_ipv4 "$3")
  DAEMONS[$1]="$2 $3 server"
  DEVICE[$1]=$INTERFACE
}

set_up_direct() {
  set_up_nodes direct alice bob direct
  AT_WORK[direct]='alice bob'
}

set_up_relayed() {
  set_up_nodes relayed carol dave relay
}

# --- the others

# Its control socket has a fixed folder under /run; `ip netns exec` gave it mounts of its own.
set_up_wireguard-go() {
  pair wireguard-go
  local side other folder=$WORK/wireguard-go
  for side in a b; do
    (umask 077 && wg genkey >"$folder/$side.key")
    wg pubkey <"$folder/$side.key" >"$folder/$side.pub"
    # shellcheck disable=SC2016
    start "wireguard-go-$side" "wireguard-go-$side" env LOG_LEVEL=error \
      sh -c 'mount -t tmpfs tmpfs /run && exec wireguard-go -f tunnel'
  done
  for side in a b; do
    other=$(other_side $side)
    wait_until 5 'wireguard-go takes commands' wireguard $side show tunnel
    wireguard $side set tunnel private-key "$folder/$side.key" listen-port 51820 \
      peer "$(cat "$folder/$other.pub")" allowed-ips 0.0.0.0/0 \
      endpoint "203.0.113.$(number_of "$other"):51820"
    ip -n "$PREFIX-wireguard-go-$side" address add "10.99.0.$(number_of $side)/24" dev tunnel
    ip -n "$PREFIX-wireguard-go-$side" link set tunnel up # its own MTU, 1,420, is right
  done
}

wireguard() { # SIDE WG-ARGUMENT...
  local process=${PID[wireguard-go-$1]}
  shift
  nsenter --target "$process" --mount --net wg "$@"
}

set_up_nebula() {
  pair nebula
  local side other folder=$WORK/nebula
  (
    cd "$folder" || exit
    nebula-cert ca -name bench
    nebula-cert sign -name a -ip 10.99.0.1/24
    nebula-cert sign -name b -ip 10.99.0.2/24
  ) >"$(log_of nebula-cert)" 2>&1
  for side in a b; do
    other=$(number_of "$(other_side $side)")
    cat >"$folder/$side.yml" <<CONFIG
pki: {ca: $folder/ca.crt, cert: $folder/$side.crt, key: $folder/$side.key}
static_host_map: {"10.99.0.$other": ["203.0.113.$other:4242"]}
lighthouse: {am_lighthouse: false}
listen: {host: 0.0.0.0, port: 4242}
cipher: aes
tun: {dev: tunnel, mtu: $TUNNEL_MTU}
firewall:
  outbound: [{port: any, proto: any, host: any}]
  inbound: [{port: any, proto: any, host: any}]
logging: {level: error}
CONFIG
    start "nebula-$side" "nebula-$side" nebula -config "$folder/$side.yml"
  done
}

set_up_fastd() {
  pair fastd
  local side other folder=$WORK/fastd
  for side in a b; do
    fastd --generate-key >"$folder/$side.key" 2>"$(log_of fastd-key)"
  done
  for side in a b; do
    other=$(other_side $side)
    cat >"$folder/$side.conf" <<CONFIG
mode tun;
interface "tunnel";
method "aes128-ctr+umac";
bind any:10000;
mtu $TUNNEL_MTU;
log level error;
secret "$(awk '/Secret:/ {print $2}' "$folder/$side.key")";
on up "ip address add 10.99.0.$(number_of $side)/24 dev tunnel; ip link set tunnel up";
peer "$other" {
  key "$(awk '/Public:/ {print $2}' "$folder/$other.key")";
  remote 203.0.113.$(number_of "$other"):10000;
}
CONFIG
    start "fastd-$side" "fastd-$side" fastd -c "$folder/$side.conf"
  done
}

set_up_tinc() {
  pair tinc
  local side other folder=$WORK/tinc
  for side in a b; do
    mkdir -p "$folder/$side/hosts"
    printf 'Name = %s\nInterface = tunnel\nConnectTo = %s\n' $side "$(other_side $side)" \
      >"$folder/$side/tinc.conf"
    printf '#!/bin/sh\nip address add 10.99.0.%s/24 dev tunnel\nip link set tunnel up mtu %s\n' \
      "$(number_of $side)" $TUNNEL_MTU >"$folder/$side/tinc-up"
    chmod +x "$folder/$side/tinc-up"
    printf 'Address = 203.0.113.%s\nSubnet = 10.99.0.%s/32\nCipher = aes-128-cbc\nDigest = sha256\n' \
      "$(number_of $side)" "$(number_of $side)" >"$folder/$side/hosts/$side"
    # It asks where to put both keys: an empty line is consent.
    printf '\n\n' | tincd -c "$folder/$side" -K2048 >"$(log_of tinc-key)" 2>&1
  done
  for side in a b; do
    other=$(other_side $side)
    cp "$folder/$side/hosts/$side" "$folder/$other/hosts/"
  done
  for side in a b; do
    start "tinc-$side" "tinc-$side" tincd -D -c "$folder/$side" --pidfile="$folder/$side.pid"
  done
}

set_up_openvpn() {
  pair openvpn
  local side other role folder=$WORK/openvpn
  for side in a b; do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
      -subj "/CN=$side" -keyout "$folder/$side.key" -out "$folder/$side.crt" \
      >"$(log_of openssl)" 2>&1
  done
  for side in a b; do
    other=$(other_side $side)
    [ $side = a ] && role=--tls-client || role='--tls-server --dh none'
    # shellcheck disable=SC2086
    start "openvpn-$side" "openvpn-$side" openvpn $role --dev tunnel --dev-type tun --proto udp \
      --port 1194 --remote "203.0.113.$(number_of "$other")" --verb 1 \
      --ifconfig "10.99.0.$(number_of $side)" "10.99.0.$(number_of "$other")" \
      --tun-mtu $TUNNEL_MTU --data-ciphers AES-128-GCM --cert "$folder/$side.crt" \
      --key "$folder/$side.key" --peer-fingerprint "$(fingerprint "$folder/$other.crt")"
  done
}

fingerprint() { # CERTIFICATE
  openssl x509 -in "$1" -noout -fingerprint -sha256 | cut -d = -f 2
}

other_side() { # a|b
  [ "$1" = a ] && echo b || echo a
}

number_of() { # a|b
  [ "$1" = a ] && echo 1 || echo 2
}
