#!/usr/bin/env python3
"""The table of bench/scale: a line a number of peers, and the goals beside it."""

import argparse
import json
import os
import platform

# figure: (heading, decimals)
COLUMNS = {
    "open_s": ("all up, s", 2),
    "failures": ("failed", 0),
    "resident_mib": ("RSS, MiB", 1),
    "rss_kib_peer": ("RSS, KiB each", 1),
    "heap_kib_peer": ("heap, KiB each", 1),
    "idle_percent": ("idle CPU, %", 3),
    "wakeups_s": ("wake-ups/s", 1),
    "packets_peer_hour": ("packets/h each", 0),
    "bytes_peer_hour": ("bytes/h each", 0),
    "rtt_ms": ("RTT, ms", 3),
    "tcp_mbit_s": ("TCP, Mbit/s", 0),
}


def read(path):
    """{number of peers: {figure: value}}, in the order of the file"""
    measured = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            number, figure, value = line.rstrip("\n").split("\t")
            measured.setdefault(int(number), {})[figure] = float(value)
    return measured


def print_table(measured):
    rows = [["peers"] + [heading for heading, _ in COLUMNS.values()]]
    for number, figures in measured.items():
        rows.append(
            [str(number)]
            + [f"{figures[name]:.{decimals}f}" for name, (_, decimals) in COLUMNS.items()]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.rjust(width) for text, width in zip(row, widths)))


def verdict(value, goal):
    return "reached" if value <= goal else "missed"


def main():
    parser = argparse.ArgumentParser(description="The table of bench/scale.")
    parser.add_argument("figures")
    parser.add_argument("--idle", type=int, required=True, metavar="SECONDS")
    parser.add_argument("--nat", required=True)
    parser.add_argument("--goal-percent", type=float, required=True)
    parser.add_argument("--goal-kib", type=float, required=True)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()

    measured = read(options.figures)
    kept_alive = "kept alive" if options.nat == "yes" else "not kept alive"
    print(f"Idle for {options.idle} s, tunnels {kept_alive}\n")
    print_table(measured)
    greatest = max(measured)
    idle, memory = measured[greatest]["idle_percent"], measured[greatest]["rss_kib_peer"]
    print(
        f"\nGoals, at {greatest} peers: idle at most {options.goal_percent:g} %: {idle:.3f}, "
        f"{verdict(idle, options.goal_percent)}; at most {options.goal_kib:g} KiB each: "
        f"{memory:.1f}, {verdict(memory, options.goal_kib)}"
    )
    if options.json:
        document = {
            "benchmark": "scale",
            "idle_seconds": options.idle,
            "kept_alive": options.nat == "yes",
            "goals": {"idle_percent": options.goal_percent, "kib_peer": options.goal_kib},
            "machine": {"kernel": platform.release(), "cores": os.cpu_count()},
            "peers": {str(number): figures for number, figures in measured.items()},
        }
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.write("\n")
        print(f"JSON: {options.json}")


if __name__ == "__main__":
    main()
