#!/usr/bin/python3
"""Messages that go to the application's own server, and what its answers mean."""
import asyncio
import base64
import hashlib
import hmac
import json
import os
import socket
import threading
import time

from backend import Backend
from client import Client
from daemon import TOKEN_BLOCK, Daemon, run, wait_until
from runner import main

SECRET = b"0123456789abcdef0123456789abcdef"
OLD = b"fedcba9876543210fedcba98"
KEYS = b"whsec_" + base64.b64encode(SECRET) + b"\nwhsec_" + base64.b64encode(OLD) + b"\n"
POLICY = TOKEN_BLOCK + """
backend app {
    url = "%s"
    timeout = 1s
    sign = file "../keys/app.whsec"
    allow publish on room/**
    deny publish on room/secret because "not there"
    allow subscribe on room/:id
    allow disconnect
}
route chat /ws/:place {
    auth = demo
    origins = { none }
    allow connect
    join user/{user.sub}
    allow subscribe on room/**
    input lang : string from query "lang" else "en"
    message form {
        field text : string required
        set by = user.sub
        allow
        forward to app "/forms/{place}"
    }
    message both { field room : string required allow publish to room/{room} forward to app "/both/{room}" }
    message step { field n : int required ordered = true allow forward to app "/steps" }
    message either { field big : bool else false allow forward to app "/big" if big forward to app "/small" }
}
"""
PLAIN = {"Content-Type": "application/json"}
ORDERS = {"Content-Type": "application/wayleave+json"}


def daemon_for(backend, policy=POLICY, **options):
    daemon = Daemon(policy % backend.url, **options)
    daemon.write("keys/app.whsec", KEYS)
    os.chmod(daemon.path("keys/app.whsec"), 0o600)
    return daemon


def verify(request, secret=SECRET):
    """As the libraries of Standard Webhooks do."""
    stamp = request.headers["webhook-timestamp"]
    assert abs(int(stamp) - time.time()) < 60
    signed = f"{request.headers['webhook-id']}.{stamp}.".encode() + request.body
    wanted = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return f"v1,{wanted}" in request.headers["webhook-signature"].split(" ")


async def opened(daemon, user="ann", path="/ws/here?lang=de"):
    return await Client.open(daemon, path, token=daemon.token(user))


async def test_an_envelope_that_is_signed_and_its_reply():
    with Backend(lambda r: (200, {"saved": 7, "big": 12345678901234567890123}, PLAIN)) as backend:
        async with daemon_for(backend) as daemon:
            ann = await opened(daemon)
            await ann.raw(json.dumps({"type": "form", "text": "hi", "by": "me", "extra": [1], "$id": "a"}))
            answer = await ann.next()
            assert answer == {"type": "$ok", "re": "a", "data": {"saved": 7, "big": 12345678901234567890123}}, answer
            asked = backend.requests[0]
            assert asked.path == "/forms/here" and asked.headers["Content-Type"] == "application/json"
            assert verify(asked) and verify(asked, OLD) and not verify(asked, b"x" * 32)
            body = json.loads(asked.body)
            assert body["type"] == "message" and body["id"] == asked.headers["webhook-id"]
            assert body["route"] == "chat" and body["user"] == "ann" and body["seq"] == 1
            assert body["captures"] == {"place": "here"} and body["inputs"] == {"lang": "de"}
            assert body["claims"]["sub"] == "ann"
            assert body["message"] == {"type": "form", "text": "hi", "by": "ann", "extra": [1]}, body
            assert asked.headers["traceparent"].startswith("00-") and len(asked.headers["traceparent"]) == 55
            assert daemon.metric("wayleave_forwarded_total") == 1


