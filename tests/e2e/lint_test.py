#!/usr/bin/python3
"""wayleave lint as people and other programs use it."""
import base64
import json
import os
import re
import shutil
import stat
import tempfile

import jsonschema

from cli_test import MISTAKE, POLICY, DENIED, ended
from daemon import Daemon, is_sanitized, run
from runner import main

HERE = os.path.dirname(os.path.abspath(__file__))
WARNED = POLICY.replace("allow connect", "allow connect\n    max_message = 8mb\n    allow subscribe")
MEMBERS = ["file", "line", "column", "end", "id", "name", "severity", "message", "label", "help", "secondary", "fix",
           "suppressed"]


def linted(daemon, form, *arguments):
    result = run("lint", "--config", daemon.config, "--format", form, *arguments)
    assert not result.stderr, result.stderr
    return result.returncode, json.loads(result.stdout)


def sarif(daemon, *arguments):
    """The results by id, of a document that follows the schema."""
    code, document = linted(daemon, "sarif", *arguments)
    with open(os.path.join(HERE, "sarif-schema-2.1.0.json"), encoding="utf-8") as file:
        jsonschema.validate(document, json.load(file))
    (only,) = document["runs"]
    rules = only["tool"]["driver"]["rules"]
    for result in only["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"], result
    return code, {result["ruleId"]: result for result in only["results"]}, only


def test_exit_status():
    with Daemon(WARNED) as daemon:
        ended(run("lint", "--config", daemon.config), 0, "warning[W205]", "warning[W306]", "0 errors, 2 warnings")
        ended(run("lint", "--config", daemon.config, "--strict"), 1, "0 errors, 2 warnings")
        daemon.write("routes.d/test.route", POLICY + "\nroute all /** {\n    auth    = { demo }\n    origins = { none }\n"
                                                     "    allow connect\n    limit connections to 1 per ip\n}\n")
        ended(run("lint", "--config", daemon.config, "--strict"), 1, "W207")
        ended(run("lint", daemon.path("routes.d"), "--strict"), 0, "note[N502]", "`/ws` goes to the route `chat`",
              "0 errors, 0 warnings, 1 note\n")
        daemon.write("routes.d/test.route", DENIED.replace(*MISTAKE))
        ended(run("lint", "--config", daemon.config, "--strict"), 2, "1 error, 0 warnings")


SETTINGS = 'workers = 1\n[[listen]]\naddress = "127.0.0.1:8088"\n[policy]\ndirectory = "routes.d"\n'
ROUTE = "route r /r { auth = none  allow connect }\n"
TOKEN = 'token t { keys = file "../k"  from header "A"  claim sub : string required }\n' \
        "route r /r { auth = t  origins = { none }  allow connect }\n"
LIST = 'let n = file "nets" of net\nroute r /r { auth = none  allow connect  deny connect if ip in n because "x" }\n'

# What neither may accept: settings, the policy (None: an empty directory), other files, and whether the policy alone tells.
BROKEN = {
    "no TOML": ("x = \n", ROUTE, {}, False),
    "unknown setting": (SETTINGS + "zebra = 1\n", ROUTE, {}, False),
    "top-level key below a table": (SETTINGS + "workers = 2\n", ROUTE, {}, False),
    "admin on a listener's address": (SETTINGS + '[admin]\naddress = "127.0.0.1:8088"\n', ROUTE, {}, False),
    "no such directory": (SETTINGS.replace("routes.d", "nowhere"), ROUTE, {}, False),
    "too many connections": (SETTINGS + "[limits]\nmax_connections = 1000000\n", ROUTE, {}, False),
    "static files": (SETTINGS + '[static]\ndirectory = "nowhere"\n', ROUTE, {}, False),
    "certificate": (SETTINGS.replace("[policy]", 'tls = { certificate = "c", key = "c" }\n[policy]'), ROUTE, {}, False),
    "shadow": (SETTINGS + 'shadow = "nowhere"\n', ROUTE, {}, False),
    "broken shadow": (SETTINGS + 'shadow = "sh"\n', ROUTE, {"sh/a.route": "rout"}, False),
    "required tests": (SETTINGS + "require_tests = true\n", ROUTE, {}, False),
    "database": (SETTINGS + '[broker]\nkind = "sqlite"\npath = "no/where/x.db"\n', ROUTE, {}, False),
    "empty directory": (SETTINGS, None, {}, True),
    "no route": (SETTINGS, "let a = 1\n", {}, True),
    "not executed": (SETTINGS, ROUTE.replace("allow", 'dialect = "socket.io"  allow'), {}, True),
    "no key": (SETTINGS, TOKEN, {}, True),
    "no key in the file": (SETTINGS, TOKEN, {"k": "x"}, True),
    "no list": (SETTINGS, LIST, {}, True),
    "no list that anybody reads": (SETTINGS, 'let n = file "nets" of net\n' + ROUTE, {}, True),
    "no net in the list": (SETTINGS, LIST, {"routes.d/nets": "hello"}, True),
    "mistake in the policy": (SETTINGS, ROUTE.replace("allow", "alow"), {}, True),
}


