#!/bin/busybox sh
# What udhcpc learnt: an address and a router. Names aren't resolved: the enclave calls nobody.
[ "$1" = bound ] || exit 0
/bin/busybox ip addr add "$ip/$mask" dev "$interface"
[ -z "$router" ] || /bin/busybox ip route add default via "${router%% *}"
