"""What QUIC connections a capture holds, opened with the keys that a program logged.

Many connections of a node share one pair of addresses and ports, and the dissector takes packets of
one for another's. So each datagram is first given to its connection by the Connection IDs, and the
dissector is shown a port of its own for each. What belongs to none (stateless resets, the packets
that open a firewall) is left over.
"""

import collections
import os
import struct
import subprocess
import tempfile
import xml.etree.ElementTree

CID_SIZE = 8  # of all ours (docs/protocol.md)
FIRST_PORT = 10000
LINK_RAW, LINK_SLL2 = 101, 276
UDP = 17
PROBE = {"0", "1"}  # PADDING, PING

Message = collections.namedtuple("Message", "stream kind fin")


class Datagram:
    """`size` is that of the IP packet, `sent` whether the watched node sent it."""

    def __init__(self, time, sent, packet):
        self.time, self.sent, self.size = time, sent, len(packet)
        self.from_client = False
        self.probe = False  # of the path MTU: nothing but a PING and padding
        self.finished = False  # ends a TLS handshake on the client's side
        self.messages = []  # kind: number of the protobuf field, None in the midst of a message


class Connection:
    def __init__(self):
        self.alpn, self.datagrams = None, []


def udp_payload(packet):
    """(offset of the UDP header, payload) or None"""
    if packet[0] >> 4 == 4:
        start, protocol = (packet[0] & 15) * 4, packet[9]
    else:
        start, protocol = 40, packet[6]
    return (start, packet[start + 8 :]) if protocol == UDP else None


def long_header(payload):
    """(type, destination, source Connection ID)"""
    size = payload[5]
    destination = payload[6 : 6 + size]
    at = 6 + size
    return (payload[0] >> 4) & 3, destination, payload[at + 1 : at + 1 + payload[at]]


def read_capture(path):
    """(seconds, whether it was sent, IP packet) of `tcpdump -i any`"""
    with open(path, "rb") as file:
        data = file.read()
    order = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    if struct.unpack(order + "I", data[20:24])[0] & 0xFFFF != LINK_SLL2:
        raise SystemExit(f"{path}: not captured by tcpdump -i any")
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, size, _ = struct.unpack(order + "IIII", data[at : at + 16])
        record = data[at + 16 : at + 16 + size]
        at += 16 + size
        protocol = struct.unpack(">H", record[:2])[0]
        if protocol in (0x0800, 0x86DD):
            yield seconds + fraction / 1e6, record[10] == 4, record[20:]


def sort_out(path):
    """([Connection], [(connection, datagram, IP packet)], [Datagram of none])"""
    connections, sorted_out, left_over = [], [], []
    by_id, clients = {}, {}
    for time, sent, packet in read_capture(path):
        found = udp_payload(packet)
        if not found or not found[1]:
            continue
        payload, datagram = found[1], Datagram(time, sent, packet)
        number = None
        if payload[0] & 0x80:
            kind, destination, source = long_header(payload)
            number = by_id.get(destination, by_id.get(source))
            if number is None and kind == 0:
                number = len(connections)
                connections.append(Connection())
                clients[number] = sent
                by_id[destination] = number
            if number is not None:
                by_id[source] = number
        else:
            number = by_id.get(payload[1 : 1 + CID_SIZE])
        if number is None:
            left_over.append(datagram)
            continue
        datagram.from_client = clients[number] == sent
        connections[number].datagrams.append(datagram)
        sorted_out.append((number, datagram, packet))
    return connections, sorted_out, left_over


def write_apart(path, sorted_out):
    """The client's port tells the connections apart; the server's is 443, so that it is QUIC."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, LINK_RAW))
        for number, datagram, packet in sorted_out:
            start, _ = udp_payload(packet)
            ports = (FIRST_PORT + number, 443)
            changed = bytearray(packet)
            changed[start : start + 4] = struct.pack(
                ">HH", *(ports if datagram.from_client else reversed(ports))
            )
            seconds = int(datagram.time)
            fraction = round((datagram.time - seconds) * 1e6)
            file.write(struct.pack("<IIII", seconds, fraction, len(packet), len(packet)))
            file.write(changed)


def message_kind(data):
    """Of a stream's first bytes: 4 of length, then the tag of the field that the message holds."""
    value, shift = 0, 0
    for byte in data[4:]:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value >> 3
    return None


def shows(element, name):
    return [field.get("show") for field in element.iter("field") if field.get("name") == name]


def take_frame(frame, datagram):
    stream = shows(frame, "quic.stream.stream_id")
    if not stream:
        return
    offset = shows(frame, "quic.stream.offset")
    data = shows(frame, "quic.stream_data")
    first = data and (not offset or offset[0] == "0")
    kind = message_kind(bytes.fromhex(data[0].replace(":", ""))) if first else None
    fin = shows(frame, "quic.stream.fin") in (["1"], ["True"])
    datagram.messages.append(Message(int(stream[0]), kind, fin))


def read(path, keys):
    """([Connection], [Datagram of none])"""
    connections, sorted_out, left_over = sort_out(path)
    with tempfile.TemporaryDirectory() as folder:
        apart = os.path.join(folder, "apart.pcap")
        write_apart(apart, sorted_out)
        command = ["tshark", "-n", "-r", apart, "-o", f"tls.keylog_file:{keys}", "-T", "pdml"]
        text = subprocess.run(command, capture_output=True, check=True).stdout
    packets = list(xml.etree.ElementTree.fromstring(text).iter("packet"))
    if len(packets) != len(sorted_out):
        raise SystemExit(f"{path}: the dissector saw {len(packets)} of {len(sorted_out)} packets")
    for (number, datagram, _), packet in zip(sorted_out, packets):
        connection = connections[number]
        if connection.alpn is None:
            connection.alpn = next(iter(shows(packet, "tls.handshake.extensions_alpn_str")), None)
        if datagram.from_client and "20" in shows(packet, "tls.handshake.type"):
            datagram.finished = True
        frames = [field for field in packet.iter("field") if field.get("name") == "quic.frame"]
        kinds = {kind for frame in frames for kind in shows(frame, "quic.frame_type")}
        datagram.probe = kinds == PROBE
        for frame in frames:
            take_frame(frame, datagram)
    return connections, left_over