def test_lint_and_serve_agree():
    for name, (settings, policy, files, alone) in BROKEN.items():
        with tempfile.TemporaryDirectory() as root:
            files = {"w.toml": settings, **({"routes.d/a.route": policy} if policy is not None else {}), **files}
            os.mkdir(os.path.join(root, "routes.d"))
            for path, text in files.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
                    file.write(text)
            config = os.path.join(root, "w.toml")
            served, looked, policy = run("serve", "--config", config), run("lint", "--config", config), run("lint", os.path.join(root, "routes.d"))
            assert served.returncode == 78 and looked.returncode == 2, (name, served, looked)
            assert policy.returncode == (2 if alone else 0), (name, policy)


def test_explain():
    page = ended(run("lint", "--explain", "W301"), 0, "any-origin", "For example", "Better", "origins = any").stdout
    assert page == run("lint", "--explain", "w301").stdout == run("lint", "--explain", "any-origin").stdout
    assert max(map(len, page.split("For example")[0].splitlines())) < 80, page
    for wrong, near in (("any-orign", "any-origin"), ("W31", "W301"), ("nonsense-of-mine", "")):
        result = ended(run("lint", "--explain", wrong), 64, near)
        assert not result.stdout, result.stdout


EXAMPLES = os.path.join(HERE, "../../examples")


def directories_of_policies():
    return sorted({os.path.relpath(root, EXAMPLES) for root, _, files in os.walk(EXAMPLES)
                   if any(name.endswith(".route") for name in files) and "run" not in root[len(EXAMPLES):].split(os.sep)})


def private(path, flags):
    return os.open(path, flags, 0o600)


def test_examples_have_nothing_to_complain_about():
    names = directories_of_policies()
    assert len(names) >= 4, names
    with tempfile.TemporaryDirectory() as root:
        shutil.copytree(EXAMPLES, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("run"))
        ended(run("token", "--new-key", "ES256", "--out", os.path.join(root, "key")), 0)
        for name in names:
            directory = os.path.join(root, name)
            for file in filter(lambda file: file.endswith(".route"), os.listdir(directory)):
                with open(os.path.join(directory, file), encoding="utf-8") as opened:
                    text = opened.read()
                    for key in re.findall(r'keys += file "([^"]+)"', text):
                        if os.path.exists(os.path.join(directory, key)):
                            continue  # public, as it comes
                        os.makedirs(os.path.dirname(os.path.join(directory, key)), exist_ok=True)
                        shutil.copy(os.path.join(root, "key"), os.path.join(directory, key))
                    for key in re.findall(r'keys += file credential "([^"]+)"', text):
                        shutil.copy(os.path.join(root, "key"), os.path.join(root, key))
                    for key in re.findall(r'sign += file "([^"]+)"', text):
                        with open(os.path.join(directory, key), "w", encoding="utf-8", opener=private) as secret:
                            secret.write("whsec_" + base64.b64encode(bytes(32)).decode())
            credentials = {**os.environ, "CREDENTIALS_DIRECTORY": root}
            linted_ = ended(run("lint", "--strict", directory, env=credentials), 0, "no errors")
            assert len(linted_.stdout.splitlines()) == 1, name
            ended(run("fmt", "--check", directory), 0)
            ended(run("test", "--fail-under", "100", directory, env=credentials), 0, " 0 failed; 100 % of ")
        for name in ("chat", "saas"):
            result = ended(run("lint", "--strict", "--config", os.path.join(root, name, "wayleave.toml")), 0, "no errors")
            assert len(result.stdout.splitlines()) == 1, result.stdout


def test_the_policy_of_the_readme_is_the_first_example():
    with open(os.path.join(EXAMPLES, "../README.md"), encoding="utf-8") as readme, \
            open(os.path.join(EXAMPLES, "first/routes.d/app.route"), encoding="utf-8") as policy:
        shown = policy.read().split("\ntest ")[0]
        assert "```\n" + shown + "```\n" in readme.read()


