#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps the floors of docs/floors.txt: who may include whom.

Fails on an include that points up or sideways, on a header that is private to other files, on a header
that includes more than five of ours, and on a foreign library that is included in more than one folder.
"""

import argparse
import pathlib
import re
import sys
import tempfile

OURS_PER_HEADER = 5

# Foreign libraries, by the headers that belong to them. Each lives in one folder, but for OpenSSL's two halves.
LIBRARIES = {
    "libuv": r"uv(\.h|/.*)",
    "llhttp": r"llhttp\.h",
    "libcurl": r"curl/.*",
    "wslay": r"wslay/.*",
    "protobuf-c": r"(protobuf-c/.*|centrifuge\.pb-c\.h)",
    "libcrypto": r"openssl/.*",
    "SQLite": r"sqlite3\.h",
    "libyaml": r"yaml\.h",
    "libpq": r"(postgresql/)?libpq-fe\.h",
    "cnats": r"nats/.*",
    "valgrind": r"valgrind/.*",
}
# libssl, and of libcrypto what speaks to it.
TLS_FOLDER = pathlib.PurePath("src/net")
# What every Linux system with a C compiler has, and cmocka, which is for tests everywhere.
SYSTEM = re.compile(
    r"(sys|linux|netinet|arpa|net|bits)/.*|(assert|complex|ctype|dirent|dlfcn|endian|err|errno|fcntl"
    r"|fenv|float|fnmatch|getopt|glob|grp|ifaddrs|inttypes|libgen|limits|locale|malloc|math|netdb|poll|pthread"
    r"|pwd|sched|setjmp|signal|spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib"
    r"|stdnoreturn|string|strings|syslog|termios|threads|time|uchar|unistd|cmocka)\.h"
)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def read_floors(root):
    """The floor number of each folder."""
    floors = {}
    lines = (root / "docs/floors.txt").read_text().splitlines()
    rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    for number, row in enumerate(rows):
        for folder in row:
            floors[folder] = number
    return floors


def sources(root):
    """Each source file with its folder and the path by which others include it."""
    for top, base in (("src", root / "src"), ("client", root)):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in (".c", ".h", ".def") and path.is_file():
                name = path.relative_to(base)
                yield path, name.parts[0] if len(name.parts) > 1 else "", name


def private_owner(name):
    match = re.fullmatch(r"(.+)_internal\.h", name.name)
    return match.group(1) if match else None


def may_see_private(name, included):
    """hub_internal.h is for hub.c, hub_*.c, and for all of a folder that is called hub."""
    owner = private_owner(included)
    if name.parent != included.parent:
        return False
    return owner == name.parent.name or re.match(re.escape(owner) + r"[._]", name.name) is not None


def check_ours(name, folder, included, floors, known):
    if included not in known:
        return f'includes "{included}", which is no file of src/ or client/ (paths are written from there)'
    target = included.parts[0]
    if target != folder and floors[target] >= floors[folder]:
        way = "sideways" if floors[target] == floors[folder] else "up"
        return f'includes {way}: "{included}" ({folder}/ stands on {floors[folder]}, {target}/ on {floors[target]})'
    if private_owner(included) and not may_see_private(name, included):
        return f'includes "{included}", which is private to its owner\'s files'
    return None


def check(root):
    floors = read_floors(root)
    files = list(sources(root))
    known = {name for _, _, name in files}
    problems, homes = [], {}
    for path, folder, name in files:
        where = path.relative_to(root)
        if folder not in floors:
            problems.append(f"{where}: the folder {folder or '.'}/ is not in docs/floors.txt")
            continue
        ours = 0
        for kind, text in INCLUDE.findall(path.read_text(errors="replace")):
            if kind == '"':
                ours += text.endswith(".h")
                problem = check_ours(name, folder, pathlib.PurePath(text), floors, known)
                if problem:
                    problems.append(f"{where}: {problem}")
                continue
            library = next((l for l, rule in LIBRARIES.items() if re.fullmatch(rule, text)), None)
            if library == "libcrypto" and (text == "openssl/ssl.h" or where.parent == TLS_FOLDER):
                library = "libssl"
            if library:
                homes.setdefault(library, {}).setdefault(where.parent, where)
            elif not SYSTEM.fullmatch(text):
                problems.append(f"{where}: <{text}> is neither the system's nor a library that tools/check_floors.py knows")
        if path.suffix == ".h" and ours > OURS_PER_HEADER:
            problems.append(f"{where}: includes {ours} of our headers; {OURS_PER_HEADER} are allowed, forward-declare the rest")
    for library, folders in homes.items():
        if len(folders) > 1:
            problems.append(f"{library} is included in more than one folder: " + ", ".join(map(str, folders.values())))
    return len(files), problems


def self_test():
    """Each rule is broken once in a small tree, and must be seen."""
    house = {
        "docs/floors.txt": "# floors\nbase\ncodec order\nnet\nserver\nclient\n",
        "src/base/buf.h": "#include <stddef.h>\n",
        "src/base/buf_internal.h": "",
        "src/base/buf.c": '#include "base/buf.h"\n#include "base/buf_internal.h"\n',
        "src/order/order.h": '#include "base/buf.h"\n',
        "src/codec/json.c": '#include "base/buf.h"\n#include <uv.h>\n',
        "src/server/server.c": '#include "order/order.h"\n',
        "client/track.c": '#include "server/server.h"\n',
        "src/server/server.h": "",
        "src/base/crypto.c": "#include <openssl/evp.h>\n",
        "src/net/tls.c": "#include <openssl/ssl.h>\n#include <openssl/evp.h>\n",
    }
    house.update({f"src/base/h{n}.h": "" for n in range(6)})
    broken = [
        ("src/base/up.c", '#include "order/order.h"\n', "includes up"),
        ("src/codec/side.c", '# include "order/order.h"\n', "includes sideways"),
        ("src/codec/private.c", '#include "base/buf_internal.h"\n', "private"),
        ("src/base/other.c", '#include "base/buf_internal.h"\n', "private"),
        ("src/server/many.h", "".join(f'#include "base/h{n}.h"\n' for n in range(6)), "6 of our headers"),
        ("src/order/order.c", "#include <uv.h>\n", "more than one folder"),
        ("src/order/sign.c", "#include <openssl/evp.h>\n", "more than one folder"),
        ("src/order/tls.c", "#include <openssl/ssl.h>\n", "more than one folder"),
        ("src/order/zlib.c", "#include <zlib.h>\n", "neither"),
        ("src/order/near.c", '#include "order.h"\n', "no file of"),
        ("src/attic/old.c", "", "not in docs/floors.txt"),
    ]
    for change in [None, *broken]:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in {**house, **({change[0]: change[1]} if change else {})}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            _, problems = check(root)
            seen = not problems if change is None else len(problems) == 1 and change[2] in problems[0]
            if not seen:
                sys.exit(f"self-test: {change and change[0]} gave {problems}")
    print(f"self-test: {len(broken)} broken rules seen")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).parent.parent)
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    count, problems = check(options.root)
    print("\n".join(problems) if problems else f"floors: {count} files keep them")
    return 1 if problems or not count else 0


if __name__ == "__main__":
    sys.exit(main())
