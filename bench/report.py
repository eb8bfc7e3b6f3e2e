# SPDX-License-Identifier: Apache-2.0
"""The goals, and the tables that hold the measured figures against them."""

import datetime
import json
import os
import pathlib
import platform
import re
import sqlite3
import statistics
import subprocess

# at_most: ours / other; at_least: other / ours, for costs; share: ours / other, for rates; below: ours alone.
# (row, scenario, what, unit, other, kind, goal)
ROWS = [
    ("deliver", "deliver", "CPU per update", "µs", "limit", "at_most", 2.5),
    ("deliver_p99", "deliver", "p99 post → receive at 70 %", "ms", None, "below", 50),
    ("idle_memory", "idle", "memory per connection", "B", None, "below", 1536),
    ("idle_ping", "idle", "CPU per ping and pong", "µs", "limit", None, None),
    ("connect", "connect", "CPU per connect", "µs", "limit", "at_most", 3),
    ("poll", "poll", "CPU per answer", "µs", "peer", "at_least", 0.7),
    ("poll_304", "poll", "CPU per 304", "µs", "peer", "at_least", 0.8),
    ("ingest_batch", "ingest", "CPU per update, batches", "µs", "limit", "at_least", 0.8),
    ("ingest_batch_rate", "ingest", "updates per second, batches", "", "limit", "share", 0.8),
    ("ingest_single", "ingest", "CPU per update, 64 single writers", "µs", "limit", "at_least", 0.8),
    ("ingest_single_rate", "ingest", "updates per second, 64 single writers", "", "limit", "share", 0.8),
    ("webhook", "webhook", "CPU per delivery", "µs", "limit", "at_least", 0.6),
    ("webhook_record", "webhook", "the same beside bare SQLite's record too", "µs", "limit", "at_least", None),
    ("webhook_rate", "webhook", "deliveries per second", "", "limit", "share", 0.6),
    ("webhook_hanging", "webhook", "p99 with 1 % hanging / without", "ms", "calm", "at_most", 1.2),
    ("growth_ingest", "growth", "CPU per update / on a small store", "µs", "small", "at_least", 0.8),
    ("growth_sqlite", "growth", "the same of bare SQLite", "µs", "small", "at_least", None),
    ("growth_poll", "growth", "CPU per answer / on a small store", "µs", "small", "at_least", 0.8),
    ("growth_list", "growth", "CPU per page of the list / on a small store", "µs", "small", "at_least", 0.8),
    ("growth_connect", "growth", "CPU per connect / on a small store", "µs", "small", "at_least", 0.8),
    ("growth_history", "growth", "CPU per page of history / on a small store", "µs", "small", "at_least", 0.8),
    ("growth_beside", "growth", "p99 of an update, with pruning and backup / without", "ms", "calm", "at_most", None),
    ("growth_longest", "growth", "the longest of these", "ms", None, "below", 500),
    ("growth_start", "growth", "start to ready", "s", None, "below", 2),
]
BUSY = 0.9


def number(value):
    if value >= 10000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def machine():
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    memory = int(open("/proc/meminfo").readline().split()[1]) // 1024 // 1024
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_gib": memory, "kernel": platform.release(),
            "load_average": os.getloadavg()[0]}


def version_of(words):
    try:
        done = subprocess.run(words, capture_output=True, text=True)
    except OSError:
        return None
    return (done.stdout + done.stderr).splitlines()[0].strip()


def versions(binary):
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=pathlib.Path(__file__).parent)
    found = {"orderwire": version_of([binary, "version"]), "commit": commit.stdout.strip(),
             "cc": version_of(["cc", "-dumpfullversion"]), "curl": version_of(["curl", "--version"]),
             "sqlite": sqlite3.sqlite_version, "nginx": version_of(["nginx", "-v"])}
    return {name: (re.search(r"\d+\.[\d.]+", value) or [value])[0] for name, value in found.items() if value}