async def test_what_an_answer_means():
    answers = {
        "nothing": ((204, b""), "$ok", {}),
        "empty": ((200, b""), "$ok", {}),
        "scalar": ((200, b" 5 ", PLAIN), "$ok", {"data": 5}),
        "created": ((201, b'{"a": "\\ud83d"}', PLAIN), "$ok", {}),
        "html": ((200, b"<html>", {"Content-Type": "text/html"}), "$error", {"error": "unavailable"}),
        "torn": ((200, b'{"a":', PLAIN), "$error", {"error": "unavailable"}),
        "utf8": ((200, b'{"a":"\xff"}', PLAIN), "$error", {"error": "unavailable"}),
        "huge": ((200, b'"' + b"x" * 70_000 + b'"', PLAIN), "$error", {"error": "unavailable"}),
        "moved": ((302, b"", {"Location": "http://127.0.0.1:1/"}), "$error", {"error": "unavailable"}),
        "plain": ((403, b"no"), "$error", {"error": "forbidden"}),
        "problem": ((409, {"error": "too_late", "detail": "it is over"}, {"Content-Type": "application/problem+json"}),
                    "$error", {"error": "too_late", "because": "it is over"}),
        "rude": ((409, {"error": "Bad\nWord", "detail": "a\u0000b"}, PLAIN), "$error", {"error": "refused"}),
        "slow_down": ((429, b"", {"Retry-After": "3"}), "$error", {"error": "limited", "retry_after": 3000}),
        "gone": ((404, b""), "$error", {"error": "refused"}),
    }
    with Backend(lambda r: answers[json.loads(r.body)["message"]["text"]][0]) as backend:
        async with daemon_for(backend) as daemon:
            ann = await opened(daemon)
            for name, (_, word, members) in answers.items():
                await ann.raw(json.dumps({"type": "form", "text": name, "$id": name}))
                answer = await ann.next()
                assert answer["type"] == word and answer["re"] == name, (name, answer)
                assert {k: answer.get(k) for k in members} == members, (name, answer)
            assert len(backend.requests) == len(answers), "what was answered is not asked again"
            daemon.wait_log("forward-failed")
            assert daemon.metric("wayleave_forward_failures_total") == 5


async def test_orders():
    orders = {}
    with Backend(lambda r: (200, orders["now"], ORDERS)) as backend:
        async with daemon_for(backend) as daemon:
            ann, ben = await opened(daemon), await opened(daemon, "ben")
            await ben.subscribe("room/a")
            orders["now"] = {"reply": {"ok": [True]}, "publish": [{"channel": "room/a", "data": {"type": "new", "n": 1}}],
                             "send": [{"type": "state", "all": []}]}
            await ann.raw(json.dumps({"type": "form", "text": "x", "$id": 1}))
            assert (await ann.next()) == {"type": "state", "all": []}
            assert (await ann.next()) == {"type": "$ok", "re": 1, "data": {"ok": [True]}}
            got = await ben.next()
            assert got["type"] == "new" and got["n"] == 1 and got["$"]["channel"] == "room/a"
            for bad in ({"publish": [{"channel": "other/a", "data": {"type": "x"}}]},
                        {"publish": [{"channel": "room/a", "data": {"type": "x"}}, {"channel": "room/secret", "data": {"type": "x"}}]},
                        {"publish": [{"channel": "room/a", "data": {"type": "$bye"}}]},
                        {"publish": {"channel": "room/a"}}, {"send": [{"type": "$hello"}]}, {"send": [{"no": "type"}]},
                        {"close": 1006}, {"close": {"code": 4000, "x": 1}}, {"subscribe": ["other/x"]}, {"subscribe": ["room//"]},
                        {"explode": True}, [1]):
                orders["now"] = {**bad, "reply": 1} if isinstance(bad, dict) else bad
                await ann.raw(json.dumps({"type": "form", "text": "x", "$id": 2}))
                answer = await ann.next()
                assert answer["type"] == "$error" and answer["error"] == "unavailable", (bad, answer)
            orders["now"] = {"publish": [{"channel": "room/a", "data": {"type": "last"}}], "close": {"code": 4001, "because": "done"}}
            await ann.raw(json.dumps({"type": "form", "text": "x"}))
            assert (await ann.next())["type"] == "$bye"
            assert (await ann.closed())[1] == 4001
            assert (await ben.next())["type"] == "last", "nothing of a refused answer was done"
            assert daemon.metric("wayleave_orders_total") == 2
            daemon.wait_log("not there")


