#!/usr/bin/python3
"""Which room may include which: the arrows of CONTRIBUTING.md, held against every #include."""
import os
import re
import sys

PURE = ["daemon/base", "daemon/protocol", "daemon/message", "daemon/decision", "dsl/text", "dsl/policy"]
LOWER = [*PURE, "daemon/session", "daemon/explain", "daemon/identity", "daemon/backend", "daemon/broker", "daemon/notify", "daemon/edge",
         "daemon/client", "daemon/console", "daemon/ops", "dsl"]
MAY = {
    "dsl/text": [],
    "dsl/policy": ["dsl/text"],
    "dsl/syntax": ["dsl/text", "dsl/policy/value.h", "dsl/policy/vocabulary.h"],
    "dsl/compile": ["dsl/text", "dsl/policy", "dsl/syntax"],
    "dsl/format": ["dsl/text", "dsl/syntax"],
    "dsl/lint/exact": ["dsl/text", "dsl/policy", "dsl/syntax/ast.h"],
    "dsl/lint": ["dsl"],
    "daemon/base": ["dsl/text", "dsl/policy/value.h", "dsl/policy/describe.h"],
    "daemon/protocol": ["daemon/base", "dsl/text", "dsl/policy/value.h"],
    "daemon/message": ["daemon/base", "daemon/protocol", "dsl/text", "dsl/policy"],
    "daemon/decision": ["daemon/base", "daemon/protocol", "daemon/message", "dsl/text", "dsl/policy"],
    "daemon/session": PURE,
    "daemon/explain": [*PURE, "daemon/session"],
    "daemon/identity": PURE,
    "daemon/backend": [*PURE, "daemon/identity"],
    "daemon/broker": ["daemon/base", "daemon/message"],
    "daemon/broker/memory": ["daemon/base", "daemon/message", "daemon/broker"],
    "daemon/broker/sqlite": ["daemon/base", "daemon/message", "daemon/broker", "dsl/text"],
    "daemon/broker/redis": ["daemon/base", "daemon/message", "daemon/broker", "dsl/text"],
    "daemon/notify": [*PURE, "daemon/broker/sqlite/database.h"],
    "daemon/edge": [*PURE, "daemon/session"],
    "daemon/client": [],
    "daemon/console": ["daemon/client"],
    "daemon/ops/settings": ["daemon/base", "daemon/protocol/authority.h", "daemon/identity/credential_file.h",
                            "daemon/edge/tls_files.h", "daemon/ops/log/log.h", "dsl"],
    "daemon/ops/log": ["daemon/base", "daemon/edge/report.h", "dsl"],
    "daemon/ops/lint": ["daemon/base", "daemon/ops/load", "dsl"],
    "daemon/ops/load": LOWER,
    "daemon/ops/control": LOWER,
    "daemon/ops/server": LOWER,
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