def test_the_policy_that_the_client_shows_is_good():
    with open(os.path.join(EXAMPLES, "../daemon/client/README.md"), encoding="utf-8") as readme:
        shown = readme.read().split("```\ntoken ")[1].split("```")[0]
    with tempfile.TemporaryDirectory() as root:
        key = os.path.join(root, "session.secret")
        with open(key, "w", encoding="utf-8") as file:
            file.write("0123456789abcdef" * 4)
        os.chmod(key, 0o600)
        with open(os.path.join(root, "app.route"), "w", encoding="utf-8") as file:
            file.write("token " + shown)
        ended(run("lint", "--strict", root, env={**os.environ, "CREDENTIALS_DIRECTORY": root}), 0, "no errors")
        ended(run("fmt", "--check", root), 0)


def test_what_the_readme_shows_of_an_application_is_its_example():
    with open(os.path.join(EXAMPLES, "../README.md"), encoding="utf-8") as readme:
        section = readme.read().split("### With an application behind it\n")[1].split("\n## ")[0]
    for fence, name in (("```\n    message", "routes.d/app.route"), ("```python\n", "app.py")):
        shown = section.split(fence, 1)[1].split("```", 1)[0]
        with open(os.path.join(EXAMPLES, "saas", name), encoding="utf-8") as whole:
            assert shown in whole.read(), shown


def test_json():
    with Daemon(WARNED) as daemon:
        code, document = linted(daemon, "json")
        assert code == 0 and linted(daemon, "json", "--strict")[0] == 1
        counts = {name: document[name] for name in ("errors", "warnings", "notes", "suppressed", "not_shown", "files")}
        assert counts == {"errors": 0, "warnings": 2, "notes": 0, "suppressed": 0, "not_shown": 0, "files": 1}, counts
        for one in document["diagnostics"]:
            assert list(one) == MEMBERS, one
        large = document["diagnostics"][0]
        text = daemon.read("routes.d/test.route").split("\n")[large["line"] - 1]
        assert text[large["column"] - 1:large["end"]["column"] - 1] == "max_message = 8mb", large
        assert (large["id"], large["name"], large["severity"]) == ("W205", "huge-messages", "warning"), large
        daemon.write("routes.d/test.route", DENIED.replace(*MISTAKE))
        code, document = linted(daemon, "json")
        (mistake,) = document["diagnostics"]
        assert code == 2 and mistake["id"] == "E002" and mistake["fix"]["text"] == "user.name", mistake
        assert mistake["fix"]["column"] == mistake["column"] and mistake["fix"]["end"] == mistake["end"], mistake


def test_sarif():
    with Daemon(WARNED) as daemon:
        code, results, whole = sarif(daemon)
        assert code == 0 and set(results) == {"W205", "W306"} and whole["columnKind"] == "unicodeCodePoints"
        assert len(whole["tool"]["driver"]["rules"]) > 70
        assert results["W205"]["level"] == "warning" and not results["W205"]["suppressions"]
        region = results["W205"]["locations"][0]["physicalLocation"]["region"]
        assert region["startLine"] == region["endLine"] and region["endColumn"] - region["startColumn"] == len("max_message = 8mb")
        uri = results["W205"]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert uri == "file://" + daemon.path("routes.d/test.route"), uri
        # A name with blanks and a percent sign is a URI all the same.
        daemon.write("odd/a b%20ü.route", WARNED.replace("route chat /ws", "route chat /ws, /{x}"))
        code, results, _ = sarif(daemon, daemon.path("odd"))
        (result,) = results.values()
        assert code == 2 and result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].endswith("a%20b%2520%C3%BC.route")


def test_sarif_of_mistakes():
    with Daemon(DENIED) as daemon:
        daemon.edit("routes.d/test.route", *MISTAKE)
        code, results, _ = sarif(daemon)
        assert code == 2 and results["E002"]["level"] == "error"
        (change,) = results["E002"]["fixes"][0]["artifactChanges"]
        (replacement,) = change["replacements"]
        assert replacement["insertedContent"] == {"text": "user.name"}
        assert replacement["deletedRegion"] == results["E002"]["locations"][0]["physicalLocation"]["region"]
        daemon.write("routes.d/test.route", POLICY + POLICY)
        code, results, _ = sarif(daemon)
        related = results["E005"]["relatedLocations"]
        assert related and related[0]["message"]["text"] == "first here", results["E005"]
        daemon.write("routes.d/test.route", "route a /a {\n  allow connect if \n}\n")
        assert sarif(daemon)[1]["E001"]["partialFingerprints"]


