#!/usr/bin/env python3
"""Tables, JSON and bar plots from the measurements of bench/compare and bench/latency.

Each line of the file is a round, a peer, a figure and a value, separated by tabs. A ratio is taken
within a round, to the reference of that round, and the median of the rounds' ratios is printed: what
slows a whole round down leaves it as it is.
"""

import argparse
import html
import json
import os
import platform
import statistics

REFERENCE = "wireguard-go"
OURS = ("direct", "relayed")

# figure: (title, unit, decimals, whether more is better)
FIGURES = {
    "compare": {
        "tcp1_mbit_s": ("TCP, one stream", "Mbit/s", 0, True),
        "tcp4_mbit_s": ("TCP, four streams", "Mbit/s", 0, True),
        "udp_mbit_s": ("UDP, 1,200 bytes, 1 Gbit/s sent", "Mbit/s", 0, True),
        "udp_loss_percent": ("UDP, lost of it", "%", 2, False),
        "rtt_mean_ms": ("Round trip, mean", "ms", 3, False),
        "cpu_s_per_gb": ("Processor time, all daemons", "s/GB", 2, False),
        "peak_mib": ("Peak memory, largest daemon", "MiB", 1, False),
    },
    "latency": {
        f"{state}_{name}": (f"{title}, {state}", unit, decimals, False)
        for state in ("idle", "loaded")
        for name, title, unit, decimals in (
            ("min_ms", "min", "ms", 3),
            ("mean_ms", "mean", "ms", 3),
            ("p50_ms", "p50", "ms", 3),
            ("p90_ms", "p90", "ms", 3),
            ("p99_ms", "p99", "ms", 3),
            ("p99.9_ms", "p99.9", "ms", 3),
            ("loss_percent", "lost", "%", 2),
        )
    },
}
FIGURES["latency"]["load_mbit_s"] = ("the load", "Mbit/s", 0, True)
# A table is as wide as a terminal, so the figures of latency come in two.
TABLES = {
    "compare": [list(FIGURES["compare"])],
    "latency": [
        [name for name in FIGURES["latency"] if name.startswith("idle")],
        [name for name in FIGURES["latency"] if not name.startswith("idle")],
    ],
}


def pair(text):
    return text.split("=", 1)


def read(path):
    """{figure: {peer: {round: value}}}"""
    measured = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            number, peer, figure, value = line.rstrip("\n").split("\t")
            measured.setdefault(figure, {}).setdefault(peer, {})[int(number)] = float(value)
    return measured


def summary(measured, figure, peer):
    """Median, extremes and ratio of one figure, or None; without a ratio where it has no meaning."""
    rounds = measured.get(figure, {}).get(peer)
    if not rounds:
        return None
    reference = measured[figure].get(REFERENCE, {})
    ratios = [value / reference[number] for number, value in rounds.items() if reference.get(number)]
    result = {
        "median": statistics.median(rounds.values()),
        "min": min(rounds.values()),
        "max": max(rounds.values()),
        "rounds": len(rounds),
    }
    if ratios and not figure.endswith("percent"):
        result[f"ratio_to_{REFERENCE}"] = round(statistics.median(ratios), 3)
    return result


def cell(result, decimals):
    if result is None:
        return "-"
    text = f"{result['median']:.{decimals}f}"
    ratio = result.get(f"ratio_to_{REFERENCE}")
    return text if ratio is None else f"{text} ({ratio:.2f}x)"


