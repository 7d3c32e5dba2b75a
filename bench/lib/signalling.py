#!/usr/bin/env python3
"""Steps of the signalling out of captures, and their medians (bench/signalling).

A step's datagrams are those of its connection from its first to its last, acknowledgements in
between included; what comes behind is "behind". A datagram in which one step ends and the next
begins counts for the former, its time for both. Path MTU probes are counted apart.
"""

import argparse
import json
import statistics

import quic_capture

# Fields of cyphonic.Message (src/proto/cyphonic.proto).
SIGN_UP, LOGIN, REGISTRATION, DIRECTION = (2, 3), (4, 5), (6, 7), (12, 15)
TUNNEL, RELAY, OBSERVATION, ROUTE_DIRECTION = (16, 17), (22, 23), (8, 9), (14, 15)

# ALPN: the connection's name in the report, and the steps upon it
ALICE = {
    "cyphonic-signup/1": ("sign-up", [("SignUpRequest, Response", SIGN_UP)]),
    "cyphonic-as/1": ("login", [("LoginRequest, Response", LOGIN)]),
    "cyphonic-nms/1": ("NMS", [("RegistrationRequest, Response", REGISTRATION)]),
    "cyphonic-trs/1": ("TRS", [("RelayRequest, Response", RELAY)]),
    "cyphonic-tun/1": ("tunnel", [("TunnelRequest, Response", TUNNEL)]),
}


class Step:
    def __init__(self, name, first=None):
        self.name, self.begin, self.end = name, first, first
        self.count = {True: [0, 0], False: [0, 0]}  # sent: packets, bytes

    def take(self, datagram):
        of_way = self.count[datagram.sent]
        of_way[0] += 1
        of_way[1] += datagram.size

    def line(self, number):
        milliseconds = "" if self.begin is None else f"{(self.end - self.begin) * 1000:.3f}"
        return "\t".join(
            str(part)
            for part in (number, self.name, milliseconds, *self.count[True], *self.count[False])
        )


def span(datagrams, kinds, start):
    """Indices of the first and last datagram of a request of the first kind until a message of the
    second has come whole; from `start` on. None: there is no such request."""
    first = stream = None
    for at in range(start, len(datagrams)):
        for message in datagrams[at].messages:
            if first is None and message.kind == kinds[0]:
                first, stream, begins_client = at, None, datagrams[at].from_client
            if first is not None and message.kind == kinds[1]:
                stream, way = message.stream, datagrams[at].from_client
            if stream is not None and message.stream == stream and message.fin:
                if datagrams[at].from_client == way:
                    return first, at
    return None


def steps_of(connection, name, wanted):
    """Handshake, the wanted steps in order, and what is behind."""
    datagrams = connection.datagrams
    finished = [at for at, datagram in enumerate(datagrams) if datagram.finished]
    if not finished:
        raise SystemExit(f"the handshake of {name} is not complete in the capture")
    spans, at = [("handshake", (0, finished[0]))], 0
    for title, kinds in wanted:
        found = span(datagrams, kinds, at)
        if not found:
            raise SystemExit(f"{name}: no {title} in the capture, or it cannot be opened")
        spans.append((title, found))
        at = found[0] + 1
    steps, taken = [], -1
    behind = Step(f"{name}: behind")
    for title, (first, last) in spans:
        step = Step(f"{name}: {title}")
        step.begin, step.end = datagrams[first].time, datagrams[last].time
        for at in range(taken + 1, last + 1):
            (behind if at < first else step).take(datagrams[at])
        taken = max(taken, last)
        steps.append(step)
    for datagram in datagrams[taken + 1 :]:
        behind.take(datagram)
    return steps + [behind]


def whole(connection, name):
    step = Step(name)
    step.begin, step.end = connection.datagrams[0].time, connection.datagrams[-1].time
    for datagram in connection.datagrams:
        step.take(datagram)
    return step


