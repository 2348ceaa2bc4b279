#!/usr/bin/python3
"""wayleave explain, test and diff: what they print and end with, and whether the daemon does what explain says."""
import asyncio
import json
import os
import shutil
import tempfile
import xml.etree.ElementTree as ET

from cli_test import ended
from client import Client
from daemon import Daemon, run
from refusals_test import handshake
from runner import main

TOKEN = """token demo {
    keys     = file "../keys/demo.key"
    issuer   = "https://issuer.example"
    audience = "tests"
    from header "Authorization"
    claim sub   : string required
    claim name  : string else "nobody"
    claim level : int else 0
    claim roles : set of string else {}
}

"""
POLICY = TOKEN + """route chat /ws/:tenant {
    auth    = demo
    origins = { "https://app.example.com", "https://*.partner.example", none }
    detail  = true
    input env : string from query "env" else "prod"
    input client : string from header "X-Client" else ""

    allow connect
    deny connect if user.name == "mallory" because "mallory may not come"
    deny connect if env == "test" then status 418 because "no tests here"
    deny connect if client like "bot*" because "no bots"
    deny connect if origin == "https://old.partner.example"
    deny connect if ip in 10.0.0.0/8 because "not from there"

    allow subscribe on room/{tenant}/*
    deny subscribe on room/*/staff if not ("staff" in user.roles) because "the staff room is for staff"
    allow publish on wall/{user.sub} if user.level >= 3
    limit messages to 5/m per user.sub because "slow down"

    message say {
        field text : string required
        field to   : string else "all"
        allow
        deny if text == "darn" then error "rude" because "we do not say that"
        deny if text == "bye" then close 4001 because "good bye"
        publish to room/{tenant}/{to}
    }
    errors { forbidden = error "not_yours" }
}
"""
TESTS = """
test "who comes in" {
    as demo { sub = "1" }
    expect allow connect "/ws/acme"
    expect deny subscribe "room/acme/staff" because "the staff room is for staff"
}

test "a <wrong> \\"one\\" & more" {
    as demo { sub = "1" }
    expect deny connect "/ws/acme"
    expect limit subscribe "room/acme/lobby"
}
"""
ALICE = '{"sub":"a","name":"alice"}'


