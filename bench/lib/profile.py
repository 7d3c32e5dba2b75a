#!/usr/bin/env python3
"""Where the daemons' processor time goes: classes of samples taken by perf (bench/profile).

A sample is a stack. In user space the innermost function decides: its library, or, of our own, the
source file that it comes from. In the kernel the system call decides that led there; where that
sends, what runs in a softirq inside it counts apart, as delivery: a veth delivers at once.

The rules are the three tables that follow; whoever adds a class adds it there.
"""

import argparse
import bisect
import collections
import json
import os
import re
import statistics
import subprocess

# The first that matches any function of the stack.
KERNEL = [
    ("interrupts", r"^(asm_(sysvec|common|exc)_\w+|sysvec_\w+|irq_exit_rcu|__irq_exit_rcu)$"),
    ("UDP send", r"^(__sys_send\w+|____sys_sendmsg|udp(v6)?_sendmsg)$"),
    ("UDP receive", r"^(__sys_recv\w+|do_recvmmsg|____sys_recvmsg|udp(v6)?_recvmsg)$"),
    ("TUN write", r"^(tun_chr_write_iter|tun_get_user|do_writev|ksys_write|vfs_writev)$"),
    ("TUN read", r"^(tun_chr_read_iter|tun_do_read|do_readv|ksys_read|vfs_readv)$"),
    # What a softirq does that came by chance.
    ("interrupts", r"^(__do_softirq|handle_softirqs|net_rx_action)$"),
    (
        "epoll, sleep, timers",
        r"^(do_epoll_\w+|ep_\w+|__x64_sys_epoll_\w+|schedule\w*|__schedule|pick_next_task\w*"
        r"|hrtimer_\w+|\w+_timerfd\w*|eventfd_\w+)$",
    ),
    # Nothing but the way in and out.
    ("entry and exit", r"^(do_syscall_64|entry_SYSCALL_64\w*|el0_svc\w*)$"),
]
SENDING = ("UDP send", "TUN write")
DELIVERY = re.compile(r"^(__do_softirq|handle_softirqs|do_softirq\w*|net_rx_action)$")

LIBRARIES = [
    ("ngtcp2", r"libngtcp2"),
    ("AES", r"libIPSec_MB|libgnutls|libnettle|libhogweed"),
    ("libuv", r"libuv"),
    ("clock", r"\[vdso\]"),
]
COPIES = re.compile(r"^_*mem(cpy|move|set|cmp|pcpy)")
# Their way into the kernel and back, which a virtual processor may make long.
CALLS = re.compile(r"^_*(GI___)?((send|recv)(m|mm)sg|readv?|writev?|epoll_\w+|syscall|timerfd_\w+)")

# Our own source files, by the beginning of their path below src/.
OURS = [
    ("join", "tunnel/join"),
    ("segment", "tunnel/segment"),
    ("checksum", "tunnel/checksum"),
    ("tunnel", "tunnel/"),
    ("packet_path", "node/packet_"),
    ("node", "node/"),
    ("AES", "quic/packet_protection"),
    ("quic", "quic/"),
    ("udp", "net/udp"),
    ("tun", "net/tun"),
    ("trs", "trs/"),
    ("base", ""),
]
FRAME = re.compile(r"^\s+([0-9a-f]+) (.*) \(([^()]*)\)$")


