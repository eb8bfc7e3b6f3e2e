#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures Orderwire beside what the machine could do at best, and prints both: docs/performance.md.
Writes bench/results/latest.md and .json, and the same under the time of day."""

import argparse
import datetime
import pathlib
import resource
import sys
import time

import report
import scenarios
from harness import BINARY, BenchError

HERE = pathlib.Path(__file__).resolve().parent
FULL_FILL = 10_000_000


class Bench:
    """The sizes, and the samples of all runs."""

    def __init__(self, arguments):
        quick = arguments.quick
        self.run = 0
        self.users = 200 if quick else 1000
        self.batch = 50 if quick else 100
        self.idle_users = 500 if quick else 10_000
        self.ping_s = 1 if quick else 2
        self.webhooks = 1000 if quick else 20_000
        self.fill = FULL_FILL if arguments.full else 400_000 if quick else 1_000_000
        self.times = {"warm_up": 100, "duration": 300} if quick else {"warm_up": 300, "duration": 2000}
        self.short_times = {"warm_up": 100, "duration": 300 if quick else 1000}
        self.peer = None
        if arguments.peer:
            self.peer = {"url": arguments.peer, "publish": arguments.peer_publish, "key": arguments.peer_key, "pid": arguments.peer_pid}
        self.kept = {}  # what a scenario keeps from run to run
        self.samples = {}
        self.details = {}
        self.notes = []
        self.failed = []

    def add(self, row, side, value, figures):
        self.samples.setdefault(row, {}).setdefault(side, []).append(value)
        if figures:
            self.details.setdefault((row, side), []).append(figures)

    def note(self, text):
        self.notes.append(text)


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=list(scenarios.ALL), help="one scenario; may be repeated")
    parser.add_argument("--runs", type=int, default=5, help="how often each figure is taken; the median counts")
    parser.add_argument("--quick", action="store_true", help="all in less than a minute, to see that the kit works; the figures mean nothing")
    parser.add_argument("--full", action="store_true", help=f"growth with {FULL_FILL:,} orders: about 12 GB of disk and some minutes more")
    parser.add_argument("--results", type=pathlib.Path, default=HERE / "results", help="where the tables are written")
    parser.add_argument("--peer", metavar="URL", help="ws://HOST:PORT/PATH of a server that speaks the Centrifuge protocol")
    parser.add_argument("--peer-publish", metavar="PATH", default="/api/batch", help="of its API on the same port")
    parser.add_argument("--peer-key", default="", help="for its API")
    parser.add_argument("--peer-pid", type=int, default=0, help="whose CPU time is read")
    return parser.parse_args()


def measure(bench, arguments):
    chosen = arguments.only or list(scenarios.ALL)
    runs = 1 if arguments.quick else arguments.runs
    for name in chosen:
        began = time.monotonic()
        try:
            for bench.run in range(runs):
                scenarios.ALL[name](bench)
        except BenchError as error:
            bench.failed.append(name)
            bench.note(f"{name} FAILED: {error}")
        print(f"bench: {name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return runs


def main():
    arguments = parse()
    box = report.machine()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    bench = Bench(arguments)
    if hard < bench.idle_users + 1000:
        bench.idle_users = (hard - 1000) // 100 * 100
        bench.note(f"idle: {bench.idle_users:,} connections, because a process may open {hard:,} files")
    began = time.monotonic()
    try:
        runs = measure(bench, arguments)
    finally:
        if "filled" in bench.kept:
            bench.kept["filled"].remove()
    result = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "command": "make bench" + (" BENCH='" + " ".join(sys.argv[1:]) + "'" if len(sys.argv) > 1 else ""),
        "runs": runs,
        "seconds": time.monotonic() - began,
        "machine": box,
        "versions": report.versions(BINARY),
        "rows": [report.judge(row, bench.samples[row[0]], bench.details) for row in report.ROWS if "ours" in bench.samples.get(row[0], {})],
        "details": bench.details,
        "notes": bench.notes,
    }
    print(report.write(result, arguments.results), end="")
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