class Policy:
    """A directory with keys/ and routes.d/."""
    def __enter__(self):
        self.root = tempfile.mkdtemp()
        os.makedirs(self.path("keys")), os.makedirs(self.path("routes.d"))
        for key in ("demo.key", "other.key"):
            ended(run("token", "--new-key", "ES256", "--kid", "one", "--out", self.path("keys/" + key)), 0)
        self.write("routes.d/a.route", POLICY)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root)

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, text):
        with open(self.path(name), "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return self.path(name)

    def jwt(self, subject, *more, key="demo.key", name="token.jwt"):
        token = ended(run("token", "--key", self.path("keys/" + key), "--issuer", "https://issuer.example", "--audience", "tests",
                          "--subject", subject, *more), 0).stdout
        return self.write(name, token)

    def explain(self, code, *arguments, texts=()):
        return ended(run("explain", "--policy", self.path("routes.d"), *arguments), code, *texts)

    def asked(self, code, *arguments):
        return json.loads(self.explain(code, *arguments, "--format", "json").stdout)


def line_of(text, needle):
    return text.split(needle)[0].count("\n") + 1


def test_connect():
    with Policy() as policy:
        text = policy.explain(0, "--as", "demo", ALICE, "connect", "/ws/acme").stdout
        assert text.startswith("allow connect /ws/acme  (route chat)\n"), text
        for line in ('  > ', 'a.route:%d:5: allow connect' % line_of(POLICY, "allow connect"), 'tenant is "acme"', 'user.sub is "a"',
                     'does not hold: user.name == "mallory": user.name is "alice"'):
            assert line in text, (line, text)
        mallory = '{"sub":"m","name":"mallory"}'
        for code, because, client, arguments in (
                (1, "mallory may not come", "HTTP 403 not_yours", ("--as", "demo", mallory)),
                (1, "no tests here", "HTTP 418 forbidden", ("--as", "demo", ALICE, "--input", "env=test")),
                (1, "no bots", "HTTP 403 not_yours", ("--as", "demo", ALICE, "--header", "X-Client: bot 7")),
                (1, "no bots", "HTTP 403 not_yours", ("--as", "demo", ALICE, "--input", "client=bot")),
                (1, "not from there", "HTTP 403 not_yours", ("--as", "demo", ALICE, "--ip", "10.1.2.3")),
                (1, "", "HTTP 403 not_yours", ("--as", "demo", ALICE, "--origin", "https://old.partner.example")),
                (0, "", "", ("--as", "demo", ALICE, "--origin", "https://new.partner.example")),
                (0, "", "", ("--as", "demo", ALICE, "--no-origin")),
                (0, "", "", ("--as", "demo", ALICE, "--ip", "2001:db8::1", "--tls")),
                (0, "", "", ("--jwt", policy.jwt("a", "--claim", "name=alice")))):
            answer = policy.asked(code, *arguments, "connect", "/ws/acme")
            assert (answer["because"], answer["client"]) == (because, client), (arguments, answer)
            assert answer["verdict"] == ("deny" if code else "allow") and answer["route"] == "chat", answer
            decided = [rule for rule in answer["rules"] if rule["decided"]]
            assert len(decided) == 1 and decided[0]["place"] == answer["place"], answer
        foreign = policy.asked(1, "--as", "demo", ALICE, "--origin", "https://evil.example", "connect", "/ws/acme")
        (line,) = foreign["rules"]
        assert foreign["reason"] == "forbidden" and line["rule"].startswith("origins = ") and line["place"] == foreign["place"], foreign
        assert line["why_not"] == ['origin is "https://evil.example"'], foreign
        assert "ip is 127.0.0.1" in foreign["facts"] and "tls is false" in foreign["facts"], foreign
        assert policy.asked(1, "connect", "/nowhere")["client"] == "HTTP 404 unknown_route"
        assert policy.asked(1, "connect", "/ws/acme")["reason"] == "unauthenticated"


def test_what_a_client_may_do():
    with Policy() as policy:
        def ask(code, *arguments, claims=ALICE):
            return policy.asked(code, "--as", "demo", claims, "--at", "/ws/acme", *arguments)
        assert ask(0, "subscribe", "room/acme/lobby")["verdict"] == "allow"
        assert ask(1, "subscribe", "room/acme/staff")["because"] == "the staff room is for staff"
        assert ask(0, "subscribe", "room/acme/staff", claims='{"sub":"a","roles":["staff"]}')["verdict"] == "allow"
        assert ask(1, "subscribe", "room/globex/lobby")["because"] == "no rule allows this"
        assert ask(1, "publish", "wall/a", '{"n":1}')["verdict"] == "deny"
        assert ask(0, "publish", "wall/a", '{"n":1}', claims='{"sub":"a","level":3}')["verdict"] == "allow"
        assert ask(0, "message", "say", '{"text":"hi"}')["effects"] == ["publishes to room/acme/all"]
        assert ask(1, "message", "say", '{"text":"darn"}')["client"] == "$error rude"
        assert ask(1, "message", "say", '{"text":"bye"}')["client"] == "close 4001 forbidden"
        assert ask(1, "message", "say", '{"text":7}')["reason"] == "bad_message"
        assert ask(0, "message", "say", '{"text":"x","to":"a/b"}')["effects"] == ["publishes to room/acme/a=2Fb"]
        assert ask(1, "message", "say", '{"text":"x","to":""}')["reason"] == "bad_message"
        assert ask(1, "message", "say", "nonsense")["reason"] == "bad_message"
        assert ask(1, "message", "shout", "{}")["reason"] == "unknown_message"
        assert ask(1, "presence", "room/acme/lobby")["verdict"] == "deny"
        limit = ask(0, "message", "say", '{"text":"hi"}')["limits"][0]
        assert (limit["left"], limit["most"], limit["applies"], limit["limited"]) == (4, 5, True, False), limit
        # Who cannot connect cannot ask for anything; and where he connects must be said.
        policy.explain(1, "--as", "demo", '{"sub":"m","name":"mallory"}', "--at", "/ws/acme", "subscribe", "room/acme/a",
                       texts=("cannot even connect", "mallory may not come"))
        policy.explain(2, "--as", "demo", ALICE, "subscribe", "room/acme/a", texts=("--at",))


def test_explain_with_bad_input():
    with Policy() as policy:
        good = ("--as", "demo", ALICE)
        for arguments in (("connect",), ("shout", "/ws/a"), ("--as", "demo", "connect", "/ws/a"), ("--format", "xml", "connect", "/ws/a"),
                          ("--as", "demo", "{}", "--jwt", "x", "connect", "/ws/a"), ()):
            result = policy.explain(64, *arguments)
            assert result.stderr and not result.stdout, result
        for text, arguments in (
                ("no JSON object", ("--as", "demo", '{"sub":')), ("no JSON object", ("--as", "demo", "null")),
                ("no JSON object", ("--as", "demo", '["sub"]')), ("no token `nobody`", ("--as", "nobody", "{}")),
                ("no IP address", (*good, "--ip", "10.0.0.256")), ("the input `nix`", (*good, "--input", "nix=1")),
                ("NAME=VALUE", (*good, "--input", "env")), ("NAME:VALUE", (*good, "--header", "X-A")),
                ("cannot be", (*good, "--header", "X-A: b\r\nOrigin: https://evil.example")),
                ("cannot be", (*good, "--header", "X-A: " + "a" * 9000)),
                ("No such file", ("--jwt", policy.path("none"))), ("not a regular file", ("--jwt", policy.root)),
                ("no token in it", ("--jwt", policy.write("empty", "\n")))):
            result = policy.explain(2, *arguments, "connect", "/ws/acme")
            assert text in result.stderr and not result.stdout, (text, result)
        for text, arguments in (
                ("level is no int", ("--as", "demo", '{"sub":"a","level":"high"}')), ("no claim sub", ("--as", "demo", "{}")),
                ("claim sub twice", ("--as", "demo", '{"sub":"a","sub":"b"}')), ("expired", ("--as", "demo", '{"sub":"a","exp":1}')),
                ("signature does not match", ("--jwt", policy.jwt("a", key="other.key", name="other.jwt"))),
                ("expired", ("--jwt", policy.jwt("a", "--expires=-1h", name="expired.jwt"))),
                ("not a well-formed", ("--jwt", policy.write("binary", bytes(range(1, 256)).replace(b"\n", b""))))):
            answer = run("explain", "--policy", policy.path("routes.d"), *arguments, "connect", "/ws/acme")
            if "binary" in arguments[-1]:  # no header can hold it
                assert answer.returncode in (1, 2), answer
                continue
            assert answer.returncode == 1 and text in answer.stdout, (text, answer)
        os.makedirs(policy.path("empty.d"))
        for path in (policy.path("none"), policy.path("empty.d"), policy.write("bad.route", "route {")):
            result = ended(run("explain", "--policy", path, "connect", "/ws/a"), 2, "error[E0")
            assert not result.stdout
        # Nothing of it commands a terminal, however long.
        for arguments in (("--as", "demo", json.dumps({"sub": "a\x1b[31m\x07\u202e"}), "connect", "/ws/acme"),
                          ("--as", "demo", json.dumps({"sub": "a" * 60000, "name": "\x9b31m"}), "connect", "/ws/acme"),
                          (*good, "--at", "/ws/acme", "subscribe", "room/\x1b[31m\x07"),
                          (*good, "--at", "/ws/acme", "message", "s\x1b[2J", "{}"),
                          (*good, "--at", "/ws/acme", "message", "say", '{"text":"\\u001b[2J"}')):
            result = run("explain", "--policy", policy.path("routes.d"), *arguments)
            assert result.returncode in (0, 1) and result.stdout, result
            assert not set(result.stdout) & set("\x1b\x07\x9b\u202e"), repr(result.stdout)
            assert len(result.stdout) < 10000
            json.loads(run("explain", "--policy", policy.path("routes.d"), *arguments, "--format", "json").stdout)


def test_test():
    with Policy() as policy:
        path = policy.path("routes.d")
        ended(run("test", path), 0, "0 tests, 0 failed; 0 % of 12 rules decided")
        policy.write("routes.d/t.route", TESTS.lstrip())
        junit = policy.path("junit.xml")
        result = ended(run("test", path, "--junit", junit), 1, "ok      who comes in", 'FAILED  a <wrong> "one" & more',
                       "2 tests, 1 failed", "never decided: ")
        assert result.stdout.count("t.route:9:5: expected deny connect") == 1, result.stdout
        quiet = ended(run("test", path, "--quiet"), 1).stdout
        assert "ok  " not in quiet and "FAILED" in quiet
        suites = ET.parse(junit).getroot()
        (suite,) = suites
        assert suites.tag == "testsuites" and suite.tag == "testsuite"
        assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
            "tests": "2", "failures": "1", "errors": "0", "skipped": "0"}
        good, bad = suite
        assert good.get("name") == "who comes in" and not list(good) and good.get("classname").endswith("t.route")
        assert bad.get("name") == 'a <wrong> "one" & more'
        (failure,) = bad
        assert failure.tag == "failure" and len(failure.text.splitlines()) == 2, failure.text
        assert "expected deny connect" in failure.get("message"), failure.get("message")
        policy.write("routes.d/t.route", TESTS.split("\ntest \"a <")[0].lstrip())
        ended(run("test", path), 0, "1 test, 0 failed")
        ended(run("test", path, "--fail-under", "10"), 0)
        ended(run("test", path, "--fail-under", "90"), 1, "at least 90 % are asked for")
        ended(run("test", path, "--junit", policy.path("no/where.xml")), 2, "No such file")
        for wrong in (("--fail-under", "101"), ("--fail-under", "many"), ("--junit",)):
            ended(run("test", path, *wrong), 64)
        ended(run("test", policy.path("none")), 2, "E013")
        policy.write("routes.d/t.route", 'test "x" { expect allow fly "/ws" }\n')
        ended(run("test", path), 2, "error[E0")