def test_fingerprints_stay_where_lines_move():
    with Daemon(WARNED) as daemon:
        def prints():
            return {name: result["partialFingerprints"]["statement/v1"] for name, result in sarif(daemon)[1].items()
                    if name != "N501"}
        before = prints()
        assert len(set(before.values())) == len(before)
        daemon.edit("routes.d/test.route", "    max_message = 8mb", "# moved\n\n  max_message  =  # by me\n 8mb")
        assert prints() == before
        daemon.edit("routes.d/test.route", " 8mb", " 9mb")
        after = prints()
        assert after["W205"] != before["W205"] and after["W306"] == before["W306"]
        daemon.edit("routes.d/test.route", "route chat", "route talk")
        assert prints()["W306"] != before["W306"]
        # Two of a kind are two alerts.
        daemon.write("routes.d/test.route", POLICY.replace("allow connect", "allow connect deny connect if tls deny connect if tls"))
        results = linted(daemon, "sarif")[1]["runs"][0]["results"]
        twice = [result for result in results if result["ruleId"] == "W402"]
        assert len({result["partialFingerprints"]["statement/v1"] for result in twice}) == len(twice) == 2, results


def test_suppressions():
    with Daemon(WARNED) as daemon:
        comment = '# lint: ignore W205 because "pictures of the \\"plant\\""\n    max_message = 8mb'
        daemon.edit("routes.d/test.route", "max_message = 8mb", comment)
        ended(run("lint", "--config", daemon.config), 0, "0 errors, 1 warning, 1 suppressed\n")
        one = [one for one in linted(daemon, "json")[1]["diagnostics"] if one["suppressed"]]
        assert [(d["id"], d["suppressed"]) for d in one] == [("W205", 'pictures of the "plant"')], one
        assert sarif(daemon)[1]["W205"]["suppressions"][0] == {
            "kind": "inSource", "status": "accepted", "justification": 'pictures of the "plant"'}
        daemon.edit("routes.d/test.route", " because \"pictures", " \"pictures")
        ended(run("lint", "--config", daemon.config, "--strict"), 1, "W404", "without a reason", "W205")
        daemon.edit("routes.d/test.route", "W205", "E002")
        ended(run("lint", "--config", daemon.config), 0, "an error cannot be ignored")
        # The daemon does not care about any of this.
        ended(run("lint", "--config", daemon.config), 0)


def test_what_stands_in_no_policy():
    with Daemon(POLICY, static={"index.html": "x"}) as daemon:
        good = daemon.read("wayleave.toml")
        daemon.write("wayleave.toml", good.replace("workers = 2", 'workers = "2"'))
        line = good.split("workers = 2")[0].count("\n") + 1
        code, document = linted(daemon, "json")
        (found,) = document["diagnostics"]
        assert code == 2 and found["id"] == "E101" and found["file"] == daemon.config and found["line"] == line, found
        assert "workers" in found["message"] and list(found) == MEMBERS, found
        code, results, _ = sarif(daemon)
        assert code == 2 and results["E101"]["locations"][0]["physicalLocation"]["region"]["startLine"] == line
        ended(run("lint", "--config", daemon.config), 2, "workers", "1 error, 0 warnings\n")
        daemon.write("wayleave.toml", good.replace('directory = "www"', 'directory = "nowhere"'))
        assert linted(daemon, "json")[1]["diagnostics"][0]["id"] == "E102"
        code, results, _ = sarif(daemon)
        assert code == 2 and results["E102"]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].endswith("/nowhere")
        ended(run("lint", "--config", daemon.config), 2, "error[E102]", "nowhere")
        os.unlink(daemon.config)
        code, results, _ = sarif(daemon)
        assert code == 2 and "E101" in results, "a missing settings file is not told"


def answered(code, *arguments):
    """It ends: what grows faster than its input takes hours for these."""
    result = run(*arguments, timeout=500)
    assert result.returncode in code, f"{arguments}: {result.returncode} {result.stdout[-500:]} {result.stderr[-500:]}"
    assert len(result.stdout) < 1_000_000, len(result.stdout)
    return result.stdout