def judge(row, samples, details):
    """A row's figures: medians, spreads, the ratio and what becomes of the goal."""
    late = statistics.median([one.get("late_p99_ns", 0) for one in details.get((row[0], "ours"), [])] or [0]) / 1e6
    name, scenario, what, unit, other, kind, goal = row
    sides = {side: {"median": statistics.median(values), "least": min(values), "most": max(values), "runs": len(values)}
             for side, values in samples.items()}
    found = {"row": name, "scenario": scenario, "what": what, "unit": unit, "goal": goal, "kind": kind, "sides": sides}
    ours = sides["ours"]["median"]
    if kind == "below":
        found["verdict"] = "pass" if ours <= goal else "short" if late < goal / 2 else f"unknown: the load generator was {number(late)} ms late"
    elif other in sides:
        theirs = sides[other]["median"]
        found["ratio"] = theirs / ours if kind == "at_least" else ours / theirs
        if goal is not None:
            good = found["ratio"] >= goal if kind in ("at_least", "share") else found["ratio"] <= goal
            found["verdict"] = "pass" if good else "short"
    else:
        found["verdict"] = "no peer"
    return found


def side_text(row, side):
    if side not in row["sides"]:
        return ""
    values = row["sides"][side]
    return f"{number(values['median'])} {row['unit']} ({number(values['least'])}–{number(values['most'])})".replace("  ", " ")


def goal_text(row):
    if row["goal"] is None:
        return ""
    return {"at_most": "≤ {} ×", "at_least": "≥ {} ×", "share": "≥ {} ×", "below": "≤ {} " + row["unit"]}[row["kind"]].format(row["goal"])


def goals_table(rows):
    lines = ["| scenario | what | ours | limit | peer | ratio | goal | |", "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        limit = next((side_text(row, side) for side in ("limit", "calm", "small") if side in row["sides"]), "")
        ratio = number(row["ratio"]) if "ratio" in row else ""
        cells = [row["scenario"], row["what"], side_text(row, "ours"), limit, side_text(row, "peer"), ratio, goal_text(row), row.get("verdict", "")]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def wall_table(details):
    """The clock's side: the highest rate, and latencies at 70 % of it."""
    lines = ["| scenario | side | per second | at 70 %: per second | p50 ms | p99 ms | p99.9 ms | load generator late, p99 ms | busy |",
             "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]

    def median(runs, key):
        return statistics.median(key(one) for one in runs)

    for (row, side), runs in details.items():
        if row.endswith("_rate") or row in ("deliver_p99", "idle_memory", "idle_ping", "growth_start") or not runs[0].get("units"):
            continue
        steady = [one["steady"] for one in runs if "steady" in one]
        cells = [row, side, number(median(runs, lambda one: one["units"] / one["wall_ns"] * 1e9))]
        timed = steady or (runs if runs[0].get("latencies") else [])
        cells.append(number(median(steady, lambda one: one["units"] / one["wall_ns"] * 1e9)) if steady else "")
        cells += [number(median(timed, lambda one, key=key: one[key] / 1e6)) if timed else "" for key in ("p50_ns", "p99_ns", "p999_ns")]
        cells.append(number(median(timed, lambda one: one["late_p99_ns"] / 1e6)) if timed and timed[0]["late_p99_ns"] else "")
        busy = median(runs, lambda one: one.get("load_ns", 0) / one["wall_ns"])
        cells.append(f"{busy:.0%}" + (": the bottleneck" if busy > BUSY else "") if busy else "")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def markdown(result):
    box, found = result["machine"], result["versions"]
    lines = [
        f"# Bench of {result['date']}", "",
        f"`{result['command']}`: {result['runs']} runs a figure, in {result['seconds']:.0f} s. Median (least–most).", "",
        f"Machine: {box['cores']} cores of {box['cpu']}, {box['memory_gib']} GiB, Linux {box['kernel']}; load average at the start "
        f"{box['load_average']:.2f}. " + ", ".join(f"{name} {value}" for name, value in found.items()) + ".", "",
        *goals_table(result["rows"]), "",
        "Latencies count from when a message should have been sent. Where there is no second rate they were taken at the highest one.", "",
        *wall_table(result["details"]), "", *[note + "." for note in result["notes"]],
    ]
    return "\n".join(lines).rstrip() + "\n"


def write(result, place):
    place.mkdir(parents=True, exist_ok=True)
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    text = markdown(result)
    plain = {**result, "details": {f"{row}/{side}": runs for (row, side), runs in result["details"].items()}}
    for name in (stamp, "latest"):
        (place / f"{name}.md").write_text(text)
        (place / f"{name}.json").write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n")
    return text
