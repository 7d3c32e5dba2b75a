#!/usr/bin/env python3
"""A TCP stream whose content both ends tell, to be compared.

    transfer.py receive              prints the port that it listens on, then how far it is, now and then
    transfer.py send ADDRESS PORT BYTES [BYTES-PER-SECOND]

At the end each prints bytes=... sha256=... of what it sent or got. No two mebibytes of the content are
the same, so that parts which come twice or in another order show.
"""
import hashlib
import os
import socket
import sys
import time

PIECE = 1 << 20
SO_MAX_PACING_RATE = 47  # which Python does not name
TELL_EVERY = 0.05  # seconds


def say(text):
    print(text, flush=True)


def send(address, port, size, rate):
    digest = hashlib.sha256()
    noise = os.urandom(PIECE)
    with socket.create_connection((address, port), timeout=60) as stream:
        if rate:
            stream.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, rate)
        for number in range((size + PIECE - 1) // PIECE):
            piece = number.to_bytes(8, "big") + noise[8:]
            piece = piece[:min(PIECE, size - number * PIECE)]
            stream.sendall(piece)
            digest.update(piece)
        stream.shutdown(socket.SHUT_WR)
        stream.recv(1)  # until the other end has all
    say(f"bytes={size} sha256={digest.hexdigest()}")


def receive():
    family = socket.AF_INET6
    with socket.create_server(("::", 0), family=family, dualstack_ipv6=True) as listener:
        say(f"port={listener.getsockname()[1]}")
        stream, _ = listener.accept()
    digest, size = hashlib.sha256(), 0
    begin = told = time.monotonic()
    with stream:
        while data := stream.recv(PIECE):
            digest.update(data)
            size += len(data)
            now = time.monotonic()
            if now - told > TELL_EVERY:
                told = now
                say(f"so-far={size}")
    seconds = time.monotonic() - begin
    say(f"bytes={size} sha256={digest.hexdigest()}")
    say(f"seconds={seconds:.2f} mbit/s={size * 8 / seconds / 1e6:.1f}")


if sys.argv[1] == "receive":
    receive()
else:
    send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int((sys.argv + [0])[5]))
