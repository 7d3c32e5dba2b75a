# Firewalls, each a few rules for the router that bears it. What a NAT of the same router lets in on
# purpose is the NAT's to judge.

# firewall ROUTER KIND
#   stateful           everything out, only answers in
#   only-udp-443-out   out only UDP to port 443, only answers in
firewall() {
  local out
  case $2 in
  stateful) out='accept' ;;
  only-udp-443-out) out='udp dport 443 accept' ;;
  *) fail "no such firewall: $2" ;;
  esac
  on "$1" nft -f - <<RULES
table inet firewall {
  counter refused { }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    ct status dnat accept
    icmpv6 type { packet-too-big, time-exceeded } accept
    oifname "eth0" $out
    counter name refused drop
  }
}
RULES
}

refused_by() { # ROUTER
  on "$1" nft list counter inet firewall refused | awk '$1 == "packets" {print $2}'
}

# deny_between ROUTER ADDRESS ADDRESS: nothing passes from one to the other, and nobody is told.
# Also in the middle of a connection: nothing is asked of its state. May be said for several pairs.
deny_between() {
  local family=ip
  case $2 in
  *:*) family=ip6 ;;
  esac
  on "$1" nft -f - <<RULES
table inet denied {
  counter swallowed { }
  chain forward {
    type filter hook forward priority filter - 5;
    $family saddr $2 $family daddr $3 counter name swallowed drop
    $family saddr $3 $family daddr $2 counter name swallowed drop
  }
}
RULES
}

allow_again() { # ROUTER: all that deny_between denied
  on "$1" nft delete table inet denied
}

swallowed_by() { # ROUTER
  on "$1" nft list counter inet denied swallowed | awk '$1 == "packets" {print $2}'
}
