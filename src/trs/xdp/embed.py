#!/usr/bin/env python3
"""embed.py NAME INPUT OUTPUT: writes a file as a C array of bytes, aligned as ELF wants it."""
import pathlib
import sys

name, source, target = sys.argv[1:]
data = pathlib.Path(source).read_bytes()
lines = [", ".join(map(str, data[i:i + 24])) for i in range(0, len(data), 24)]
pathlib.Path(target).write_text(
    f"static const unsigned char {name}[] __attribute__((aligned(8))) = {{\n"
    + ",\n".join(lines) + "};\n")
