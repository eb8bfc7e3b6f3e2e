#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps the sizes and the manners of the code: banned functions, long files, long or knotty functions
(measured by pmccabe where it is installed), words of unfinished work, white space at the end of lines."""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

FILE_LINES = 700
FUNCTION_LINES = 80
COMPLEXITY = 15

# Function -> what the house has instead.
BANNED = {
    "sprintf": "buf_printf or snprintf", "vsprintf": "vsnprintf", "strcpy": "struct str or struct buf",
    "strcat": "struct buf", "strncpy": "struct str", "strncat": "struct buf", "strtok": "the words of base/str.h",
    "atoi": "the words of base/str.h", "atol": "the words of base/str.h", "atoll": "the words of base/str.h",
    "atof": "the words of base/str.h", "strtol": "the words of base/str.h", "strtoll": "the words of base/str.h",
    "strtoul": "the words of base/str.h", "strtoull": "the words of base/str.h", "sscanf": "a parser",
    "gets": "read", "gmtime": "base/clock.h", "localtime": "base/clock.h", "malloc": "mem_alloc",
    "calloc": "mem_zalloc", "realloc": "mem_realloc", "free": "mem_free", "strdup": "mem_strdup",
    "strndup": "mem_strndup", "asprintf": "buf_printf", "vasprintf": "buf_printf", "alloca": "mem_alloc",
}

# (path, function): why it may.
BANNED_EXCEPTIONS = {
    ("src/base/mem.c", "malloc"): "it is the house's own word for it",
    ("src/base/mem.c", "calloc"): "it is the house's own word for it",
    ("src/base/mem.c", "realloc"): "it is the house's own word for it",
    ("src/base/mem.c", "free"): "it is the house's own word for it",
}
# path: why it may be longer.
LONG_FILES = {}
# (path, function): why it may be longer or have more branches.
LARGE_FUNCTIONS = {}

CODE = {".c", ".h", ".def"}
TEXT = CODE | {".py", ".sh", ".js", ".mjs", ".css", ".html", ".md", ".txt", ".cmake", ".yaml", ".yml", ".json", ".sql", ".proto"}
SKIP_FOLDERS = {".git", "build", "node_modules", "corpus", "regression"}
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")


def files(root):
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in SKIP_FOLDERS)
        for name in sorted(names):
            path = pathlib.Path(folder, name)
            if (path.suffix in TEXT or name == "Makefile") and name != "package-lock.json" and not path.is_symlink():
                yield path


def code_only(text):
    """The text without comments and strings; lines keep their numbers."""
    return COMMENT_OR_STRING.sub(lambda match: "\n" * match.group().count("\n") or " ", text)


def check_text(where, text):
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip():
            yield f"{where}:{number}: white space at the end of the line"
        if UNFINISHED.search(line):
            yield f"{where}:{number}: a word of unfinished work: {UNFINISHED.search(line).group()}"
    if text and not text.endswith("\n"):
        yield f"{where}: the last line has no end"


def check_code(where, text):
    lines = text.count("\n")
    if lines > FILE_LINES and where not in LONG_FILES:
        yield f"{where}: {lines} lines; {FILE_LINES} are allowed"
    if "SPDX-License-Identifier: Apache-2.0" not in text.split("\n", 1)[0]:
        yield f"{where}: the first line does not name the license"
    elif where.endswith(".c") and not where.endswith("_test.c") and not text.split("\n", 2)[1].startswith("/*"):
        yield f"{where}: the second line does not begin to say what the file is for"
    for number, line in enumerate(code_only(text).split("\n"), 1):
        if "\t" in line:
            yield f"{where}:{number}: a tab"
        for name in CALL.findall(line):
            if (where, name) not in BANNED_EXCEPTIONS:
                yield f"{where}:{number}: {name}() is banned; the house has {BANNED[name]}"


def check_functions(root, paths):
    """pmccabe prints: complexity with a switch counted once, complexity, statements, first line, lines, path(line): name."""
    rows = subprocess.run(["pmccabe", *map(str, paths)], cwd=root, capture_output=True, text=True, check=True).stdout
    for row in rows.splitlines():
        complexity, _, _, line, length, place = row.split("\t")
        path, name = re.fullmatch(r"(.*)\(\d+\): (.*)", place).groups()
        if (path, name) in LARGE_FUNCTIONS:
            continue
        if int(length) > FUNCTION_LINES:
            yield f"{path}:{line}: {name} has {length} lines; {FUNCTION_LINES} are allowed"
        if int(complexity) > COMPLEXITY:
            yield f"{path}:{line}: {name} has complexity {complexity}; {COMPLEXITY} is allowed"


def check(root):
    problems, sources, count = [], [], 0
    for path in files(root):
        where = path.relative_to(root).as_posix()
        text = path.read_text(errors="replace")
        problems += check_text(where, text)
        count += 1
        if path.suffix in CODE:
            problems += check_code(where, text)
        if path.suffix == ".c":
            sources.append(where)
    if not shutil.which("pmccabe"):
        print("style: the sizes of functions were not measured: pmccabe is not installed")
    elif sources:
        problems += check_functions(root, sources)
    return count, problems


def self_test():
    """Each rule is broken once in a small tree, and must be seen."""
    head = "/* SPDX-License-Identifier: Apache-2.0 */\n/* What for. */\n"
    long_function = head + "int f(void);\nint f(void)\n{\n" + "    f();\n" * 90 + "}\n"
    knot = head + "int f(int a);\nint f(int a)\n{\n" + "    if (a)\n        a++;\n" * 16 + "    return a;\n}\n"
    broken = [
        ("a.c", head + "int f(void) { return atoi(x); }\n", "atoi() is banned"),
        ("a.c", head + "void f(void) { free (x); }\n", "free() is banned"),
        ("a.c", head + "int a; \n", "white space"),
        ("a.c", head + "// TO" "DO later\n", "unfinished"),
        ("a.md", "A FIX" "ME\n", "unfinished"),
        ("a.c", head + "int a;", "no end"),
        ("a.c", head + "\tint a;\n", "a tab"),
        ("a.c", "int a;\n", "license"),
        ("a.c", head.replace("/* What for. */\n", "int a;\n"), "what the file is for"),
        ("a.h", head + "\n" * FILE_LINES, "lines; 700"),
    ]
    if shutil.which("pmccabe"):
        broken += [("a.c", long_function, "lines; 80"), ("a.c", knot, "complexity 17")]
    good = {
        "good.c": head + '/* free(x) */\nconst char *s = "free(x) \\" atoi(1)";\nvoid f(void) { x->free(y); gmtime_r(a); mem_free(z); }\n',
        "build/skipped.c": "\tatoi(1) ",
    }
    for change in [None, *broken]:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in {**good, **({change[0]: change[1]} if change else {})}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            _, problems = check(root)
            seen = not problems if change is None else len(problems) == 1 and change[2] in problems[0]
            if not seen:
                sys.exit(f"self-test: {change} gave {problems}")
    print(f"self-test: {len(broken)} broken rules seen")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).parent.parent)
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    count, problems = check(options.root)
    print("\n".join(problems) if problems else f"style: {count} files are in order")
    return 1 if problems or not count else 0


if __name__ == "__main__":
    sys.exit(main())
