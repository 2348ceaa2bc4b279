#!/usr/bin/python3
"""What the compiler and the linker were told to harden stands in the binary, and in the libraries that it is made of:
BINARY LIBRARY..."""
import re
import subprocess
import sys


def readelf(*options, file=None):
    result = subprocess.run(["readelf", "--wide", *options, file or sys.argv[1]], capture_output=True, text=True, check=True,
                            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})
    return result.stdout


def main():
    header, dynamic, segments = readelf("--file-header"), readelf("--dynamic"), readelf("--program-headers")
    symbols, notes = readelf("--dyn-syms"), readelf("--notes")
    flags_1 = re.search(r"\(FLAGS_1\)\s+Flags:(.*)", dynamic)
    flags_1 = flags_1.group(1).split() if flags_1 else []
    stack = re.search(r"GNU_STACK(?:\s+0x[0-9a-f]+){5}\s+([RWE ]+?)\s+0x", segments)
    there = {
        "a position-independent file (DYN)": re.search(r"Type:\s+DYN", header),
        "linked as a program (FLAGS_1 PIE)": "PIE" in flags_1,
        "symbols bound at start (FLAGS BIND_NOW)": re.search(r"\(FLAGS\).*BIND_NOW|\(BIND_NOW\)", dynamic),
        "symbols bound at start (FLAGS_1 NOW)": "NOW" in flags_1,
        "relocations that are read-only afterwards (GNU_RELRO)": "GNU_RELRO" in segments,
        "a stack that is not executable (GNU_STACK)": stack and "E" not in stack.group(1),
        "no text relocation": "TEXTREL" not in dynamic,
        "stack protector (__stack_chk_fail)": "__stack_chk_fail" in symbols,
        "checked functions of libc (__*_chk)": re.search(r" __(?!stack)\w+_chk\b", symbols),
        "assertions of libstdc++ (std::__glibcxx_assert_fail)": "__glibcxx_assert_fail" in symbols,
    }
    if re.search(r"Machine:.*X86-64", header):
        there["a shadow stack (SHSTK)"] = re.search(r"x86 feature:.*SHSTK", notes)
        # The whole program cannot promise to mark where indirect branches may go, since Debian 12's crt1.o does not;
        # our part of it does.
        for library in sys.argv[2:]:
            notes = readelf("--notes", file=library)
            there[f"marked indirect branches (IBT) in all of {library}"] = (
                0 < len(re.findall(r"^File: .*\.o\)", notes, re.M)) == len(re.findall(r"x86 feature: IBT, SHSTK", notes)))
    missing = [what for what, found in there.items() if not found]
    for what in missing:
        print(f"missing: {what}")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
