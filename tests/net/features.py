#!/usr/bin/env python3
"""features.py DEVICE FEATURE=on|off...: what a network device does itself, as ethtool -K sets it.

Features: tx-checksum, gro.
"""
import ctypes
import fcntl
import socket
import struct
import sys

SIOCETHTOOL = 0x8946
COMMANDS = {"tx-checksum": 0x17, "gro": 0x2C}  # ETHTOOL_STXCSUM, ETHTOOL_SGRO

device, *wishes = sys.argv[1:]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    for wish in wishes:
        feature, state = wish.split("=")
        value = ctypes.create_string_buffer(struct.pack("II", COMMANDS[feature], state == "on"), 8)
        # struct ifreq: the device's name, and where the command is.
        request = struct.pack("16sP16x", device.encode(), ctypes.addressof(value))
        fcntl.ioctl(control, SIOCETHTOOL, request)