async def test_retries_have_one_id_and_an_end():
    with Backend(lambda r: (503 if r.count < 3 else 200, {"n": r.count}, PLAIN)) as backend:
        async with daemon_for(backend) as daemon:
            ann = await opened(daemon)
            await ann.raw(json.dumps({"type": "form", "text": "x", "$id": "a"}))
            assert (await ann.next())["data"] == {"n": 3}
            assert len({r.headers["webhook-id"] for r in backend.requests}) == 1
            assert all(verify(r) for r in backend.requests)
            backend.answer = lambda r: (500, b"")
            await ann.raw(json.dumps({"type": "form", "text": "x", "$id": "b"}))
            assert (await ann.next())["error"] == "unavailable"
            assert len(backend.requests) == 6
            assert len({r.headers["webhook-id"] for r in backend.requests}) == 2


async def test_a_publication_and_a_forward():
    with Backend(lambda r: (200, {"path": r.path}, PLAIN)) as backend:
        async with daemon_for(backend) as daemon:
            ann, ben = await opened(daemon), await opened(daemon, "ben")
            await ben.subscribe("room/a=20b")
            await ann.raw(json.dumps({"type": "both", "room": "a b", "$id": 1}))
            assert (await ann.next()) == {"type": "$ok", "re": 1, "data": {"path": "/both/a%20b"}}
            assert (await ben.next())["room"] == "a b"
            await ann.raw(json.dumps({"type": "both", "room": "../x?y#z", "$id": 2}))
            assert (await ann.next())["data"] == {"path": "/both/..%2Fx%3Fy%23z"}
            await ann.raw(json.dumps({"type": "both", "room": "..", "$id": 3}))
            assert (await ann.next())["error"] == "bad_message"
            for big in (True, False):
                await ann.raw(json.dumps({"type": "either", "big": big, "$id": 4}))
                assert (await ann.next())["data"] == {"path": "/big" if big else "/small"}


async def test_order_of_a_session_is_kept():
    def slow(request):
        n = json.loads(request.body)["message"]["n"]
        time.sleep(0.2 if n == 0 else 0)
        return 200, {"n": n}, PLAIN
    with Backend(slow) as backend:
        async with daemon_for(backend) as daemon:
            ann = await opened(daemon)
            for n in range(40):
                await ann.raw(json.dumps({"type": "step", "n": n, "$id": n}))
            assert [(await ann.next())["data"]["n"] for _ in range(40)] == list(range(40))
            assert [json.loads(r.body)["message"]["n"] for r in backend.requests] == list(range(40))
            hold = threading.Event()
            backend.answer = lambda r: (hold.wait(20), (204, b""))[1]
            for n in range(70):
                await ann.raw(json.dumps({"type": "step", "n": n, "$id": n}))
            refused = [await ann.next() for _ in range(6)]
            assert {a["error"] for a in refused} == {"unavailable"} and [a["re"] for a in refused] == list(range(64, 70))
            hold.set()
            assert [(await ann.next())["re"] for _ in range(64)] == list(range(64))
            wait_until(lambda: daemon.metric("wayleave_forward_bytes") == 0, "nothing to be held")


async def test_as_it_is_with_an_identity():
    policy = POLICY.replace("timeout = 1s", "timeout = 1s\n    body = message")
    with Backend(lambda r: (204, b"")) as backend:
        async with daemon_for(backend, policy) as daemon:
            ann = await opened(daemon)
            await ann.raw(json.dumps({"type": "form", "text": "x", "$id": "a"}))
            assert (await ann.next())["type"] == "$ok"
            asked = backend.requests[0]
            assert json.loads(asked.body) == {"type": "form", "text": "x", "by": "ann"}
            assert verify(asked)
            head, claims, mac = asked.headers["Wayleave-Identity"].split(".")
            wanted = base64.urlsafe_b64encode(hmac.new(SECRET, f"{head}.{claims}".encode(), hashlib.sha256).digest())
            assert mac == wanted.decode().rstrip("=")
            said = json.loads(base64.urlsafe_b64decode(claims + "=="))
            assert said["sub"] == "ann" and said["aud"] == "app" and said["iss"] == "wayleave" and said["route"] == "chat"
            assert said["jti"] == asked.headers["webhook-id"] and said["exp"] - said["iat"] == 60
            digest = base64.urlsafe_b64encode(hashlib.sha256(asked.body).digest()).decode().rstrip("=")
            assert said["bsh"] == digest