def steps_of_alice(path, keys):
    connections, left_over = quic_capture.read(path, keys)
    steps, count, probes = [], {}, Step("path MTU probes, of all connections")
    for connection in connections:
        for datagram in connection.datagrams:
            if datagram.probe:
                probes.take(datagram)
        connection.datagrams = [one for one in connection.datagrams if not one.probe]
    for connection in connections:
        if connection.alpn not in ALICE:
            raise SystemExit(f"{path}: a connection with ALPN {connection.alpn}")
        name, wanted = ALICE[connection.alpn]
        kinds = {message.kind for datagram in connection.datagrams for message in datagram.messages}
        if name == "TRS" and RELAY[0] not in kinds:
            steps.append(whole(connection, "survey of the TRS, all of it"))
            continue
        if name == "NMS":
            wanted = wanted + [
                ("DirectionRequest to Confirmation, direct", DIRECTION),
                ("DirectionRequest to Confirmation, TRS", DIRECTION),
            ]
        if name == "tunnel":
            count[name] = count.get(name, 0) + 1
            name = ("tunnel, direct", "tunnel, TRS")[count[name] - 1]
        steps += steps_of(connection, name, wanted)
    rest = Step("of no connection: stateless resets")
    for datagram in left_over:
        rest.take(datagram)
    return steps + [probes, rest]


def steps_of_bob(path, keys):
    """What the asked node hears of it: its connection to NMS stood before the capture began."""
    connections, left_over = quic_capture.read(path, keys)
    tunnel = [one for one in connections if one.alpn == "cyphonic-tun/1"]
    step = Step("at the peer: RouteDirection, firewall opened")
    begin = tunnel[0].datagrams[0].time if tunnel else 0
    for datagram in left_over:
        step.take(datagram)
    step.begin, step.end = min([one.time for one in left_over] or [begin]), begin
    return [step]


def phases(options):
    for step in steps_of_alice(options.alice, options.alice_keys):
        print(step.line(options.round))
    for step in steps_of_bob(options.bob, options.bob_keys):
        print(step.line(options.round))


FIGURES = ("ms", "sent_packets", "sent_bytes", "received_packets", "received_bytes")


def read_measurements(path):
    """{step: {figure: [value of each round]}}, steps in order"""
    measured = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            _, step, *values = line.rstrip("\n").split("\t")
            of_step = measured.setdefault(step, {})
            for figure, value in zip(FIGURES, values):
                if value:
                    of_step.setdefault(figure, []).append(float(value))
    return measured


def report(options):
    measured = read_measurements(options.measurements)
    medians = {
        step: {figure: statistics.median(values) for figure, values in figures.items()}
        for step, figures in measured.items()
    }
    rounds = max(len(values) for figures in measured.values() for values in figures.values())
    rows = [["", "ms", "sent: packets", "bytes", "received: packets", "bytes"]]
    answers = [step for step in medians if step.startswith("first answer")]
    for step in [step for step in medians if step not in answers] + answers:
        figures = medians[step]
        cells = [f"{figures['ms']:.1f}" if "ms" in figures else "-"]
        cells += [f"{figures[name]:,.0f}" if name in figures else "-" for name in FIGURES[1:]]
        rows.append([step] + cells)
    print(f"\nMedians of {rounds} rounds, every wire delayed by {options.delay:g} ms\n")
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        texts = [text.rjust(width) for text, width in zip(row[1:], widths[1:])]
        print("  ".join([row[0].ljust(widths[0])] + texts))
    if options.json:
        document = {
            "benchmark": "signalling",
            "rounds": rounds,
            "delay_ms": options.delay,
            "medians": medians,
            "measurements": measured,
        }
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.write("\n")
        print(f"JSON: {options.json}")


def main():
    parser = argparse.ArgumentParser(description="Steps of the signalling in captures.")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("phases")
    command.add_argument("round")
    for name in ("alice", "alice_keys", "bob", "bob_keys"):
        command.add_argument(name)
    command.set_defaults(run=phases)
    command = commands.add_parser("report")
    command.add_argument("measurements")
    command.add_argument("--delay", type=float, default=0)
    command.add_argument("--json", metavar="FILE")
    command.set_defaults(run=report)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
