#!/usr/bin/python3
"""What a policy refuses, at the door and afterwards, and what is told about it."""
import base64
import http.client
import json
import time

from client import Client, status_of
from daemon import PATIENCE, TOKEN_BLOCK, Daemon, wait_until
from raw import KEY
from runner import main

POLICY = TOKEN_BLOCK + """
route chat /ws {
    auth    = demo
    origins = { "https://app.example.com", "https://*.example.org", none }
    max_subscriptions = 3
    allow connect
    deny connect if user.name == "mallory" because "mallory may not chat"
    allow subscribe on room/:room
    deny subscribe on room/staff because "the staff room is for staff"

    message say {
        field from : string required
        field kind : string in { "chat", "note" } else "chat"
        field n    : int else 0
        allow
        deny if from != user.name because "that is not your name"
        publish to room/a
    }
    message exact {
        strict = true
        field text : string required
        allow
    }
}
route strict /strict {
    auth    = demo
    origins = { "https://app.example.com" }
    allow connect
}
route detailed /detailed/:id(int) {
    auth   = none
    detail = true
    input device : int from query "device" required
    allow connect if id > 10
    deny connect if device == 9 then status 418 because "no toasters"
}
"""


def handshake(daemon, path="/ws", *, token=None, **fields):
    """A handshake by the standard library's HTTP client, which shows the body of a refusal: (status, problem)."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)
    send = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY}
    if token:
        send["Authorization"] = "Bearer " + token
    connection.request("GET", path, headers={**send, **{name.replace("_", "-"): value for name, value in fields.items()}})
    answer = connection.getresponse()
    if answer.status == 101:
        connection.close()
        return 101, {}
    assert answer.getheader("Content-Type") == "application/problem+json", answer.getheaders()
    problem = json.loads(answer.read())
    assert problem["status"] == answer.status, problem
    problem["fields"] = dict(answer.getheaders())
    connection.close()
    return answer.status, problem


def refused(daemon, status, error, path="/ws", **options):
    got, problem = handshake(daemon, path, **options)
    assert got == status, f"{path} {options} was answered {got} {problem}"
    assert problem["error"] == error, problem
    return problem


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_tokens():
    with Daemon(POLICY) as daemon:
        good = daemon.token("alice", name="alice")
        other_key = daemon.new_key("other.key")
        assert handshake(daemon, token=good)[0] == 101
        assert handshake(daemon, token=daemon.token("alice", expires="-30s"))[0] == 101, "a leeway of 60 seconds"
        header, claims, signature = good.split(".")
        bad = {
            "expired": daemon.token("alice", expires="-1h"),
            "another key": daemon.token("alice", key="other.key"),
            "another issuer": daemon.token("alice", issuer="https://evil.example"),
            "no issuer": daemon.token("alice", issuer=None),
            "another audience": daemon.token("alice", audience="others"),
            "no audience": daemon.token("alice", audience=None),
            "not yet": daemon.token("alice", claims=[f"nbf={int(time.time()) + 3600}"]),
            "nbf is no number": daemon.token("alice", claims=['nbf="soon"']),
            "claim of another type": daemon.token("alice", claims=["name=7"]),
            "alg none": part({"alg": "none"}) + "." + claims + ".",
            "alg none, with a signature": part({"alg": "none"}) + "." + claims + "." + signature,
            "another alg": part({"alg": "RS256"}) + "." + claims + "." + signature,
            "changed claims": header + "." + part({"sub": "root"}) + "." + signature,
            "no signature": header + "." + claims + ".",
            "two parts": header + "." + claims,
            "five parts": good + ".e30.e30",
            "padding": good + "=",
            "not base64": "a.b!.c",
            "crit": part({"alg": "HS256", "crit": ["x"]}) + "." + claims + "." + signature,
            "long": "x" * 7000,
        }
        for what, token in bad.items():
            problem = refused(daemon, 401, "unauthenticated", token=token)
            assert problem["fields"]["WWW-Authenticate"].startswith("Bearer"), what
            assert token not in json.dumps(problem), "a refusal does not repeat the token"
        refused(daemon, 401, "unauthenticated")
        refused(daemon, 401, "unauthenticated", Authorization="Basic " + good)
        refused(daemon, 401, "unauthenticated", Sec_WebSocket_Protocol="wayleave.v1")
        assert daemon.refusals("unauthenticated") == len(bad) + 3
        log = daemon.log()
        for token in [good, *bad.values()]:
            assert len(token) < 20 or token not in log, "a token is in the log"
        assert other_key not in log


def test_each_algorithm():
    for algorithm in ("HS256", "RS256", "ES256", "EdDSA"):
        with Daemon(POLICY, algorithm=algorithm) as daemon:
            daemon.new_key("other.key")
            assert handshake(daemon, token=daemon.token("alice"))[0] == 101, algorithm
            assert handshake(daemon, token=daemon.token("alice", key="other.key"))[0] == 401, algorithm


def test_origins():
    with Daemon(POLICY) as daemon:
        token = daemon.token("alice", name="alice")
        for origin in ("https://app.example.com", "https://a.example.org", "https://a.b.example.org"):
            status = handshake(daemon, token=token, Origin=origin)[0]
            assert status == 101, f"{origin}: {status}"
        for origin in ("https://evil.example", "http://app.example.com", "https://app.example.com:8443",
                       "https://app.example.com.evil.example", "https://evil-example.org", "https://example.org",
                       "https://evilexample.org", "null", "https://app.example.com/", "", "https://a.example.org.evil.example",
                       "https://evil.example/.example.org", "https://evil.example?.example.org",
                       "https://evil.example#.example.org", "https://evil@x.example.org", "https://.example.org"):
            refused(daemon, 403, "forbidden", token=token, Origin=origin)
        assert handshake(daemon, "/strict", token=token, Origin="https://app.example.com")[0] == 101
        refused(daemon, 403, "forbidden", "/strict", token=token)


def test_addresses_inputs_and_details():
    with Daemon(POLICY) as daemon:
        refused(daemon, 404, "unknown_route", "/nowhere")
        refused(daemon, 404, "unknown_route", "/ws/")
        refused(daemon, 404, "unknown_route", "/WS")
        refused(daemon, 404, "unknown_route", "/detailed/seven?device=1")
        assert handshake(daemon, "/detailed/11?device=1")[0] == 101
        assert "device" in refused(daemon, 400, "bad_message", "/detailed/11")["detail"]
        refused(daemon, 400, "bad_message", "/detailed/11?device=NotASlug")
        refused(daemon, 400, "bad_message", "/detailed/11?device=1&device=2")
        refused(daemon, 403, "forbidden", "/detailed/7?device=1")
        status, problem = handshake(daemon, "/detailed/11?device=9")
        assert status == 418 and problem["detail"] == "no toasters", problem
        assert "test.route:" in problem["rule"], problem
        token = daemon.token("m", name="mallory")
        problem = refused(daemon, 403, "forbidden", token=token)
        assert problem["detail"] == "mallory may not chat" and "rule" not in problem, problem


async def test_messages():
    async with Daemon(POLICY) as daemon:
        alice = await Client.open(daemon, user="alice")
        for text, error in {
            "hello": "bad_message", "": "bad_message", "[]": "bad_message", "null": "bad_message", "{}": "bad_message",
            '{"type":7}': "bad_message", '{"type":"say"': "bad_message", '{"type":"say","type":"say"}': "bad_message",
            '{"type":"say","$x":1,"from":"alice"}': "bad_message", '{"type":"say"}': "bad_message",
            '{"type":"say","from":7}': "bad_message", '{"type":"say","from":"alice","n":"1"}': "bad_message",
            '{"type":"say","from":"alice","n":1.5}': "bad_message", '{"type":"say","from":"alice","n":null}': "bad_message",
            '{"type":"say","from":"alice","kind":"spam"}': "bad_message", '{"type":"say","from":"bob"}': "forbidden",
            '{"type":"shout"}': "unknown_message", '{"type":"$shout"}': "unknown_message",
            '{"type":"exact","text":"a","b":1}': "bad_message", '{"type":"$publish","channel":"room/a","data":{}}': "forbidden",
            '{"type":"$subscribe"}': "bad_message", '{"type":"$subscribe","channel":"room/*"}': "bad_message",
            '{"type":"$subscribe","channel":"/room"}': "bad_message", '{"type":"$subscribe","channel":"room/staff"}': "forbidden",
            '{"type":"$subscribe","channel":"room/a/b"}': "forbidden", "[" * 5000: "bad_message",
            '{"type":"say","from":"alice","from":"bob"}': "bad_message", '{"a":' * 3000: "bad_message",
            "{" + ",".join(f'"m{i}":1' for i in range(300)) + ',"type":"say"}': "bad_message",
        }.items():
            await alice.raw(text)
            answer = await alice.next()
            assert answer["type"] == "$error" and answer["error"] == error, f"{text[:80]} was answered {answer}"
            assert answer["because"], answer
        answer = await alice.refused("say", "forbidden", **{"from": "bob"})
        assert answer["because"] == "that is not your name", answer
        await alice.must("say", **{"from": "alice"}, undeclared=True)
        await alice.must("exact", text="a")
        await alice.socket.send(b"binary")
        await alice.expect("$error", error="bad_message")


async def test_subscription_limit():
    async with Daemon(POLICY) as daemon:
        alice = await Client.open(daemon, user="alice")
        for room in "abc":
            await alice.subscribe("room/" + room)
        await alice.refused("$subscribe", "limited", channel="room/d")
        await alice.subscribe("room/a")  # has it already
        await alice.must("$unsubscribe", "$unsubscribed", channel="room/b")
        await alice.subscribe("room/d")


LIMITS = TOKEN_BLOCK + """
policy fair {
    limit connections to 2 per user.sub because "two are enough"
    limit messages to 1/h per user.sub burst 4 because "slow down a little"
}
route chat /ws {
    auth    = demo
    origins = { none }
    use fair
    allow connect
    message say { allow }
    errors { limited = error "slow_down" }
}
route hard /hard {
    auth    = demo
    origins = { none }
    allow connect
    limit messages to 1/h per connection burst 2 then close 4429
    message say { allow }
}
route door /door {
    auth = none
    allow connect
    limit connects to 3/h per subnet
}
"""


async def test_message_limits():
    async with Daemon(LIMITS) as daemon:
        alice, again = await Client.open(daemon, user="alice"), await Client.open(daemon, user="alice")
        for client in (alice, again, alice):
            await client.must("say")
        await alice.raw("not JSON counts as well")
        await alice.expect("$error", error="bad_message")
        for client in (alice, again):  # shared by all connections of a user, on whatever worker
            refusal = await client.refused("say", "slow_down")
            assert refusal["because"] == "slow down a little" and 0 < refusal["retry_after"] <= 3_600_000, refusal
        await alice.quiet()  # $ping is not counted
        bob = await Client.open(daemon, user="bob")
        await bob.must("say")
        assert daemon.refusals("limited") == 2


async def test_limit_that_closes():
    async with Daemon(LIMITS) as daemon:
        alice = await Client.open(daemon, "/hard", user="alice")
        for _ in range(3):
            await alice.send("say")
        messages, code = await alice.closed()
        assert code == 4429 and messages[-1]["type"] == "$bye" and messages[-1]["code"] == 4429, (messages, code)
        assert messages[-1]["reconnect"]["after_ms"] > 0, messages


async def test_connection_limit_and_its_release():
    async with Daemon(LIMITS) as daemon:
        first, _second = await Client.open(daemon, user="alice"), await Client.open(daemon, user="alice")
        problem = refused(daemon, 429, "slow_down", token=daemon.token("alice", name="alice"))
        assert problem["detail"] == "two are enough", problem
        assert await status_of(daemon, user="bob") == 101
        await first.close()
        deadline = time.monotonic() + PATIENCE
        while await status_of(daemon, user="alice") != 101:
            assert time.monotonic() < deadline, "the place of the connection that closed was never free"


def test_handshake_rate():
    with Daemon(LIMITS) as daemon:
        for _ in range(3):
            assert handshake(daemon, "/door")[0] == 101
        problem = refused(daemon, 429, "limited", "/door")
        assert 0 < int(problem["fields"]["Retry-After"]) <= 3600, problem
        wait_until(lambda: daemon.metric("wayleave_connections") == 0, "the end of those that came in")


async def test_token_that_expires_during_the_session():
    async with Daemon(POLICY) as daemon:
        alice = await Client.open(daemon, token=daemon.token("alice", expires="3s"))
        # Where a slow machine let it expire before it came in, the leeway lets it stay for a minute.
        for _ in range(2):
            try:
                messages, code = await alice.closed()
                break
            except TimeoutError:
                pass
        assert code == 4401 and messages[-1]["reason"] == "expired" and messages[-1]["reconnect"] is False, (messages, code)


if __name__ == "__main__":
    main(globals())