def test_files_that_a_start_opens():
    """The console's token and the log; a start refuses what is an error here."""
    with Daemon(POLICY) as daemon:
        os.chmod(daemon.path("."), 0o755)
        for path, mode, code, words in (("keys/none", None, 2, "No such file"), ("keys/demo.key", 0o640, 2, "chmod 0600"),
                                        ("keys/demo.key", 0o600, 0, "no errors")):
            daemon.edit("wayleave.toml", "[admin]", f'[admin]\ntoken_file = "{path}"')
            if mode:
                os.chmod(daemon.path(path), mode)
            ended(run("lint", "--config", daemon.config, "--strict"), code, words)
            if code == 2:
                assert linted(daemon, "json")[1]["errors"] == 1
                assert run("serve", "--config", daemon.config).returncode != 0
            daemon.edit("wayleave.toml", f'[admin]\ntoken_file = "{path}"', "[admin]")
        os.mkdir(daemon.path("open"))
        os.chmod(daemon.path("open"), 0o777)
        daemon.write("logs/known.log", "")
        os.chmod(daemon.path("logs/known.log"), 0o666)
        for path, code, words in (("nowhere/w.log", 2, "its directory: No such file"), ("keys", 2, "it is a directory"),
                                  ("wayleave.toml/w.log", 2, "its directory is none"), ("open/w.log", 1, "chmod o-w"),
                                  ("logs/known.log", 1, "chmod 0640"), ("logs/new.log", 0, "no errors")):
            daemon.edit("wayleave.toml", "[log]", f'[log]\nfile = "{path}"')
            ended(run("lint", "--config", daemon.config, "--strict"), code, words)
            daemon.edit("wayleave.toml", f'[log]\nfile = "{path}"', "[log]")
        os.mkfifo(daemon.path("logs/fifo"), 0o600)
        os.symlink("missing.log", daemon.path("logs/stale"))
        os.symlink("/nowhere/w.log", daemon.path("logs/lost"))
        control = daemon.path("run/control.sock")
        for path, code, words in (("logs/fifo", 1, "it is a FIFO"), ("logs/stale", 1, "it is a link to "), ("logs/lost", 2, "that directory is not there"),
                                  ("run/control.sock", 2, "it is a socket")):
            daemon.edit("wayleave.toml", "[log]", f'[log]\nfile = "{path}"')
            ended(run("lint", "--config", daemon.config, "--strict"), code, words)
            document = linted(daemon, "json")[1]
            found = [one for one in document["diagnostics"] if words in one["message"]]
            assert [one["severity"] for one in found] == ["warning" if code == 1 else "error"], document
            assert [one["id"] for one in found] == ["W121" if code == 1 else "E102"], document
            assert document["warnings"] + document["errors"] == len(document["diagnostics"]), document
            daemon.edit("wayleave.toml", f'[log]\nfile = "{path}"', "[log]")
        if os.getuid() == 0:  # as whom the daemon runs is told by its control socket
            os.chown(control, 65534, 65534)
            daemon.edit("wayleave.toml", "[log]", '[log]\nfile = "logs/new.log"')
            ended(run("lint", "--config", daemon.config, "--strict"), 1, "may not make it in ")
            assert "may not make it in" in run("doctor", "--config", daemon.config).stdout
            os.chmod(daemon.path("logs"), 0o777 | stat.S_ISVTX)
            ended(run("lint", "--config", daemon.config, "--strict"), 0, "no errors")
            daemon.edit("wayleave.toml", '[log]\nfile = "logs/new.log"', "[log]")
        assert not os.path.exists(daemon.path("logs/new.log")), "lint makes nothing"
        # A console that is served nowhere.
        before, admin = daemon.read("wayleave.toml").split("[admin]\n")
        daemon.write("wayleave.toml", before + re.sub("^address = .*", 'token_file = "keys/demo.key"', "[admin]\n" + admin, count=1, flags=re.M))
        ended(run("lint", "--config", daemon.config, "--strict"), 1, "warning[W121]: admin.token_file is set, and no address serves the console")
        code, results, _ = sarif(daemon)
        assert results["W121"]["level"] == "warning", results