def test_diff():
    with Policy() as policy:
        old, new = policy.path("routes.d/a.route"), policy.write("new.route", POLICY.replace("../keys", "keys"))
        policy.write("old.route", POLICY.replace("../keys", "keys"))
        old = policy.path("old.route")
        assert ended(run("diff", old, new), 0).stdout == ""
        assert json.loads(ended(run("diff", old, new, "--format", "json"), 0).stdout) == {"changes": []}
        lines = POLICY.replace("../keys", "keys").replace("    allow connect\n", "").replace("user.level >= 3", "user.level >= 4")
        policy.write("new.route", "# moved\n\n" + lines + "\nroute more /more {\n    auth = none\n}\n")
        text = ended(run("diff", old, new), 1).stdout
        for part in ("route chat", "route more", "allow connect", "user.level >= 4", "user.level >= 3"):
            assert part in text, (part, text)
        changes = json.loads(ended(run("diff", old, new, "--format", "json"), 1).stdout)["changes"]
        kinds = {change["block"]: change["change"] for change in changes}
        assert kinds == {"route chat": "changed", "route more": "added"}, kinds
        (chat,) = [change for change in changes if change["block"] == "route chat"]
        assert {line["text"] for line in chat["removed"]} == {"allow connect", "allow publish on wall/{user.sub} if user.level >= 3"}, chat
        place = next(line["place"] for line in chat["added"])
        assert place.split("new.route:")[1].startswith(str(line_of("# moved\n\n" + lines, "user.level >= 4")) + ":"), place
        back = json.loads(ended(run("diff", new, old, "--format", "json"), 1).stdout)["changes"]
        assert {change["block"]: change["change"] for change in back}["route more"] == "removed"
        ended(run("diff", old, policy.path("none")), 2, "E013")
        ended(run("diff", old), 64)
        ended(run("diff", old, policy.write("bad.route", "route {")), 2, "E001")


