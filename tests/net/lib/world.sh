# Hosts, routers and the segments that join them. A host is a network namespace; a segment is a
# bridge in the namespace of the router that owns it, with the router's address on it (the first of
# the range), so that attaching a host to a segment is one cable.

declare -A SEGMENT_OWNER=() SEGMENT_IPV4=() SEGMENT_IPV6=()  # ranges as "192.0.2.0/24"
declare -A UPLINK_OWNER=() UPLINK_SEGMENT=() UPLINK_IPV6=() # of each host's first cable
declare -A CABLES=()

# on HOST COMMAND...
on() {
  local host=$1
  shift
  ip netns exec "$PREFIX-$host" "$@"
}

host() { # NAME
  local namespace=$PREFIX-$1 folder=/etc/netns/$PREFIX-$1
  # Bound over /etc by `ip netns exec`: the machine's own resolver must not answer in our place.
  mkdir -p "$folder"
  printf 'hosts: files dns\n' >"$folder/nsswitch.conf"
  : >"$folder/resolv.conf"
  if [ -e /etc/hosts ]; then # a file can only be bound over one that is there
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$folder/hosts"
  fi
  ip netns add "$namespace" || fail "cannot make the network namespace $namespace"
  ip netns exec "$namespace" sh -c '
    cd /proc/sys/net
    for which in all default; do
      echo 0 >ipv6/conf/$which/disable_ipv6
      echo 0 >ipv6/conf/$which/accept_dad
      echo 0 >ipv6/conf/$which/accept_ra
      echo 0 >ipv4/conf/$which/rp_filter
    done'
  ip -n "$namespace" link set lo up
  CABLES[$1]=0
}

router() { # NAME
  host "$1"
  # Where bridges are filtered as well, one would turn round by itself what a NAT is to turn round.
  on "$1" sh -c '
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
    for which in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do
      [ ! -e "$which" ] || echo 0 >"$which"
    done'
}

# The router's address: the first of the range.
gateway() { # RANGE
  local base=${1%/*}
  case $base in
  *:*) printf '%s1\n' "$base" ;;
  *) printf '%s.1\n' "${base%.*}" ;;
  esac
}

# segment OWNER NAME RANGE...: ranges of either IP version, the last byte or group zero.
segment() {
  local owner=$1 name=$2 range
  shift 2
  SEGMENT_OWNER[$name]=$owner
  SEGMENT_IPV4[$name]=
  SEGMENT_IPV6[$name]=
  # A bridge without an address of its own takes the least of its ports', and another whenever a
  # port comes: what its hosts remember of their gateway would be wrong for seconds.
  ip -n "$PREFIX-$owner" link add "$name" address 02:00:00:00:00:01 type bridge mcast_snooping 0
  ip -n "$PREFIX-$owner" link set "$name" up
  for range; do
    case $range in
    *:*)
      SEGMENT_IPV6[$name]=$range
      ip -n "$PREFIX-$owner" address add "$(gateway "$range")/${range#*/}" dev "$name" nodad
      # Without DAD a new address works a moment before its host has joined the group in which the
      # router asks for it (RFC 4861 section 7.2.1): asked too early, it would be silent for the
      # second after which routers ask again. With DAD that can't happen.
      ip -n "$PREFIX-$owner" ntable change name ndisc_cache dev "$name" retrans 50
      # Whoever is upstream must know the way to a range that is not translated.
      if [ -n "${UPLINK_IPV6[$owner]:-}" ]; then
        ip -n "$PREFIX-${UPLINK_OWNER[$owner]}" route add "$range" via "${UPLINK_IPV6[$owner]}"
      fi
      ;;
    *)
      SEGMENT_IPV4[$name]=$range
      ip -n "$PREFIX-$owner" address add "$(gateway "$range")/${range#*/}" dev "$name"
      ;;
    esac
  done
}

# connect HOST SEGMENT ADDRESS...: a cable; the host's interfaces are eth0, eth1, ... in order, and
# the first is its way to the rest of the world.
connect() {
  local host=$1 name=$2 owner=${SEGMENT_OWNER[$2]} interface=eth${CABLES[$1]} address
  local namespace=$PREFIX-$host
  shift 2
  ip -n "$namespace" link add "$interface" type veth \
    peer name "$host-$interface" netns "$PREFIX-$owner"
  ip -n "$PREFIX-$owner" link set "$host-$interface" master "$name" up
  ip -n "$namespace" link set "$interface" up
  for address; do
    case $address in
    *:*)
      ip -n "$namespace" address add "$address/${SEGMENT_IPV6[$name]#*/}" dev "$interface" nodad
      if [ "$interface" = eth0 ]; then
        ip -n "$namespace" route add default via "$(gateway "${SEGMENT_IPV6[$name]}")"
        UPLINK_IPV6[$host]=$address
      fi
      ;;
    *)
      ip -n "$namespace" address add "$address/${SEGMENT_IPV4[$name]#*/}" dev "$interface"
      if [ "$interface" = eth0 ]; then
        ip -n "$namespace" route add default via "$(gateway "${SEGMENT_IPV4[$name]}")"
      fi
      ;;
    esac
  done
  if [ "$interface" = eth0 ]; then
    UPLINK_OWNER[$host]=$owner
    UPLINK_SEGMENT[$host]=$name
  fi
  CABLES[$host]=$((CABLES[$host] + 1))
}

# cable HOST-A INTERFACE-A HOST-B INTERFACE-B: nothing but a wire, for benchmarks; addresses and
# routes are the caller's.
cable() {
  ip -n "$PREFIX-$1" link add "$2" type veth peer name "$4" netns "$PREFIX-$3"
  ip -n "$PREFIX-$1" link set "$2" up
  ip -n "$PREFIX-$3" link set "$4" up
}

# narrow HOST MTU: the cable from HOST's eth0, at both ends.
narrow() {
  ip -n "$PREFIX-${UPLINK_OWNER[$1]}" link set "$1-eth0" mtu "$2"
  ip -n "$PREFIX-$1" link set eth0 mtu "$2"
}

# The world of most scenarios: three segments on one router, each with both IP versions, and the
# server's host in the first of them.
internet() {
  router internet
  segment internet datacentre 198.51.100.0/24 2001:db8:100::/64
  segment internet west 192.0.2.0/24 2001:db8:1::/64
  segment internet east 203.0.113.0/24 2001:db8:2::/64
  host server
  connect server datacentre 198.51.100.10 2001:db8:100::10
}
