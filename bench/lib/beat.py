#!/usr/bin/env python3
"""Echoes at a steady beat, whatever becomes of them: ping(8) waits up to ten milliseconds before it
sends again when an answer is missing, which is longer than what is to be seen.

    beat.py ADDRESS SECONDS-BETWEEN

Prints each answer as ping -D does, "[seconds since 1970] icmp_seq=N ", until SIGINT."""
import os
import select
import signal
import socket
import struct
import sys
import time

IPV4_HEADER_WORDS = 0x0F  # of the first byte, the header's length in words of four bytes
ECHO = {socket.AF_INET: (8, 0), socket.AF_INET6: (128, 129)}  # request and reply
PROTOCOL = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}


def checksum(data):  # RFC 1071, of an even number of bytes; the kernel has ICMPv6's
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def request(family, identifier, number):
    rest = struct.pack("!HHQQQ", identifier, number & 0xFFFF, number, 0, 0)
    kind = ECHO[family][0]
    sum_of = checksum(struct.pack("!BBH", kind, 0, 0) + rest)
    return struct.pack("!BBH", kind, 0, sum_of if family == socket.AF_INET else 0) + rest


def number_of(family, identifier, packet):
    if family == socket.AF_INET:
        packet = packet[(packet[0] & IPV4_HEADER_WORDS) * 4:]
    if len(packet) < 16 or packet[0] != ECHO[family][1]:
        return None
    answered, _, number = struct.unpack("!HHQ", packet[4:16])
    return number if answered == identifier else None


def main(address, interval):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    identifier = os.getpid() & 0xFFFF
    number, due, running = 0, time.monotonic(), [True]
    signal.signal(signal.SIGINT, lambda *_: running.clear())
    with socket.socket(family, socket.SOCK_RAW, PROTOCOL[family]) as wire:
        wire.setblocking(False)
        while running:
            ready, _, _ = select.select([wire], [], [], max(0, due - time.monotonic()))
            if ready:
                answered = number_of(family, identifier, wire.recv(2048))
                if answered is not None:
                    print(f"[{time.time():.6f}] icmp_seq={answered} ", flush=True)
            if time.monotonic() >= due:
                number += 1
                due += interval
                try:
                    wire.sendto(request(family, identifier, number), (address, 0))
                except OSError:  # as much as a lost one
                    pass


main(sys.argv[1], float(sys.argv[2]))
