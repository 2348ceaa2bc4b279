#!/usr/bin/python3
"""The files of examples/editors work: the JSON is JSON, the expressions compile, and an example is highlighted."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EDITORS = os.path.join(ROOT, "examples/editors")
VSCODE = os.path.join(EDITORS, "vscode")
POLICY = os.path.join(ROOT, "tests/unit/dsl/complete.route")

# A line of the example, a word in it, and what it is: TextMate's scope and Vim's group.
EXPECTED = [
    ("# Notifications", "Notifications", "comment", "Comment"),
    ("let plan_rate", "let", "keyword.control.item", "Item"),
    ("let plan_rate", "2/s", "constant.numeric.rate", "Number"),
    ("backend app", "backend", "keyword.control.item", "Item"),
    ('url     = "http', "url", "support.type.property-name", "Setting"),
    ('url     = "http', "http", "string", "String"),
    ("timeout = 3s", "3s", "constant.numeric", "Number"),
    ('from header "Auth', "from", "keyword.control.statement", "Statement"),
    ('from header "Auth', "header", "keyword.other.clause", "Clause"),
    ("claim roles   : set", "claim", "keyword.control.statement", "Statement"),
    ("claim roles   : set", "string", "storage.type", "Type"),
    ("channel user/:id", ":id", "variable.parameter.capture", "Capture"),
    ("limit connections to", "connections", "support.function.meter", "Meter"),
    ("limit connections to", "user.sub", "support.variable", "Attribute"),
    ("allow connect", "allow", "keyword.control.statement", "Statement"),
    ("allow connect", "connect", "support.function.action", "Action"),
    ("join user/{user.sub}", "{user.sub}", "variable.other.insert", "Insert"),
    ("alias /ws/notifications/", "2027-06-30", "constant.numeric.date", "Number"),
    ("deny if not", "not", "keyword.operator.word", "Operator"),
    ("deny if not", "because", "keyword.other.clause", "Clause"),
    ("errors { forbidden", "forbidden", "entity.name.tag.reason", "Reason"),
    ("errors { forbidden", "close", "keyword.other.outcome", "Outcome"),
    ("expect deny message", "message", "support.function.action", "Action"),
]


def places():
    with open(POLICY) as file:
        lines = file.read().split("\n")
    for text, word, scope, group in EXPECTED:
        number = next(i for i, line in enumerate(lines) if text in line)
        yield lines[number], number, lines[number].index(word, lines[number].index(text)), word, scope, group


def expressions(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("match", "begin", "end", "increaseIndentPattern", "decreaseIndentPattern"):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)


def load(name):
    with open(os.path.join(VSCODE, name)) as file:
        return json.load(file)


def scopes(grammar, line):
    """What TextMate does, as far as this grammar needs it: at each place the first rule that matches there."""
    def rules(patterns):
        return [grammar["repository"][p["include"][1:]] if "include" in p else p for p in patterns]

    def run(patterns, start, end, found):
        at = start
        while at < end:
            best = None
            for rule in rules(patterns):
                expression = rule.get("match") or rule["begin"]
                match = re.compile(expression).search(line, at, end)
                if match and match.end() > match.start() and (best is None or match.start() < best[0].start()):
                    best = (match, rule)
            if best is None:
                return
            match, rule = best
            stop = match.end()
            if "begin" in rule:
                inner = re.compile(r'\\.|' + rule["end"])
                for closing in inner.finditer(line, match.end()):
                    stop = closing.end()
                    if not closing.group().startswith("\\"):
                        break
            for i in range(match.start(), stop):
                found[i] = rule["name"]
            inside = rule.get("patterns") or rule.get("captures", {}).get("0", {}).get("patterns")
            if inside:
                run(inside, match.start() + (1 if "begin" in rule else 0), stop, found)
            at = stop
        return

    found = [""] * (len(line) + 1)
    run(grammar["patterns"], 0, len(line), found)
    return found


def test_textmate():
    grammar = load("syntaxes/wayleave.tmLanguage.json")
    for name in ("package.json", "language-configuration.json"):
        for expression in expressions(load(name)):
            re.compile(expression)
    for expression in expressions(grammar):
        re.compile(expression)
    package = load("package.json")["contributes"]
    for file in (package["languages"][0]["configuration"], package["grammars"][0]["path"]):
        assert os.path.exists(os.path.join(VSCODE, file)), file
    assert package["grammars"][0]["scopeName"] == grammar["scopeName"]
    included = {p["include"][1:] for p in grammar["patterns"]}
    assert included <= set(grammar["repository"]), included - set(grammar["repository"])
    for line, _, column, word, scope, _ in places():
        for i in range(column, column + len(word)):
            found = scopes(grammar, line)[i]
            assert found.startswith(scope), f"{word!r} in {line!r} is {found!r}, not {scope!r}"


def test_vim():
    vim = shutil.which("vim")
    if not vim or "+syntax" not in subprocess.run([vim, "--version"], capture_output=True, text=True).stdout:
        print("skipped: Vim with syntax highlighting is not installed (apt-get install vim)")
        return
    with tempfile.TemporaryDirectory() as directory:
        result, source = os.path.join(directory, "result"), os.path.join(directory, "test.vim")
        asked = list(places())
        asks = "".join(f"call add(r, synIDattr(synID({number + 1}, {column + 1}, 0), 'name'))\n"
                       for _, number, column, _, _, _ in asked)
        with open(source, "w") as file:
            file.write(f"set nocompatible\nset runtimepath={EDITORS}/vim,$VIMRUNTIME\nfiletype plugin indent on\nsyntax on\n"
                       f"edit {POLICY}\nlet r = [&filetype, v:errmsg]\n{asks}"
                       "let before = getline(1, '$')\nnormal gg=G\ncall add(r, before ==# getline(1, '$') ? 'same' : 'moved')\n"
                       f"call writefile(r, '{result}')\nqall!\n")
        subprocess.run([vim, "-u", "NONE", "-i", "NONE", "-n", "-N", "-es", "-S", source], stdin=subprocess.DEVNULL, timeout=60,
                       check=False, env={**os.environ, "TERM": "dumb", "HOME": directory})
        with open(result) as file:
            filetype, error, *groups, indented = file.read().split("\n")[:-1]
    assert filetype == "wayleave" and not error, (filetype, error)
    for (line, _, _, word, _, group), found in zip(asked, groups, strict=True):
        assert found == "wayleave" + group, f"{word!r} in {line!r} is {found!r}, not {group!r}"
    assert indented == "same", "the indentation of a formatted file changes"


if __name__ == "__main__":
    failed = 0
    for test in (test_textmate, test_vim):
        try:
            test()
            print("ok", test.__name__)
        except AssertionError as error:
            failed += 1
            print("FAILED", test.__name__, error)
    sys.exit(1 if failed else 0)
