#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps the server's instructions per unit of work where they are: a count is the same on a busy machine, where a time
is not. valgrind counts those of the whole process, libraries too, so counts.json has them by processor, compiler and
SQLite; where it has none for this machine, the check says so and is skipped. --update writes them anew."""

import argparse
import json
import pathlib
import platform
import re
import shutil
import sqlite3
import subprocess
import sys

from harness import Orderwire, BenchError

FILE = pathlib.Path(__file__).resolve().parent / "counts.json"
TOLERANCE = 0.10
SKIPPED = 77
# One worker, one request at a time and no work by the clock, so that two runs do the same.
SETTINGS = ("workers=1", "prune.interval=1h", "realtime.position_interval=1h")
USERS, BATCH = 200, 50
SCENARIOS = {
    "deliver": ("deliver", {"count": 20, "posters": 1, "batch": BATCH}, 20 * BATCH),
    "connect": ("connect", {"count": 400, "connections": 1, "batch": BATCH, "posters": 1}, 400),
    "poll": ("poll", {"count": 1000, "connections": 1, "batch": BATCH, "posters": 1}, 1000),
    "ingest": ("ingest", {"count": 20, "posters": 1, "batch": BATCH}, 20 * BATCH),
    "webhook": ("webhook", {"count": 400, "posters": 1, "batch": BATCH, "connections": 8}, 400),
}


def environment():
    compiler = subprocess.run(["cc", "-dumpfullversion"], capture_output=True, text=True).stdout.strip()
    return f"{platform.machine()}, cc {compiler}, sqlite {sqlite3.sqlite_version}"


def count(name):
    """Instructions per unit between the beginning and the end of what is measured."""
    scenario, options, units = SCENARIOS[name]
    with Valgrind() as server:
        command = f"vgdb --pid={server.pid} "
        server.make_project().load(scenario, users=USERS, warm_up=0, begin=command + "zero >/dev/null 2>&1",
                                   end=command + "dump >/dev/null 2>&1", **options)
        return server.instructions() / units


class Valgrind(Orderwire):
    def __init__(self):
        super().__init__(settings=SETTINGS, wrapper=("valgrind", "--tool=callgrind", "--callgrind-out-file={home}/out"))

    def instructions(self):
        """Of the first dump, the one that was asked for."""
        found = re.search(r"^(?:totals|summary): (\d+)", (self.home / "out.1").read_text(), re.M)
        if not found:
            raise BenchError("valgrind counted nothing")
        return int(found.group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="write the counts of this machine's kind into counts.json")
    parser.add_argument("--runs", type=int, default=1, help="count so often, and show how far the runs are apart")
    parser.add_argument("--only", choices=list(SCENARIOS))
    arguments = parser.parse_args()
    if not shutil.which("valgrind"):
        print("counts: valgrind is not installed")
        return SKIPPED
    known = json.loads(FILE.read_text())
    here = environment()
    expected = known.get(here)
    if not expected and not arguments.update:
        print(f"counts: there are none for {here}; bench/counts.py --update makes them")
        return SKIPPED
    wrong = 0
    for name in [arguments.only] if arguments.only else SCENARIOS:
        runs = sorted(count(name) for _ in range(arguments.runs))
        middle = round(runs[len(runs) // 2])
        spread = f", {(runs[-1] - runs[0]) / runs[0]:.1%} between the runs" if len(runs) > 1 else ""
        change = f", {middle / expected[name] - 1:+.1%}" if expected and name in expected else ""
        print(f"counts: {name}: {middle} instructions per unit{change}{spread}")
        if arguments.update:
            known.setdefault(here, {})[name] = middle
        elif abs(middle / expected[name] - 1) > TOLERANCE:
            print(f"counts: {name} had {expected[name]}; when that is meant, run bench/counts.py --update and commit counts.json")
            wrong += 1
    if arguments.update:
        FILE.write_text(json.dumps(known, indent=1) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
