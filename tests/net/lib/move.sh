# Hosts whose network changes under them.

# renumber HOST ADDRESS...: other addresses on the cable it hangs on, in the place of all it had
renumber() {
  local host=$1 name=${UPLINK_SEGMENT[$1]} address
  shift
  {
    echo 'address flush dev eth0 scope global'
    for address; do
      case $address in
      *:*)
        echo "address add $address/${SEGMENT_IPV6[$name]#*/} dev eth0 nodad"
        echo "route replace default via $(gateway "${SEGMENT_IPV6[$name]}")"
        ;;
      *)
        echo "address add $address/${SEGMENT_IPV4[$name]#*/} dev eth0"
        echo "route replace default via $(gateway "${SEGMENT_IPV4[$name]}")"
        ;;
      esac
    done
  } | ip -n "$PREFIX-$host" -batch -
}
