#!/usr/bin/python3
"""Which room may include which: the arrows of CONTRIBUTING.md, held against every #include."""
import os
import re
import sys

MAY = {
    "dsl/text": [],
    "dsl/policy": ["dsl/text"],
    "dsl/syntax": ["dsl/text", "dsl/policy/value.h", "dsl/policy/vocabulary.h"],
    "dsl/compile": ["dsl/text", "dsl/policy", "dsl/syntax"],
    "dsl/format": ["dsl/text", "dsl/syntax"],
    "dsl/lint/exact": ["dsl/text", "dsl/policy", "dsl/syntax/ast.h"],
    "dsl/lint": ["dsl"],
    "daemon/core": ["dsl/text", "dsl/policy"],
    "daemon/explain": ["daemon/core", "dsl/text", "dsl/policy"],
    "daemon/identity": ["daemon/core", "dsl/text", "dsl/policy"],
    "daemon/backend": ["daemon/core", "daemon/identity", "dsl/text"],
    "daemon/broker": ["daemon/core", "dsl/text"],
    "daemon/edge": ["daemon/core", "dsl/text", "dsl/policy"],
    "daemon/ops": ["daemon/core", "daemon/explain", "daemon/identity", "daemon/backend", "daemon/broker", "daemon/edge", "dsl"],
    "daemon/cli": ["daemon", "dsl"],
}


def wrong_includes(root):
    for top in ("dsl", "daemon"):
        for path, _, names in os.walk(os.path.join(root, top)):
            room = os.path.relpath(path, root)
            for name in (name for name in names if name.endswith((".cc", ".h"))):
                with open(os.path.join(path, name), encoding="utf-8") as file:
                    for target in re.findall(r'^#include "([^"]+)"', file.read(), re.M):
                        allowed = [room] + MAY[room]
                        if not any(target == one or target.startswith(one + "/") for one in allowed):
                            yield f"{room}/{name} includes {target}; {room} may include {', '.join(allowed)}"


if __name__ == "__main__":
    found = list(wrong_includes(sys.argv[1]))
    print(*found, sep="\n")
    sys.exit(1 if found else 0)