class Program:
    """Which of our source files a program's function is of: of a local one its symbol table says
    it, and the libraries that it was linked from in which folder that is."""

    def __init__(self, path, build):
        self.path = path
        sources = self.read_objects(os.path.join(build, "src"))
        functions, current = {}, None
        for line in output("readelf", "-sW", path):
            parts = line.split()
            if len(parts) < 8 or not parts[0].rstrip(":").isdigit():
                continue
            address, kind, binding, name = int(parts[1], 16), parts[3], parts[4], parts[7]
            if kind == "FILE":
                current = name
            elif kind == "FUNC" and address:
                functions[address] = (name, sources.get((name, binding == "LOCAL" and current), ""))
        self.starts = sorted(functions)
        self.functions = [functions[address] for address in self.starts]
        self.by_name = dict(functions.values())
        self.loaded = []  # offset in the file, virtual address, size
        for line in output("readelf", "-lW", path):
            parts = line.split()
            if parts[:1] == ["LOAD"]:
                self.loaded.append(tuple(int(parts[at], 16) for at in (1, 2, 4)))

    @staticmethod
    def read_objects(build):
        """{(function, file name, or False if it is global): path below src/}"""
        found = {}
        for folder, _, files in os.walk(build):
            for name in files:
                if name.endswith(".a"):
                    for line in output("nm", "-A", os.path.join(folder, name)):
                        # LIBRARY.a:FOLDER/LIBRARY.a.p/FILE.c.o:ADDRESS T NAME
                        match = re.search(r"([^/:]+\.c)\.o:[0-9a-f]+ ([Tt]) (\S+)$", line)
                        if match:
                            file, kind, function = match.groups()
                            path = os.path.join(os.path.relpath(folder, build), file)
                            found[function, kind == "t" and file] = path
        return found

    def module(self, offset, function):
        """Of a function, and where it is in the program's file: names of local ones repeat."""
        path = None
        for start, address, size in self.loaded:
            if start <= offset < start + size:
                at = bisect.bisect_right(self.starts, offset - start + address) - 1
                if at >= 0 and self.functions[at][0].split(".")[0] == function.split(".")[0]:
                    path = self.functions[at][1]
        if path is None:
            path = self.by_name.get(function, "")
        return next(name for name, begin in OURS if path.startswith(begin))


def output(*command):
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return result.stdout.splitlines()


def stacks(path):
    """One list of (address, function, library) a sample, innermost first."""
    stack = []
    for line in output("perf", "script", "-i", path, "-F", "ip,sym,dso"):
        match = FRAME.match(line)
        if match:
            stack.append((int(match.group(1), 16), match.group(2), match.group(3)))
        elif stack:
            yield stack
            stack = []
    if stack:
        yield stack


def is_kernel(library):
    # Modules are "[veth]"; what perf knows nothing of is "[unknown]".
    return library.startswith("[") and library not in ("[vdso]", "[unknown]")


def classify(stack, program):
    address, function, library = stack[0]
    if is_kernel(library):
        functions = [name for _, name, where in stack if is_kernel(where)]
        for name, pattern in KERNEL:
            if any(re.match(pattern, one) for one in functions):
                if name in SENDING and any(DELIVERY.match(one) for one in functions):
                    return f"kernel: {name}, delivery"
                return f"kernel: {name}"
        return "kernel: other"
    if library == program.path:
        # perf gives addresses within the file, not those of the process.
        name = program.module(address, function)
        return name if name == "AES" else f"ours: {name}"
    for name, pattern in LIBRARIES:
        if re.search(pattern, library):
            return name
    if re.search(r"libc[.-]", library):
        if COPIES.match(function):
            return "libc: copy"
        return "libc: system calls" if CALLS.match(function) else "libc: other"
    return "other"


def profile_of(folder, build):
    """One daemon in one setting: ROUND.data and ROUND.program in the folder"""
    counts, program = collections.Counter(), None
    for data in sorted(name for name in os.listdir(folder) if name.endswith(".data")):
        base = os.path.join(folder, data[: -len(".data")])
        with open(base + ".program", encoding="utf-8") as file:
            path = file.read().strip()
        program = program or Program(path, build)
        for stack in stacks(os.path.join(folder, data)):
            counts[classify(stack, program)] += 1
    return counts


def read_figures(path):
    """{setting: {daemon or "": {figure: [value of each round]}}}"""
    figures = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            setting, daemon, name, value = line.rstrip("\n").split("\t")
            of_daemon = figures.setdefault(setting, {}).setdefault(daemon, {})
            of_daemon.setdefault(name, []).append(float(value))
    return figures


