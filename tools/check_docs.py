#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps the docs whole: each row of the code's tables stands in the document that is for it, each metric
that a document names is there, and each link from one document to a file of the project leads somewhere."""

import argparse
import os
import pathlib
import re
import sys
import tempfile

# Table, macro, the arguments that must stand together on a line, how they look there, document ("any": one of
# README.md and docs/).
TABLES = [
    ("src/config/options.def", "OPTION", (0, 3), "`{0}`|{1}", "docs/config.md"),
    ("src/base/limits.def", "LIMIT", (0,), "{0}", "docs/config.md"),
    ("src/codec/api_errors.def", "API_ERROR", (1, 2), "{0}|{1}", "docs/http-api.md"),
    ("src/codec/client_errors.def", "CLIENT_ERROR", (1, 2), "{0}|{1}", "docs/realtime.md"),
    ("src/codec/close_codes.def", "CLOSE_CODE", (1, 2), "{0}|{1}", "docs/realtime.md"),
    ("src/base/metrics.def", "(?:COUNTER|GAUGE|HISTOGRAM)", (0,), "metric {0}", "any"),
    ("src/cli/commands.def", "COMMAND", (0,), "command {0}", "any"),
]
ARGUMENT = r'\s*("(?:\\.|[^"\\])*"|[^,()"]*(?:\([^()]*\))?[^,()"]*)\s*'
LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
SKIP_FOLDERS = {".git", "build", "node_modules"}


def rows(text, macro):
    """The arguments of each row of a table, without quotes."""
    for match in re.finditer(rf"^[ \t]*{macro}\(", text, re.M):
        arguments, place = [], match.end()
        while argument := re.compile(ARGUMENT + "([,)])").match(text, place):
            arguments.append(argument.group(1).strip().strip('"'))
            place = argument.end()
            if argument.group(2) == ")":
                break
        yield arguments


def command_name(root, symbol):
    """The words that a user types, from the command's own struct."""
    pattern = re.compile(rf'\bcommand_{symbol} = {{[^}}]*?\.name = "([^"]+)"', re.S)
    texts = (path.read_text() for path in sorted((root / "src/cli").glob("*.c")))
    return next((match.group(1) for match in map(pattern.search, texts) if match), symbol)


def words(root, row, wanted, look):
    """What must stand together on one line of the document."""
    if look.startswith("metric "):
        return ["orderwire_" + row[0].split("__")[0].lower()]
    if look.startswith("command "):
        return ["orderwire " + command_name(root, row[0])]
    return look.format(*(row[index] for index in wanted)).split("|")


def stands(word, line):
    """The word, and not as a part of a longer one (a metric may have its unit or _total behind it)."""
    tail = r"(?![A-Za-z0-9-])" if word.startswith("orderwire_") else r"(?![\w-])"
    return re.search(r"(?<![\w-])" + re.escape(word) + tail, line) is not None


def check_tables(root):
    everything = ["README.md", *sorted(path.relative_to(root) for path in (root / "docs").glob("*.md"))]
    for table, macro, wanted, look, document in TABLES:
        documents = everything if document == "any" else [document]
        missing = [name for name in (table, *documents) if not (root / name).is_file()]
        if missing:
            yield f"{missing[0]} is missing"
            continue
        lines = [line for name in documents for line in (root / name).read_text().splitlines()]
        found = list(rows((root / table).read_text(), macro))
        if not found:
            yield f"{table}: no row {macro}(…)"
        for row in found:
            needed = words(root, row, wanted, look)
            if not any(all(stands(word, line) for word in needed) for line in lines):
                where = "README.md or docs/" if document == "any" else document
                yield f"{where}: {' with '.join(needed)} of {table} is not told"


def metrics(root):
    """Every metric as Prometheus sees it, alone and with its label."""
    text = (root / "src/base/metrics.def").read_text()
    for macro, tails in (("COUNTER", ["_total"]), ("GAUGE", [""]), ("HISTOGRAM", ["", "_bucket", "_sum", "_count"])):
        for name, label, *_ in rows(text, macro):
            label = label.replace("\\", "") + '"'  # which rows() took with the outer one
            for tail in tails:
                metric = f"orderwire_{name.split('__')[0].lower()}{tail}"
                yield from (metric, f"{metric}{{{label}}}")


def check_metrics(root):
    known = set(metrics(root))
    for path in sorted((root / "docs").glob("*.md")):
        for name in re.findall(r"orderwire_[a-z_]+(?:\{[^}]*\})?", path.read_text()):
            if name not in known:
                yield f"{path.relative_to(root)}: there is no metric {name}"