# --- what explain says and what the daemon does ---

CONNECTS = [  # claims, host address, query, header, origin
    ({"name": "alice"}, "127.0.0.1", "", None, None), ({"name": "mallory"}, "127.0.0.1", "", None, None),
    ({"name": "alice"}, "127.0.0.1", "test", None, None), ({"name": "alice"}, "127.0.0.1", "dev", "bot 1", None),
    ({"name": "alice"}, "127.0.0.1", "", "app", "https://app.example.com"), ({"name": "alice"}, "127.0.0.1", "", None, "https://evil.example"),
    ({"name": "alice"}, "127.0.0.1", "", None, "https://old.partner.example"),
    ({"name": "alice"}, "127.0.0.1", "", None, "https://new.partner.example"),
    ({"name": "alice", "level": "high"}, "127.0.0.1", "", None, None), ({"name": 7}, "127.0.0.1", "", None, None)]
QUESTIONS = [("subscribe", "room/acme/lobby", None), ("subscribe", "room/acme/staff", None), ("subscribe", "room/globex/lobby", None),
             ("subscribe", "wall/a", None), ("publish", "wall/a", {"n": 1}), ("publish", "wall/b", {"n": 1}), ("publish", "room/acme/lobby", {}),
             ("message", "say", {"text": "hi"}), ("message", "say", {"text": "darn"}), ("message", "say", {"text": "hi", "to": "a/b"}),
             ("message", "say", {"text": "hi", "to": ""}),
             ("message", "say", {"text": 7}), ("message", "say", {}), ("message", "shout", {}), ("message", "say", {"text": "bye"}),
             ("subscribe", "not//one", None)]
PEOPLE = [{"sub": "a"}, {"sub": "a", "roles": ["staff"]}, {"sub": "a", "level": 3}, {"sub": "b", "level": 9, "roles": ["staff", "x"]}]