def print_table(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        first = row[0].ljust(widths[0])
        print("  ".join([first] + [text.rjust(width) for text, width in zip(row[1:], widths[1:])]))


def print_tables(benchmark, peers, results):
    """A line a figure, a column a peer."""
    for figures in TABLES[benchmark]:
        rows = [["", *peers]]
        for figure in figures:
            title, unit, decimals, _ = FIGURES[benchmark][figure]
            rows.append(
                [f"{title}, {unit}"] + [cell(results[figure][peer], decimals) for peer in peers]
            )
        print_table(rows)
        print()


def bar_panel(benchmark, figure, results, peers, top):
    """One figure: a bar a peer, and a whisker from the least round to the greatest."""
    title, unit, decimals, more = FIGURES[benchmark][figure]
    bars = [(peer, results[figure][peer]) for peer in peers if results[figure][peer]]
    parts = [
        f'<text x="20" y="{top + 18}" class="title">{html.escape(title)}, {html.escape(unit)}'
        f'<tspan class="note"> ({"more" if more else "less"} is better)</tspan></text>'
    ]
    left, width, line = 130, 420, 22
    greatest = max([result["max"] for _, result in bars] or [0]) or 1
    y = top + 28
    for peer, result in bars:
        kind = "ours" if peer in OURS else "other"
        length = width * result["median"] / greatest
        low, high = (left + width * result[end] / greatest for end in ("min", "max"))
        middle = y + 9
        parts += [
            f'<text x="{left - 8}" y="{y + 13}" class="name">{html.escape(peer)}</text>',
            f'<rect x="{left}" y="{y + 1}" width="{length:.1f}" height="16" class="{kind}"/>',
            f'<path d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 3}v6'
            f'M{high:.1f} {middle - 3}v6" class="whisker"/>',
            f'<text x="{max(left + length, high) + 6:.1f}" y="{y + 13}">'
            f"{html.escape(cell(result, decimals))}</text>",
        ]
        y += line
    return parts, y + 14


def plot(benchmark, peers, results, heading):
    parts, top = [], 46
    for figure in FIGURES[benchmark]:
        if any(results[figure][peer] for peer in peers):
            panel, top = bar_panel(benchmark, figure, results, peers, top)
            parts += panel
    style = (
        "text{font:12px sans-serif;fill:#222}.name{text-anchor:end}.title{font-weight:bold}"
        ".note{font-weight:normal;fill:#666}.ours{fill:#c2571a}.other{fill:#8fa3b5}"
        ".whisker{stroke:#222;fill:none}"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 {top}" width="700" '
            f'height="{top}">',
            f"<style>{style}</style>",
            f'<rect width="700" height="{top}" fill="#fff"/>',
            f'<text x="20" y="26">{html.escape(heading)}</text>',
            *parts,
            "</svg>\n",
        ]
    )


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if "model name" in line)
    except (OSError, StopIteration):
        return platform.machine()


def main():
    parser = argparse.ArgumentParser(description="Reports what bench/ measured.")
    parser.add_argument("measurements")
    parser.add_argument("benchmark", choices=FIGURES)
    parser.add_argument("settings", nargs="*", type=pair, metavar="KEY=VALUE")
    parser.add_argument("--version", action="append", type=pair, default=[], metavar="PEER=TEXT")
    parser.add_argument("--skipped", action="append", type=pair, default=[], metavar="PEER=REASON")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--plot", metavar="FILE")
    options = parser.parse_args()

    measured = read(options.measurements)
    versions, settings = dict(options.version), dict(options.settings)
    peers = list(versions)
    results = {
        figure: {peer: summary(measured, figure, peer) for peer in peers}
        for figure in FIGURES[options.benchmark]
    }
    said = ", ".join(f"{key} {value}" for key, value in settings.items())
    heading = f"Medians of {said}"
    if REFERENCE in peers:
        heading += f"; in brackets the ratio to {REFERENCE} in the same round"
    else:
        heading += f"; no ratios, for {REFERENCE} was not measured"
    print(f"{heading}\n")
    print_tables(options.benchmark, peers, results)

    if options.json:
        document = {
            "benchmark": options.benchmark,
            **{key: int(value) for key, value in settings.items()},
            "machine": {
                "kernel": platform.release(),
                "processor": processor(),
                "cores": os.cpu_count(),
            },
            "versions": versions,
            "skipped": dict(options.skipped),
            "medians": results,
            "measurements": measured,
        }
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.write("\n")
        print(f"JSON: {options.json}")
    if options.plot:
        with open(options.plot, "w", encoding="utf-8") as file:
            file.write(plot(options.benchmark, peers, results, heading))
        print(f"Plot: {options.plot}")


if __name__ == "__main__":
    main()
