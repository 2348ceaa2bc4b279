#!/usr/bin/python3
"""The tests that the threat model names are there, and each of its rows names one."""
import os
import re
import sys

TESTS = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(TESTS, "..", "daemon", "threat_model.md")


def problem_with(name):
    file, _, function = name.partition(": ")
    path = os.path.join(TESTS, file)
    if not os.path.isfile(path):
        return f"there is no tests/{file}"
    with open(path, encoding="utf-8") as source:
        text = source.read()
    if function and not re.search(rf"^(async )?def {re.escape(function)}\(", text, re.MULTILINE):
        return f"tests/{file} has no {function}"
    return None


def main():
    with open(PAGE, encoding="utf-8") as page:
        attacks = page.read().split("## Attacks", 1)[1].split("## Known", 1)[0]
    rows = [line for line in attacks.splitlines() if line.startswith("| ") and not line.startswith(("| attack", "|---"))]
    problems = []
    for row in rows:
        names = re.findall(r"`((?:e2e|unit|fuzz)/[^`]+)`", row)
        if not names:
            problems.append(f"no test covers: {row[:80]}")
        problems += filter(None, map(problem_with, names))
    print("\n".join(problems) or f"{len(rows)} classes of attack")
    sys.exit(1 if problems or len(rows) < 20 else 0)


if __name__ == "__main__":
    main()