def collect(options):
    result = {}
    for setting, daemons in read_figures(options.figures).items():
        result[setting] = {"mbit_s": statistics.median(daemons[""]["mbit_s"]), "daemons": {}}
        for daemon, figures in daemons.items():
            if daemon == "":
                continue
            folder = os.path.join(options.samples, setting, daemon)
            counts = profile_of(folder, options.build)
            total = sum(counts.values())
            of_daemon = {name: statistics.median(values) for name, values in figures.items()}
            of_daemon["samples"] = total
            of_daemon["share"] = {
                name: count / total for name, count in sorted(counts.items()) if total
            }
            result[setting]["daemons"][daemon] = of_daemon
    return result


def order(name):
    """Kernel first, then by name; sums stand above their parts."""
    return (not name.startswith("kernel"), name)


def with_sums(share):
    sums = {
        prefix: sum(value for name, value in share.items() if name.startswith(prefix + ":"))
        for prefix in ("kernel", "ours", "libc")
    }
    return {**share, **{name: value for name, value in sums.items() if value}}


def print_table(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        texts = [text.rjust(width) for text, width in zip(row[1:], widths[1:])]
        print("  ".join([row[0].ljust(widths[0])] + texts).rstrip())


def cells(now, before, name):
    """Share, and seconds a gigabyte, of a class; before and after where there is a before"""
    texts = []
    for of_daemon in (before, now) if before else (now,):
        share = with_sums(of_daemon["share"]).get(name, 0)
        texts += [f"{100 * share:.1f}", f"{share * of_daemon['s_gb']:.3f}"]
    return texts


FIGURES = {
    "s_gb": ("s/GB", 3),
    "calls_gb": ("system calls/GB", 0),
    "trains_gb": ("messages sent/GB", 0),
    "packets_train": ("packets a message sent", 1),
    "samples": ("samples", 0),
}


def print_daemon(daemon, now, before):
    head = ["%", "s/GB"]
    rows = [[daemon] + ([f"{text} before" for text in head] + head if before else head)]
    names = set(with_sums(now["share"])) | set(with_sums(before["share"]) if before else ())
    for name in sorted(names, key=order):
        label = "  " + name.split(": ", 1)[1] if ": " in name else name
        rows.append([label] + cells(now, before, name))
    print_table(rows)
    for name, (title, decimals) in FIGURES.items():
        if name in now:
            was = f"{before[name]:,.{decimals}f} -> " if before and name in before else ""
            print(f"{title}: {was}{now[name]:,.{decimals}f}")
    print()


def main():
    parser = argparse.ArgumentParser(description="Classes of the samples of bench/profile.")
    parser.add_argument("samples", help="folder of SETTING/DAEMON/ROUND.data")
    parser.add_argument("figures", help="lines of setting, daemon, figure, value")
    parser.add_argument("--build", required=True)
    parser.add_argument("--event", required=True)
    parser.add_argument("--save", metavar="FILE")
    parser.add_argument("--compare", metavar="FILE")
    options = parser.parse_args()

    before = {}
    if options.compare:
        with open(options.compare, encoding="utf-8") as file:
            before = json.load(file)["settings"]
    result = collect(options)
    for setting, measured in result.items():
        was = before.get(setting)
        text = f"{was['mbit_s']:,.0f} -> " if was else ""
        print(f"\n== {setting}: {text}{measured['mbit_s']:,.0f} Mbit/s, by {options.event}\n")
        for daemon, now in measured["daemons"].items():
            print_daemon(daemon, now, was["daemons"].get(daemon) if was else None)
    if options.save:
        document = {"benchmark": "profile", "event": options.event, "settings": result}
        with open(options.save, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.write("\n")
        print(f"Saved: {options.save}")


if __name__ == "__main__":
    main()
