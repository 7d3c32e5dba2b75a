# NATs, each a few rules for the router that bears it. In the words of RFC 4787: how a NAT maps
# (which outside port an inside one gets, and whether it stays the same towards everyone) and what it
# filters (who may send to that port). `library` proves each with probes.
#
#   kind                   maps                       lets in
#   full-cone              the same for all           anyone
#   full-cone-hairpin      the same for all           anyone, its own inside as well
#   address-restricted     the same for all           the addresses that were sent to
#   port-restricted        Linux's masquerade: port   the addresses and ports that were sent to
#                          kept where it is free
#   symmetric              anew and at random         the addresses and ports that were sent to
#                          for each destination
#   symmetric-sequential   anew and one higher for    the addresses and ports that were sent to
#                          each destination, 64 in
#                          turn: nftables counts, but
#                          knows no "next free port"
#
# None turns packets round (hairpin) but the one that says so. What comes in unasked is dropped in
# silence, as home routers do it: answered or delivered to the router itself, it would take the very
# port that an inside host is about to be given.

nat() { # ROUTER [KIND], towards eth0
  case ${2:-port-restricted} in
  full-cone) cone_nat "$1" 'iifname "eth0"' ;;
  full-cone-hairpin) cone_nat "$1" '' ;;
  address-restricted) cone_nat "$1" 'iifname "eth0" udp dport . ip saddr @contacted' ;;
  port-restricted) filtering_nat "$1" 'masquerade' ;;
  symmetric) filtering_nat "$1" 'masquerade fully-random' ;;
  symmetric-sequential)
    filtering_nat "$1" "masquerade to :numgen inc mod 64 map { $(numbered_ports 64 20000) }"
    ;;
  *) fail "no such NAT: $2" ;;
  esac
}

# Maps and filters by connection tracking alone.
filtering_nat() { # ROUTER MASQUERADE
  on "$1" nft -f - <<RULES
table ip nat {
  chain postrouting {
    type nat hook postrouting priority srcnat;
    oifname "eth0" meta l4proto udp $2
    oifname "eth0" masquerade
  }
$(nat_guards)
}
RULES
}

# Remembers what port it gave to whom: `inside` leads back, `outside` gives the same again.
cone_nat() { # ROUTER CONDITION of what is let in
  on "$1" nft -f - <<RULES
table ip nat {
  map inside {
    type ipv4_addr . inet_service : ipv4_addr . inet_service
    flags dynamic,timeout; timeout 2m
  }
  map outside {
    type ipv4_addr . inet_service : ipv4_addr . inet_service
    flags dynamic,timeout; timeout 2m
  }
  set contacted {
    type inet_service . ipv4_addr
    flags dynamic,timeout; timeout 2m
  }
  chain prerouting {
    type nat hook prerouting priority dstnat;
    $2 meta l4proto udp dnat to ip daddr . udp dport map @inside
  }
  chain postrouting {
    type nat hook postrouting priority srcnat;
    meta l4proto udp snat to ip saddr . udp sport map @outside
    oifname "eth0" meta l4proto udp masquerade fully-random
    oifname "eth0" masquerade
  }
  chain learn {
    type filter hook postrouting priority srcnat + 10;
    oifname != "eth0" return
    meta l4proto udp update @inside \\
      { ip saddr . udp sport : ct original ip saddr . ct original proto-src }
    meta l4proto udp update @outside \\
      { ct original ip saddr . ct original proto-src : ip saddr . udp sport }
    meta l4proto udp update @contacted { udp sport . ip daddr }
  }
$(nat_guards)
}
RULES
}

nat_guards() {
  cat <<'RULES'
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    ct status dnat accept
    oifname "eth0" accept
  }
  chain input {
    type filter hook input priority filter;
    meta l4proto udp drop
  }
RULES
}

numbered_ports() { # COUNT FIRST: "0 : FIRST, 1 : FIRST + 1, ..."
  local i list=''
  for ((i = 0; i < $1; i++)); do
    list+="${list:+, }$i : $(($2 + i))"
  done
  printf '%s\n' "$list"
}

# lan ROUTER SEGMENT [KIND [RANGE]]: a private IPv4 network behind a NAT.
lan() {
  segment "$1" "$2" "${4:-192.168.1.0/24}"
  nat "$1" "${3:-port-restricted}"
}

# carrier ROUTER SEGMENT [KIND]: the NAT of a provider, behind which homes have NATs of their own
# (RFC 6598).
carrier() {
  lan "$1" "$2" "${3:-port-restricted}" 100.64.0.0/24
}

# rebind ROUTER: its NAT forgets all it knows, as after a restart; what it gives next is another port
# where the kind of NAT chooses at random
rebind() {
  local rules
  # Nothing passes meanwhile: a packet between two of these steps would teach it again.
  rules='add table ip restart
    add chain ip restart nothing { type filter hook prerouting priority raw; policy drop; }'
  if on "$1" nft list map ip nat outside >/dev/null 2>&1; then
    rules+='
    flush map ip nat inside
    flush map ip nat outside
    flush set ip nat contacted'
  fi
  on "$1" nft -f - <<<"$rules" || fail "the NAT of $1 cannot be stopped"
  on "$1" conntrack -F >/dev/null 2>&1 || fail "the NAT of $1 cannot be made to forget"
  on "$1" nft delete table ip restart || fail "the NAT of $1 cannot be started again"
}