def check_links(root):
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in SKIP_FOLDERS)
        for path in (pathlib.Path(folder, name) for name in sorted(names) if name.endswith(".md")):
            text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(), flags=re.S)
            for target in LINK.findall(text):
                name = target.split("#")[0]
                if name and not re.match(r"[a-z][a-z0-9+.-]*:", name) and not (path.parent / name).exists():
                    yield f"{path.relative_to(root)}: the link to {target} leads nowhere"


def check(root):
    return sorted({*check_tables(root), *check_metrics(root), *check_links(root)})


def self_test():
    """A small project in order, then each rule broken once."""
    good = {
        "src/config/options.def": 'OPTION("realtime.max_lifetime", DURATION, realtime.max_lifetime, "5m", 2 * HOUR)\nOPTION("workers", INT, workers, "0")\n',
        "src/base/limits.def": 'LIMIT(HTTP_URL,  8 * 1024, "bytes", "why")\nLIMIT(HTTP_URL_ALL, F(1, 2), "bytes", "why")\n',
        "src/codec/api_errors.def": 'API_ERROR(BAD_JSON, 400, 1002, "No, (not) JSON")\n',
        "src/codec/client_errors.def": 'CLIENT_ERROR(INTERNAL, 100, "internal server error", true)\n',
        "src/codec/close_codes.def": 'CLOSE_CODE(SLOW, 3008, "slow", false, CLOSES__SLOW)\n',
        "src/base/metrics.def": 'COUNTER(UPDATES__APPLIED, "result=\\"applied\\"", "x")\nGAUGE(  SESSIONS, "", "x")\nHISTOGRAM(COMMIT_SECONDS, "", "x")\n',
        "src/cli/commands.def": "COMMAND(serve)\nCOMMAND(key_add)\n",
        "src/cli/command_key.c": 'const struct cli_command command_key_add = {\n    .run = 0, .name = "key add",\n};\n',
        "README.md": "`orderwire serve`, see [config](docs/config.md#limits) and [elsewhere](https://example.com/x)\n",
        "docs/config.md": "`realtime.max_lifetime` 5m\n`workers` 0\nHTTP_URL 8 KiB\nHTTP_URL_ALL\norderwire_updates_total{result=\"applied\"}\norderwire_sessions\norderwire_commit_seconds_bucket\n[up](../README.md)\n",
        "docs/http-api.md": "| 400 | 1002 |\norderwire key add\n",
        "docs/realtime.md": "| 100 | internal server error |\n| 3008 | slow |\n",
    }
    broken = [
        ("docs/config.md", "max_lifetime", "max_lifetimes", "`realtime.max_lifetime` with 5m of"),
        ("docs/config.md", "`workers` 0", "`workers` 1", "`workers` with 0 of"),
        ("docs/config.md", "HTTP_URL 8 KiB\n", "", "HTTP_URL of"),
        ("docs/config.md", "HTTP_URL_ALL", "", "HTTP_URL_ALL of"),
        ("docs/config.md", 'orderwire_updates_total{result="applied"}', "", "orderwire_updates of"),
        ("docs/realtime.md", "3008 | slow |\n", "3008 | slow |\norderwire_nothing", "no metric orderwire_nothing"),
        ("docs/realtime.md", "3008 | slow |\n", '3008 | slow |\norderwire_updates_total{result="x"}', 'no metric orderwire_updates_total{result="x"}'),
        ("docs/http-api.md", "| 400 | 1002 |", "| 400 |\n| 1002 |", "400 with 1002"),
        ("docs/realtime.md", "3008 | slow", "3008 | slowly", "3008 with slow"),
        ("README.md", "orderwire serve", "orderwire server", "orderwire serve of"),
        ("docs/http-api.md", "orderwire key add", "orderwire key", "orderwire key add of"),
        ("README.md", "docs/config.md#limits", "docs/gone.md#limits", "leads nowhere"),
        ("src/codec/close_codes.def", "CLOSE_CODE(", "CALL(", "no row"),
    ]
    for name, old, new, told in [("README.md", "", "", None), *broken]:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, text in {**good, name: good[name].replace(old, new, 1)}.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
            problems = check(root)
            if not (len(problems) == 1 and told in problems[0] if told else not problems):
                sys.exit(f"self-test: {name} with {new!r} gave {problems}")
    print(f"self-test: {len(broken)} broken rules seen")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).parent.parent)
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    problems = check(options.root)
    print("\n".join(problems) if problems else "docs: every row of every table is told")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
