#!/usr/bin/env python3
"""Finds out what a NAT does, in the words of RFC 4787.

nat_probe.py answer ADDRESS ADDRESS PORT PORT    on the outside, at both addresses and ports
nat_probe.py classify ADDRESS ADDRESS PORT PORT  on the inside: prints one line

A probe is answered with its source as seen. It may ask for the answer to come from the other
address or the other port, which shows whom the NAT lets in.
"""

import select
import socket
import sys

PATIENCE = 0.25  # seconds that tell silence from an answer between namespaces of one machine
TRIES = 3


def udp(address="", port=0):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, port))
    return sock


def answer(addresses, ports):
    sockets = {(address, port): udp(address, port) for address in addresses for port in ports}
    other = {
        addresses[0]: addresses[1],
        addresses[1]: addresses[0],
        ports[0]: ports[1],
        ports[1]: ports[0],
    }
    places = {sock: place for place, sock in sockets.items()}
    print("answering", flush=True)
    while True:
        for sock in select.select(list(places), [], [])[0]:
            text, source = sock.recvfrom(100)
            address, port = places[sock]
            if b"other address" in text:
                address = other[address]
            if b"other port" in text:
                port = other[port]
            sockets[address, port].sendto(f"{source[0]} {source[1]}".encode(), source)


def heard(sock):
    sock.settimeout(PATIENCE)
    try:
        return sock.recv(100).decode()
    except TimeoutError:
        return None


def ask(sock, place, text="as you are"):
    sock.sendto(text.encode(), place)
    return heard(sock)


def mapped(sock, place):
    """The source as seen from that place; a first packet may be lost to address resolution."""
    for _ in range(TRIES):
        seen = ask(sock, place)
        if seen:
            address, port = seen.split()
            return address, int(port)
    sys.exit(f"no answer from {place[0]} port {place[1]}")


def mapping(places):
    sock = udp()
    own = sock.getsockname()[1]
    seen = [mapped(sock, place) for place in places]
    ports = [port for _, port in seen]
    steps = {after - before for before, after in zip(ports, ports[1:])}
    if steps == {0}:
        return "endpoint-independent, port " + ("kept" if ports[0] == own else "changed")
    return "endpoint-dependent, ports " + ("in sequence" if steps == {1} else "at random")


def filtering(place):
    for text, name in (
        ("other address, other port", "none"),
        ("other port", "by address"),
    ):
        sock = udp()
        mapped(sock, place)
        if ask(sock, place, text):
            return name
    return "by address and port"


def hairpin(place):
    one, two = udp(), udp()
    mapped(one, place)
    one.sendto(b"hairpin", mapped(two, place))
    return "yes" if heard(two) == "hairpin" else "no"


def main():
    what, addresses, ports = sys.argv[1], sys.argv[2:4], [int(port) for port in sys.argv[4:6]]
    if what == "answer":
        answer(addresses, ports)
    places = [(address, port) for address in addresses for port in ports]
    print(
        f"mapping {mapping(places)}; filtering {filtering(places[0])}; "
        f"hairpin {hairpin(places[0])}"
    )


main()
