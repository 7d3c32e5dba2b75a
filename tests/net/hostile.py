#!/usr/bin/env python3
"""What anyone on the Internet can throw at a QUIC server, from addresses that are not his own.

    hostile.py TARGET-IPV4 garbage|truncated|initials|routes COUNT PER-SECOND
    hostile.py TARGET-IPV4 route COUNT PER-SECOND ROUTE-ID [SOURCE-IPV4 SOURCE-PORT]

`initials` are real: a TLS Client Hello under the keys that RFC 9001 section 5.2 derives from the
Connection ID, so that a server can't drop them unread. `routes` have QUIC's shape, for random route
ids as a relay reads them, `route` for the given one (eight hexadecimal digits), and maybe from one
forged source instead of many. Needs CAP_NET_RAW; made for hosts of the scenarios only: it refuses
targets outside the documentation ranges.
"""
import ctypes
import hashlib
import hmac
import ipaddress
import os
import random
import socket
import struct
import sys
import time

DOCUMENTATION = [ipaddress.ip_network(n) for n in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]
INITIAL_SALT = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")
DATAGRAM_SIZE = 1200
AES_128_CBC, AES_128_GCM = 4, 10  # gnutls_cipher_algorithm_t


class Datum(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("size", ctypes.c_uint)]


gnutls = ctypes.CDLL("libgnutls.so.30")


def datum(data):
    return ctypes.byref(Datum(data, len(data)))


def seal(key, nonce, associated, plain):
    handle = ctypes.c_void_p()
    assert gnutls.gnutls_aead_cipher_init(ctypes.byref(handle), AES_128_GCM, datum(key)) == 0
    out = ctypes.create_string_buffer(len(plain) + 16)
    size = ctypes.c_size_t(len(out))
    assert gnutls.gnutls_aead_cipher_encrypt(
        handle, nonce, ctypes.c_size_t(len(nonce)), associated, ctypes.c_size_t(len(associated)),
        ctypes.c_size_t(16), plain, ctypes.c_size_t(len(plain)), out, ctypes.byref(size)) == 0
    gnutls.gnutls_aead_cipher_deinit(handle)
    return out.raw[:size.value]


def aes_block(key, block):
    """One block of AES is CBC of it after a zero vector."""
    handle = ctypes.c_void_p()
    assert gnutls.gnutls_cipher_init(ctypes.byref(handle), AES_128_CBC, datum(key), datum(bytes(16))) == 0
    out = ctypes.create_string_buffer(16)
    assert gnutls.gnutls_cipher_encrypt2(handle, block, ctypes.c_size_t(16), out, ctypes.c_size_t(16)) == 0
    gnutls.gnutls_cipher_deinit(handle)
    return out.raw


def expand_label(secret, label, size):
    name = b"tls13 " + label
    info = struct.pack("!HB", size, len(name)) + name + b"\0"
    return hmac.new(secret, info + b"\x01", hashlib.sha256).digest()[:size]


def varint(value):
    if value < 64:
        return bytes([value])
    if value < 16384:
        return struct.pack("!H", value | 0x4000)
    return struct.pack("!I", value | 0x80000000)


def extension(kind, data):
    return struct.pack("!HH", kind, len(data)) + data


def client_hello(source_id):
    def parameter(kind, value):
        return varint(kind) + varint(len(value)) + value

    alpn = b"cyphonic-signup/1"
    share = os.urandom(32)  # any 32 bytes are a point of X25519
    extensions = b"".join((
        extension(16, struct.pack("!HB", len(alpn) + 1, len(alpn)) + alpn),
        extension(43, b"\x02\x03\x04"),
        extension(10, b"\x00\x02\x00\x1d"),
        extension(13, b"\x00\x04\x04\x03\x08\x04"),
        extension(51, struct.pack("!HHH", 36, 0x1D, 32) + share),
        extension(45, b"\x01\x01"),
        extension(57, parameter(0x0F, source_id) + parameter(0x04, varint(65536))
                  + parameter(0x08, varint(16))),
    ))
    body = (b"\x03\x03" + os.urandom(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00"
            + struct.pack("!H", len(extensions)) + extensions)
    return b"\x01" + struct.pack("!I", len(body))[1:] + body


def initial():
    destination_id, source_id = os.urandom(8), os.urandom(8)
    secret = hmac.new(INITIAL_SALT, destination_id, hashlib.sha256).digest()
    secret = expand_label(secret, b"client in", 32)
    key, vector = expand_label(secret, b"quic key", 16), expand_label(secret, b"quic iv", 12)
    protection = expand_label(secret, b"quic hp", 16)
    hello = client_hello(source_id)
    frames = b"\x06\x00" + varint(len(hello)) + hello
    head = b"\x00\x00\x00\x01\x08" + destination_id + b"\x08" + source_id + b"\x00"
    # First byte, head, two bytes of length, four of packet number; 16 of AEAD tag behind.
    room = DATAGRAM_SIZE - 1 - len(head) - 2 - 4 - 16
    frames += bytes(room - len(frames))
    header = b"\xc3" + head + struct.pack("!H", (4 + room + 16) | 0x4000) + bytes(4)
    sealed = seal(key, vector, header, frames)  # packet number 0: the nonce is the vector
    mask = aes_block(protection, sealed[:16])
    first = bytes([header[0] ^ (mask[0] & 0x0F)])
    return first + header[1:-4] + mask[1:5] + sealed


def truncated():
    packet = initial()
    return packet[:random.randrange(1, len(packet))]


def routed(route_id=None):
    """Every second one with a long header, of version 1 or of none that is known. Never an Initial
    that a server must answer: of those, `initials` speaks."""
    first = os.urandom(1)[0]
    head = bytes([first | 0x40])
    if first & 0x80:
        head += random.choice((b"\x00\x00\x00\x01", b"\x1a\x2a\x3a\x4a")) + b"\x08"
    return head + (route_id or os.urandom(4)) + os.urandom(random.randrange(20, 1440))


def garbage():
    return os.urandom(random.randrange(1, 1472))


def main():
    target = ipaddress.ip_address(sys.argv[1])
    if not any(target in network for network in DOCUMENTATION):
        sys.exit(f"hostile.py: {target} is no address of a scenario")
    make = {"garbage": garbage, "truncated": truncated, "initials": initial, "routes": routed,
            "route": lambda: routed(bytes.fromhex(sys.argv[5]))}[sys.argv[2]]
    forged = ipaddress.ip_address(sys.argv[6]).packed if len(sys.argv) > 6 else None
    count, rate = int(sys.argv[3]), float(sys.argv[4])
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    started = time.monotonic()
    for index in range(count):
        payload = make()
        # Benchmark range 198.18.0.0/15 (RFC 2544): nobody answers there.
        source = forged or bytes([198, 18 + random.randrange(2), *os.urandom(2)])
        port = int(sys.argv[7]) if forged else random.randrange(1024, 65536)
        udp = struct.pack("!HHHH", port, 443, 8 + len(payload), 0) + payload
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + source + target.packed
        raw.sendto(ip + udp, (str(target), 0))
        ahead = (index + 1) / rate - (time.monotonic() - started)
        if ahead > 0.005:
            time.sleep(ahead)
    print(f"sent {count} {sys.argv[2]} in {time.monotonic() - started:.1f} s")


main()