def test_bad_input():
    """A clear answer, whatever the file is."""
    part = 10 if is_sanitized() else 1  # of it all; where it is fast all
    deep = 100_000 // part
    nul, bom = "route a /a { auth = none }\n\0", "\ufeffroute a /a { auth = none }\n"
    texts = {
        "nul": (nul, {2}, "NUL"), "bom": (bom, {2}, "byte order mark"), "latin1": (b"# caf\xe9\n", {2}, "UTF-8"),
        "crlf": ("route a /a {\r\n    auth = none\r\n    allow connect # x\r\n}\r\n", {0}, "W403"),
        "bidi": ('# \u202e\nroute a /a { auth = none allow connect if host == "\u2066x" }\n', {0}, "W113"),
        "line": ("route a /a { auth = none " + "allow connect " * (700_000 // part) + "}", {0}, "W403"),
        "string": ('let a = "' + "x" * (10_000_000 // part), {2}, "no closing"),
        "parentheses": ("route a /a { auth = none allow connect if " + "(" * deep, {2}, "64 levels"),
        "sets": ("let a = " + "{" * deep, {2}, "64 levels"), "closed": ("let a = " + "{" * deep + "}" * deep, {2}, "64 levels"),
        "braces": ("route a /a {" * deep, {2}, "E001"), "not": ("route a /a { auth = none allow connect if " + "not " * deep, {2}, "E001"),
        "cycle": ("".join(f"let a{i} = a{(i + 1) % (5000 // part)}\n" for i in range(5000 // part)), {2}, "defined by itself"),
        "limits": ("route a /a { auth = none allow connect " + "limit messages to 1/s per ip\n" * deep + "}", {0}, "W403"),
        "names": ("".join(f"let abcdefg{i} = 1\n" for i in range(20_000 // part)) + "route a /a { auth = none "
                  + "".join(f"allow connect if bcdefgh{i}\n" for i in range(5_000 // part)) + "}", {2}, f"{5_000 // part} errors"),
        "empty": ("", {0}, "no errors"), "suppressions": ("# lint: ignore W205 because \"x\"\n" * deep, {0}, f"{deep} notes"),
    }
    with Daemon(POLICY) as daemon:
        for name, (text, code, wanted) in texts.items():
            path = daemon.path(name + ".route")
            with open(path, "wb") as file:
                file.write(text if isinstance(text, bytes) else text.encode())
            for form in ("text", "sarif"):
                out = answered(code, "lint", path, "--format", form)
                assert form == "sarif" or wanted in out, f"{name}: {out[-800:]}"
                assert "\u202e" not in out or form == "sarif", "a bidi control reaches the terminal"


def test_bad_paths():
    with Daemon(POLICY) as daemon:
        os.mkfifo(daemon.path("fifo.route"))
        os.mkdir(daemon.path("empty"))
        os.symlink("nowhere", daemon.path("dangling.route"))
        for path in ("fifo.route", "empty", "dangling.route", "missing", "missing.route"):
            assert "E013" in answered({2}, "lint", daemon.path(path)), path
        for path in ("/dev/null", "/dev/zero", "/dev/stdin", "/proc/self/mem", "/"):
            assert "E013" in answered({2}, "lint", path), path
        daemon.write("lists/huge.txt", "10.0.0.0/8\n" * 2_000_000)
        daemon.write("lists.route", 'let a = file "lists/huge.txt" of net\nroute a /a { auth = none allow connect if ip in a }\n')
        assert "E013" in answered({2}, "lint", daemon.path("lists.route"))


def test_fifty_mistakes():
    """One diagnostic a mistake, none for what follows from it."""
    wrong = ['allow connect if user.nmae == "a"', "max_mesage = 4kb", "deny publish if message.size > 30s",
             "deny connect then status 700", "limit messages to 3 per ip", "join room/:x", "use nobody",
             "errors { forbiden = drop }", "idle_timeout = 4kb", 'message a { field x : int else "a" allow publish to b }']
    broken = ["allow conect", "limit messages 3/s per ip", 'deny connect if user.sub = "x"', "idle_timeout 3s", "allow subscribe on",
              "join", 'field x : int required', "allow connect if (tls", "alow connect", 'errors { limited = error slow }']
    with Daemon(POLICY) as daemon:
        for mistakes in (wrong, broken):
            route = DENIED.replace("allow connect", "allow connect\n" + "".join(f"    {line}\n" for line in mistakes), 1)
            head, body = route.split("route chat /ws", 1)
            daemon.write("routes.d/test.route", head + "".join(f"route r{i} /r{i}{body}" for i in range(5)))
            out = run("lint", "--config", daemon.config).stdout
            assert re.search(r"^50 errors, 0 warnings$", out, re.M), out[-3000:]
            lines = [int(line) for line in re.findall(r"^ *--> \S*:(\d+):\d+$", out, re.M)]
            text = daemon.read("routes.d/test.route").split("\n")
            assert sorted(text[line - 1].strip() for line in lines) == sorted(mistakes * 5), out


if __name__ == "__main__":
    main(globals())