async def test_a_backend_that_dies_and_returns():
    backend = Backend(lambda r: (204, b""))
    async with daemon_for(backend, POLICY.replace("timeout = 1s", "timeout = 1s retries = 0 break_after = 2 break_for = 500ms")) as daemon:
        ann = await opened(daemon)
        backend.close()
        for n in range(3):
            await ann.raw(json.dumps({"type": "form", "text": "x", "$id": n}))
            assert (await ann.next())["error"] == "unavailable"
        assert daemon.metric('wayleave_backend_broken{backend="app"}') == 1
        again = Backend(lambda r: (204, b""), port=backend.port)
        deadline = time.monotonic() + 30
        while True:
            await ann.raw(json.dumps({"type": "form", "text": "x", "$id": 9}))
            if (await ann.next())["type"] == "$ok":
                break
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        again.close()


async def test_a_unix_socket():
    daemon = Daemon("")
    path = daemon.path("app.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    heard = []

    def serve():
        peer, _ = listener.accept()
        data = b""
        while b"\r\n\r\n" not in data or not data.endswith(b"}}"):
            data += peer.recv(65536)
        heard.append(data)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 6\r\n\r\n[1, 2]")
        peer.close()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    daemon.write("routes.d/test.route", POLICY % f"unix:{path}")
    daemon.write("keys/app.whsec", KEYS)
    os.chmod(daemon.path("keys/app.whsec"), 0o600)
    async with daemon:
        ann = await opened(daemon)
        await ann.raw(json.dumps({"type": "form", "text": "x", "$id": "a"}))
        assert (await ann.next())["data"] == [1, 2]
        assert heard[0].startswith(b"POST /forms/here HTTP/1.1\r\nHost: localhost\r\n")
    listener.close()


DOOR = """
backend app { url = "%s" timeout = 5s concurrency = 8 }
token session { check = app "/whoami" from header "Authorization" claim sub : string required }
route chat /ws {
    auth = session
    origins = { none }
    allow connect
    message slow { allow forward to app "/slow" }
    message bad { allow forward to app "/bad" }
}
"""


async def test_what_those_say_who_are_in_keeps_nobody_out():
    done = threading.Event()

    def answer(request):
        if request.path == "/whoami":
            return 200, {"sub": request.headers["Authorization"]}, PLAIN
        if request.path == "/slow":
            done.wait(60)
        return (500, b"") if request.path == "/bad" else (204, b"")

    async def enter(daemon, name):
        return await Client.open(daemon, extra_headers={"Authorization": "Bearer " + name})

    with Backend(answer) as backend:
        async with Daemon(DOOR % backend.url) as daemon:
            inside = [await enter(daemon, f"u{i}") for i in range(20)]
            for one in inside:
                for _ in range(60):
                    await one.send("slow")
            wait_until(lambda: sum(r.path == "/slow" for r in list(backend.requests)) >= 6, "all places of messages are taken")
            for i in range(20):
                await (await enter(daemon, f"new{i}")).close()
            assert sum(r.path == "/slow" for r in list(backend.requests)) <= 6, "a quarter is for the door"
            done.set()
        # Two messages that fail, each tried three times, are two failures and not six.
        async with Daemon(DOOR % backend.url) as daemon:
            ann = await enter(daemon, "ann")
            for n in range(2):
                await ann.raw(json.dumps({"type": "bad", "$id": n}))
                await ann.expect("$error", error="unavailable")
            await enter(daemon, "ben")


async def test_keys_that_are_none():
    with Backend(lambda r: (204, b"")) as backend:
        daemon = daemon_for(backend)
        for text, wanted in ((b"s" * 40, "Standard Webhooks"), (b"whsec_" + base64.b64encode(b"x" * 20), "24 to 64"),
                             (b"whsec_!!!", "Standard Webhooks"), (b"\n", "is empty"), (KEYS * 3, "too many")):
            daemon.write("keys/app.whsec", text)
            os.chmod(daemon.path("keys/app.whsec"), 0o600)
            said = run("lint", daemon.path("routes.d")).stdout
            assert wanted in said, (text, said)
            assert "whsec_eHh4" not in said, "no key in a message"


if __name__ == "__main__":
    main(globals())
