#!/usr/bin/env python3
"""Picks the relayed packets out of a capture at a relay between an IPv4 node and an IPv6 node.

relayed.py CAPTURE OUT

A relayed packet is there twice, as it came over the one IP version and as it left, byte by byte the
same, over the other. OUT gets the IPv4 one of each, in the order of the capture. Prints how many
went each way.
"""

import collections
import struct
import sys

ETHERNET, IPV4, IPV6, UDP = 14, 0x0800, 0x86DD, 17


def records(data):
    """(record with its header, packet) of each packet."""
    at = 24
    while at + 16 <= len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at : at + 16 + size], data[at + 16 : at + 16 + size]
        at += 16 + size


def payload(packet):
    """(4 or 6, UDP payload), or None."""
    kind = struct.unpack_from("!H", packet, 12)[0]
    if kind == IPV4 and packet[ETHERNET + 9] == UDP:
        header = ETHERNET + 4 * (packet[ETHERNET] & 15)
        return 4, packet[header + 8 :]
    if kind == IPV6 and packet[ETHERNET + 6] == UDP:
        return 6, packet[ETHERNET + 48 :]
    return None


def main():
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    if data[:4] != b"\xd4\xc3\xb2\xa1":
        sys.exit(f"{sys.argv[1]} is no capture as tcpdump writes it here")
    versions = collections.defaultdict(set)
    for _, packet in records(data):
        found = payload(packet)
        if found:
            versions[found[1]].add(found[0])
    both = {text for text, seen in versions.items() if seen == {4, 6}}
    ways = collections.Counter()
    first = set()
    with open(sys.argv[2], "wb") as out:
        out.write(data[:24])
        for record, packet in records(data):
            found = payload(packet)
            if not found or found[1] not in both:
                continue
            if found[1] not in first:
                first.add(found[1])
                ways[found[0]] += 1
            if found[0] == 4:
                out.write(record)
    print(f"{ways[4]} from IPv4 to IPv6, {ways[6]} from IPv6 to IPv4")


main()
