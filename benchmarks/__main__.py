"""Measure what berlin_magic costs beside the least that each job can cost: see README.md in this folder."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import peers
from benchmarks.measure import ROOT, Figure, Options

SUITES = {
    "load": "what %load_ext imports and costs, and when the first request leaves",
    "decode": "CPU a chunk, from the socket to the public generators",
    "first_word": "time to the first word over the bare client",
    "rendering": "CPU and bytes of a growing document, by kind and length",
    "iopub": "bytes and messages of a live reply, and of a file of 50",
    "conversation": "10,000 turns: ask, load, list, export",
    "turns": "what 1,000 turns in one kernel leave, and how long the user's tasks are held up",
    "rows": "many rows at a time: seconds beside the ideal, and memory",
    "server": "berlin-server beside a pass-through",
    "browser": "the live view in JupyterLab: the page's main thread (not with --short)",
    "labextension": "the JupyterLab extension: opening 200 cells, and a key in a long prompt (not with --short)",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--suite", action="append", choices=SUITES, help="only this one; may be given several times")
    parser.add_argument("--short", action="store_true", help="little of each; fails if a count is over its bound")
    parser.add_argument("--rounds", type=int, help="fresh processes for each figure (5; with --short 1)")
    parser.add_argument("--peers", action="store_true", help="install and measure other clients, too")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "benchmarks.json", help="%(default)s")
    given = parser.parse_args()
    options = Options(
        short=given.short,
        rounds=given.rounds or (1 if given.short else 5),
        peers=peers.installed() if given.peers else {},
    )
    found: dict[str, list[Figure]] = {}
    broken: list[str] = []
    began = time.monotonic()
    for name in given.suite or SUITES:
        load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
        print(f"\n{name}: {SUITES[name]}  [{time.monotonic() - began:.0f} s{load}]", flush=True)
        found[name] = []
        try:
            for figure in importlib.import_module(f"benchmarks.{name}").figures(options):
                found[name].append(figure)
                print("  " + "   ".join(filter(None, figure.row())), flush=True)
        except (ImportError, subprocess.CalledProcessError) as error:  # the other suites have their table all the same
            print(f"  could not be measured: {error}", flush=True)
            broken.append(name)
    show(found)
    write(given.json, options, found)
    over = [figure for figures in found.values() for figure in figures if figure.holds is False]
    print(f"\n{time.monotonic() - began:.0f} s; {given.json}; {len(over)} over their bound")
    failed = [figure.name for figures in found.values() for figure in figures if figure.fails]
    if failed:
        print(f"More than the guard allows: {'; '.join(failed)}")
    if broken:
        print(f"Could not be measured: {', '.join(broken)}")
    return 1 if broken or (failed and given.short) else 0


def show(found: dict[str, list[Figure]]) -> None:
    """Print the table."""
    rows = [[suite, *figure.row()] for suite, figures in found.items() for figure in figures]
    head = ["suite", "figure", "median", "spread", "compared", "bound"]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    print()
    for row in [head, ["-" * width for width in widths], *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def write(path: Path, options: Options, found: dict[str, list[Figure]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    machine = {"python": sys.version.split()[0], "system": platform.platform(), "processors": os.cpu_count()}
    content = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": machine,
        "rounds": options.rounds,
        "short": options.short,
        "suites": {suite: [figure.record() for figure in figures] for suite, figures in found.items()},
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
