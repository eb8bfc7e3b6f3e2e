#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Looks whether a release build came out as cmake/hardening.cmake asks for it: position-independent, relocations
read-only before main, no stack or segment that is writable and executable, and the checks of stack protector,
_FORTIFY_SOURCE, stack clash protection and control-flow protection in the code."""

import argparse
import itertools
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def problems_of_file(binary):
    """What the headers, the dynamic section and the imported names tell."""
    headers = output("readelf", "-hlW", binary)
    dynamic = output("readelf", "-dW", binary)
    imports = output("readelf", "--dyn-syms", "-W", binary)
    wanted = [
        (r"Type:\s+DYN", headers, "not position-independent (PIE)"),
        (r"FLAGS_1.*\bPIE\b", dynamic, "not position-independent (no PIE flag)"),
        (r"^\s*GNU_RELRO\s", headers, "relocations stay writable (no RELRO)"),
        (r"\(FLAGS_1\).*\bNOW\b|BIND_NOW", dynamic, "symbols are bound late, so RELRO is not full (-z now)"),
        (r"^\s*GNU_STACK\s.*\sRW\s", headers, "the stack is executable, or nobody says that it is not"),
        (r"\b__stack_chk_(fail|guard)\b", imports, "no stack protector"),
        (r"\b__(v?snprintf|memcpy)_chk\b", imports, "no _FORTIFY_SOURCE"),
    ]
    unwanted = [
        (r"^\s*LOAD\s.*\sRWE\s", headers, "a segment is writable and executable"),
        (r"\bTEXTREL\b", dynamic, "code is relocated (TEXTREL)"),
        (r"\b(RPATH|RUNPATH)\b", dynamic, "libraries are looked for in a path of the build (RPATH)"),
    ]
    yield from (words for pattern, text, words in wanted if not re.search(pattern, text, re.M))
    yield from (words for pattern, text, words in unwanted if re.search(pattern, text, re.M))


def problems_of_code(binary):
    """What only the instructions tell; they are known here for x86-64 alone."""
    if "X86-64" not in output("readelf", "-hW", binary):
        return
    code = output("objdump", "-d", "--no-show-raw-insn", binary)
    if not re.search(r"<main>:\n[^\n]*\bendbr64\b", code):
        yield "main is no marked target of a jump (-fcf-protection)"
    # Each page of a large frame is touched as it is taken: GCC adds nothing to it, clang writes a zero.
    if not re.search(r"sub +\$0x1000,%rsp\n[^\n]*(or|mov)q +\$0x0,\(%rsp\)", code):
        yield "large frames are taken without touching each page (-fstack-clash-protection)"


def check(binary):
    return [*problems_of_file(binary), *problems_of_code(binary)]


PROGRAM = """
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{
    char text[40000];
    snprintf(text, sizeof(text) - (size_t)argc, "%s", argv[0]);
    for (int i = 0; i < argc; i++)
        memcpy(text + i, argv[i], (size_t)argc);
    return puts(text);
}
"""
GOOD = {
    "pie": ("-fPIE -pie", "-fno-pie -no-pie"),
    "relro": ("-Wl,-z,relro", "-Wl,-z,norelro"),
    "now": ("-Wl,-z,now", "-Wl,-z,lazy"),
    "stack": ("-Wl,-z,noexecstack", "-Wl,-z,execstack"),
    "protector": ("-fstack-protector-strong", "-fno-stack-protector"),
    "fortify": ("-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2", "-U_FORTIFY_SOURCE"),
    "path": ("", "-Wl,-rpath,/nowhere"),
}
GOOD_X86 = {
    "clash": ("-fstack-clash-protection", "-fno-stack-clash-protection"),
    "flow": ("-fcf-protection=full", "-fcf-protection=none"),
}
SAYS = {
    "pie": "PIE", "relro": "RELRO", "now": "-z now", "stack": "stack is executable", "protector": "stack protector",
    "fortify": "FORTIFY", "path": "RPATH", "clash": "stack-clash", "flow": "cf-protection",
}  # fmt: skip


def self_test():
    """A small program is built whole, and with each measure left out; the gap must be seen."""
    measures = {**GOOD, **(GOOD_X86 if output("uname", "-m").strip() == "x86_64" else {})}
    with tempfile.TemporaryDirectory() as folder:
        source, binary = pathlib.Path(folder, "main.c"), pathlib.Path(folder, "main")
        source.write_text(PROGRAM)
        compilers = ["cc", *(["clang"] if shutil.which("clang") else [])]
        for compiler, left_out in itertools.product(compilers, [None, *measures]):
            flags = " ".join(off if name == left_out else on for name, (on, off) in measures.items()).split()
            subprocess.run([compiler, "-O2", source, "-o", binary, *flags], check=True)
            problems = check(binary)
            seen = not problems if left_out is None else any(SAYS[left_out] in problem for problem in problems)
            if not seen:
                sys.exit(f"self-test: {compiler} without {left_out} gave {problems}")
    print(f"self-test: {len(measures)} missing measures seen")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", nargs="?", type=pathlib.Path)
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    if options.binary is None:
        parser.error("which program?")
    problems = check(options.binary)
    print("\n".join(f"{options.binary}: {problem}" for problem in problems) or "hardening: nothing is missing")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