def explained(daemon, claims, *arguments):
    result = run("explain", "--config", daemon.config, "--as", "demo", json.dumps(claims), *arguments, "--format", "json")
    assert result.returncode in (0, 1), result
    return json.loads(result.stdout)


def same_rule(said, got):
    """Places end alike: explain and the daemon name the file by the paths that they read it by."""
    return (said or "").split("/")[-1] == (got or "").split("/")[-1]


def test_the_daemon_connects_as_explain_says():
    with Daemon(POLICY) as daemon:
        verdicts = set()
        for claims, _, query, header, origin in CONNECTS:
            arguments, fields, path = [], {}, "/ws/acme"
            if query:
                arguments, path = ["--input", "env=" + query], path + "?env=" + query
            if header:
                arguments, fields = [*arguments, "--header", "X-Client: " + header], {"X_Client": header}
            arguments += ["--origin", origin] if origin else ["--no-origin"]
            if origin:
                fields["Origin"] = origin
            said = explained(daemon, {"sub": "a", **claims}, *arguments, "connect", "/ws/acme")
            token = daemon.token("a", claims=[f"{name}={json.dumps(value)}" for name, value in claims.items()])
            status, problem = handshake(daemon, path, Authorization="Bearer " + token, **fields)
            verdicts.add(status)
            if status == 101:
                assert said["verdict"] == "allow", said
                continue
            assert said["verdict"] == "deny" and said["client"] == f"HTTP {status} {problem['error']}", (said, problem)
            assert said["because"] == problem.get("detail", ""), (said, problem)
            assert "rule" not in problem or same_rule(said["place"], problem["rule"]), (said, problem)
        assert verdicts == {101, 403, 418, 401}, verdicts


async def answered(daemon, claims, question):
    """What a client of its own gets for it: (verdict, error, because, rule) or the code that closes it."""
    action, target, body = question
    token = daemon.token(claims["sub"], claims=[f"{name}={json.dumps(value)}" for name, value in claims.items() if name != "sub"])
    client = await Client.open(daemon, "/ws/acme", extra_headers={"Authorization": "Bearer " + token})
    if action == "message":
        await client.send(target, more={"$id": 1}, **body)
    else:
        data = {"data": body} if body is not None else {}
        await client.send("$" + action, more={"$id": 1}, channel=target, **data)
    messages, code = [], None
    while not any(message.get("re") == 1 for message in messages):
        message = await client.next()
        messages.append(message)
        if message["type"] == "$bye":
            code = (await client.closed())[1]
            return ("close", code, message.get("because", ""), None)
    answer = next(message for message in messages if message.get("re") == 1)
    await client.close()
    if answer["type"] != "$error":
        return ("allow", "", "", None)
    return ("$error", answer["error"], answer.get("because", ""), answer.get("rule"))


async def test_the_daemon_answers_as_explain_says():
    policy = POLICY.replace("5/m per", "500/s per")
    async with Daemon(policy) as daemon:
        seen = set()
        for claims in PEOPLE:
            for question in QUESTIONS:
                action, target, body = question
                said = await asyncio.to_thread(explained, daemon, claims, "--no-origin", "--at", "/ws/acme", action, target,
                                               *([json.dumps(body)] if body is not None else []))
                kind, error, because, rule = await answered(daemon, claims, question)
                client = "" if kind == "allow" else f"{kind} {error}"
                seen.add(client)
                wanted = said["client"] if kind != "close" else " ".join(said["client"].split()[:2])
                assert client == wanted, (claims, question, said, kind, error)
                assert because == said["because"], (claims, question, said, because)
                assert rule is None or same_rule(said["place"], rule), (said, rule)
        assert {"", "$error not_yours", "$error rude", "$error bad_message", "close 4001"} <= seen, seen


async def test_the_daemon_limits_as_explain_says():
    async with Daemon(POLICY) as daemon:
        said = await asyncio.to_thread(explained, daemon, {"sub": "a"}, "--no-origin", "--at", "/ws/acme", "message", "say", '{"text":"hi"}')
        left = said["limits"][0]["left"] + 1
        client = await Client.open(daemon, "/ws/acme", extra_headers={"Authorization": "Bearer " + daemon.token("a")})
        for _ in range(left):
            await client.must("say", text="hi")
        refused = await client.refused("say", "limited", text="hi")
        assert refused["because"] == "slow down", refused
        await client.close()


if __name__ == "__main__":
    main(globals())
