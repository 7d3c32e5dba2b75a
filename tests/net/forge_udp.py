#!/usr/bin/env python3
"""Sends one UDP datagram from a port that another program of this host has open.

forge_udp.py SOURCE-PORT ADDRESS PORT HEX
"""

import socket
import struct
import sys

source_port, address, port, text = sys.argv[1:]
data = bytes.fromhex(text)
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as sock:
    # No checksum: optional over IPv4 (RFC 768).
    header = struct.pack("!HHHH", int(source_port), int(port), 8 + len(data), 0)
    sock.sendto(header + data, (address, 0))
