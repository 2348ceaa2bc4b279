#!/usr/bin/python3
"""The HTTP API: an application's server publishes, and asks, under the same policy as its clients."""
import asyncio
import gzip
import http.client
import json
import os
import re
import socket
import time
import ssl
import subprocess
import sys

from client import Client
from daemon import PATIENCE, TOKEN_BLOCK, Daemon, run, wait_until
from openapi import Description
from raw import Raw, head
from runner import main

POLICY = TOKEN_BLOCK + """
token server {
    keys   = file "../keys/server.key"
    issuer = "https://app.example"
    from header "Authorization"
    claim sub : string required
}
channel news { history = 2000  keep = 1h  presence = true }
channel inbox/:id { history = 10  keep = 1h  dedup = 1h  acks = user }
channel small { max_message = 100b }
route chat /ws {
    auth = demo
    origins = { none }
    allow connect
    allow subscribe on **
}
api internal /api {
    auth = server
    max_message = 4kb
    allow publish, presence, history on **
    allow disconnect if user.sub == "backend"
    deny publish on secret because "nobody publishes here"
}
api rare /rare {
    auth = server
    allow publish on **
    limit messages to 3/h per user.sub then error "too_fast"
    deny publish on moved/** then error "moved"
    deny publish on hidden/** then status 404
    deny publish on trap/** then drop
    deny publish on closed/** then close 4000
    errors { bad_message = status 422 }
}
"""


class Api:
    """A keep-alive connection of an application's server. What is answered is what the daemon's description says."""
    description = None

    def __init__(self, daemon, token=None, at="/api", connection=None):
        self.at = at
        self.daemon = daemon
        self.token = token or daemon.token("backend", key="server.key", issuer="https://app.example", audience=None)
        self.http = connection or http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)
        if Api.description is None:
            Api.description = Description(self.describe())

    def describe(self):
        self.http.request("GET", self.at + "/openapi.json")
        answer = self.http.getresponse()
        assert answer.status == 200 and answer.headers["Content-Type"] == "application/json", answer.headers
        return json.loads(answer.read())

    def ask(self, method, path, body=None, **fields):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        headers.update({name.replace("_", "-"): value for name, value in fields.items()})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.http.request(method, self.at + path, body, headers)
        answer = self.http.getresponse()
        text = answer.read()
        self.headers = answer.headers
        said = json.loads(text) if text else None
        if said is not None:
            Api.description.check_answer(path.split("?")[0], method, answer.status, answer.headers["Content-Type"], said)
        return answer.status, said

    def publish(self, body, **fields):
        return self.ask("POST", "/publish", body, **fields)


def served(**options):
    daemon = Daemon(POLICY, **options)
    daemon.new_key("server.key")
    return daemon


async def test_publish_one():
    async with served() as daemon:
        alice = await Client.open(daemon, user="alice")
        await alice.ask("$subscribe", channel="room/a")
        api = Api(daemon)
        asked = daemon.metric("wayleave_api_requests_total")
        assert api.publish({"channel": "room/a", "data": {"type": "hello", "text": "ä"}}) == (200, {})
        message = await alice.wait_for("hello")
        assert message["text"] == "ä", message
        status, first = api.publish({"channel": "news", "data": {"n": 1}})
        assert status == 200 and first["offset"] == 1 and re.fullmatch(r"\S+", first["epoch"]), first
        assert api.publish({"channel": "news", "data": {"n": 2}})[1]["offset"] == 2
        status, kept = api.ask("GET", "/history?channel=news")
        assert status == 200 and [m["n"] for m in kept["messages"]] == [1, 2] and not kept["more"], kept
        status, kept = api.ask("GET", f"/history?channel=news&since={first['epoch']}:1")
        assert [m["n"] for m in kept["messages"]] == [2] and kept["recovered"], kept
        assert [m["n"] for m in api.ask("GET", "/history?channel=news&limit=1&reverse=true")[1]["messages"]] == [2]
        assert daemon.metric("wayleave_api_requests_total") == asked + 6


async def test_except_session():
    async with served() as daemon:
        alice, bob = await Client.open(daemon, user="alice"), await Client.open(daemon, user="bob")
        for client in alice, bob:
            await client.ask("$subscribe", channel="room/a")
        api = Api(daemon)
        api.publish({"channel": "room/a", "data": {"type": "one"}, "except_session": alice.hello["session"]})
        api.publish({"channel": "room/a", "data": {"type": "two"}})
        assert (await bob.wait_for("one"))["type"] == "one"
        assert (await alice.next())["type"] == "two", "she does not hear what she has caused"


def test_publish_many():
    with served() as daemon:
        api = Api(daemon)
        status, answer = api.publish({"channels": ["inbox/1", "inbox/2", "news"], "data": {"n": 1}})
        assert status == 200 and [r["offset"] for r in answer["results"]] == [1, 1, 1], answer
        status, answer = api.publish([{"channel": "news", "data": {"n": n}} for n in range(2, 1002)])
        assert status == 200 and answer["results"][-1]["offset"] == 1001 and len(answer["results"]) == 1000, answer
        lines = b"".join(json.dumps({"channel": "news", "data": {"n": n}}).encode() + b"\n" for n in range(5))
        status, answer = api.ask("POST", "/publish", lines, Content_Type="application/x-ndjson")
        assert status == 200 and len(answer["results"]) == 5, answer
        assert api.publish([{"channel": "news", "data": {}}] * 1001)[0] == 413
        assert api.publish({"channels": [f"c/{i}" for i in range(1001)], "data": {}})[0] == 413


def test_nothing_is_published_when_a_part_is_refused():
    with served() as daemon:
        api = Api(daemon)
        status, problem = api.publish([{"channel": "news", "data": {"n": 1}}, {"channel": "secret", "data": {}},
                                       {"channel": "news"}])
        assert status == 403 and problem["error"] == "forbidden" and problem["detail"] == "nobody publishes here", problem
        assert problem["type"] == "urn:wayleave:forbidden" and re.search(r"/test\.route:\d+$", problem["decision"]), problem
        assert [(e["index"], e["error"]) for e in problem["errors"]] == [(1, "forbidden"), (2, "bad_message")], problem
        assert api.headers["Content-Type"] == "application/problem+json"
        assert api.ask("GET", "/history?channel=news")[1]["messages"] == []
        daemon.wait_log("action=request target=/api/publish reason=forbidden")
        api = Api(daemon, at="/rare")
        for _ in range(3):
            assert api.publish({"channel": "news", "data": {}})[0] == 200
        status, problem = api.publish({"channel": "news", "data": {}})
        assert problem["error"] == "too_fast", problem
        assert status == 429 and int(api.headers["Retry-After"]) == problem["retry_after"] > 1000, problem


def test_bad_bodies():
    with served() as daemon:
        api = Api(daemon)
        for body, status, said in [
            ({"channel": "a", "data": {}, "chanel": "b"}, 400, "there is no member `chanel`"),
            ({"channel": "a", "channels": ["b"], "data": {}}, 400, "exclude each other"),
            ({"channels": ["a", "a"], "data": {}}, 400, "stands twice"),
            ({"channels": [], "data": {}}, 400, "is empty"),
            ({"channel": "a", "data": []}, 400, "`data` is a JSON object"),
            ({"channel": "a", "data": {"$x": 1}}, 400, "are the server's"),
            ({"channel": "", "data": {}}, 400, "channel"),
            ({"channel": "a", "data": {}, "except_session": "x"}, 400, "except_session"),
            ({"channel": "a", "data": {"x": "y" * 5000}}, 413, "larger than a message"),
            ({"channel": "small", "data": {"x": "y" * 200}}, 400, "its channel takes 100"),
            (b"", 400, "the body is empty"),
            (b"[]", 400, "there is nothing to publish"),
            (b"[1]", 400, "is no JSON object"),
            (b"[{} x", 400, "no JSON"),
            (b"[{\"channel\":\"a\",\"data\":{}}] x", 400, "no JSON"),
            (b"{\"channel\":\"a\",\"data\":{}", 400, "no JSON object"),
            (b"{\"channel\":\"a\",\"channel\":\"b\",\"data\":{}}", 400, "twice"),
            (b"{\"channel\":\"a\xff\",\"data\":{}}", 400, "no JSON object"),
            (b"{\"channel\":\"a\\u0000\",\"data\":{}}", 400, "channel"),
            (b"hello", 400, "no JSON object"),
            (b"x{\"channel\":\"a\",\"data\":{}}", 400, "no JSON object"),
        ]:
            got, problem = api.publish(body)
            assert got == status and said in problem.get("detail", ""), (body, got, problem)
        assert api.publish({"channel": "a", "data": {"n": 1e300}})[0] == 200, "the connection is as good as before"
        assert api.publish(b"[{\"channel\":\"a\",\"data\":{\"n\":1e400}}]")[0] == 200


def test_gzip_and_bombs():
    with served() as daemon:
        api = Api(daemon)
        good = gzip.compress(json.dumps({"channel": "news", "data": {"n": 1}}).encode())
        assert api.publish(good, Content_Encoding="gzip")[0] == 200
        assert api.publish(good[:-3], Content_Encoding="gzip")[0] == 400
        assert api.publish(good + b"x", Content_Encoding="gzip")[0] == 400
        status, problem = api.publish(gzip.compress(b" " * 200_000_000), Content_Encoding="gzip")
        assert status == 413 and "larger" in problem["detail"], problem
        assert api.publish(good, Content_Encoding="br")[0] == 415


def test_who_may_not():
    with served() as daemon:
        for token, status in [("x", 401), (daemon.token("alice"), 401)]:
            assert Api(daemon, token).publish({"channel": "news", "data": {}})[0] == status, token
        for method, path, status in [("GET", "/publish", 405), ("POST", "/history", 405), ("POST", "/nothing", 404),
                                     ("POST", "/publish/deeper", 404), ("POST", "", 404), ("DELETE", "/publish", 405)]:
            api = Api(daemon)
            got, problem = api.ask(method, path, {} if method == "POST" else None)
            assert got == status, (method, path, problem)
        api = Api(daemon)
        assert api.ask("POST", "/publish", b"{}", Content_Type="text/plain")[0] == 415
        api = Api(daemon)
        assert api.ask("GET", "/history?channel=none")[0] == 400, "this channel keeps no history"
        assert api.ask("GET", "/history?channel=news&limit=0")[0] == 400
        assert api.ask("GET", "/presence")[0] == 400


async def test_presence_and_progress():
    async with served() as daemon:
        clients = [await Client.open(daemon, user=name) for name in ("alice", "alice", "bob")]
        for client in clients:
            await client.ask("$subscribe", channel="news")
        api = Api(daemon)
        status, roster = api.ask("GET", "/presence?channel=news")
        assert status == 200 and roster["total"] == 2 and [u["connections"] for u in roster["users"]] == [2, 1], roster
        await clients[2].ask("$subscribe", channel="inbox/bob")
        offset = api.publish({"channel": "inbox/bob", "data": {"type": "mail"}})[1]["offset"]
        await clients[2].wait_for("mail")
        await clients[2].ask("$ack", channel="inbox/bob", offset=offset)
        user = roster["users"][1]["user"]
        status, progress = api.ask("GET", f"/progress?channel=inbox/bob&user={user}")
        assert status == 200 and progress["acknowledged"] == offset == progress["offset"], progress


def test_idempotency():
    with served(workers=2) as daemon:
        body = {"channel": "news", "data": {"n": 1}}
        first = Api(daemon).publish(body, Idempotency_Key="k1")
        assert first[0] == 200
        for _ in range(6):  # on any worker
            api = Api(daemon)
            assert api.publish(body, Idempotency_Key="k1") == first and api.headers["Idempotency-Replayed"] == "true"
        assert Api(daemon).publish({"channel": "news", "data": {"n": 2}}, Idempotency_Key="k1")[0] == 422
        assert len(Api(daemon).ask("GET", "/history?channel=news")[1]["messages"]) == 1
        assert Api(daemon).publish({"channel": "secret", "data": {}}, Idempotency_Key="k2")[0] == 403
        assert Api(daemon).publish(body, Idempotency_Key="k2")[0] == 200, "what was refused may be tried again"
        other = Api(daemon, daemon.token("other", key="server.key", issuer="https://app.example", audience=None))
        assert other.publish(body, Idempotency_Key="k1")[1]["offset"] == 3, "another's key is another key"
        assert daemon.metric("wayleave_api_replayed_total") == 6
        # Where the channel knows repetitions, the key is one that it knows.
        mail = {"channel": "inbox/1", "data": {"n": 1}}
        Api(daemon).publish(mail, Idempotency_Key="k3")
        daemon.reload()
        assert Api(daemon).publish({**mail, "dedup": "k3"})[1].get("duplicate"), "the same id"


def test_pipelining_and_chunks():
    with served() as daemon:
        api = Api(daemon)
        head = f"Host: localhost\r\nAuthorization: Bearer {api.token}\r\nContent-Type: application/json\r\n"
        stream = b""
        for n in range(20):
            body = json.dumps({"channel": "news", "data": {"n": n}}).encode()
            if n % 2:
                stream += f"POST /api/publish HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
            else:
                stream += f"POST /api/publish HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\n".encode()
                stream += b"5\r\n" + body[:5] + b"\r\n" + f"{len(body) - 5:x}\r\n".encode() + body[5:] + b"\r\n0\r\n\r\n"
        stream += f"GET /api/history?channel=news HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=60) as raw:
            for at in range(0, len(stream), 700):
                raw.sendall(stream[at:at + 700])
            said = b""
            while data := raw.recv(65536):
                said += data
        assert said.count(b"HTTP/1.1 200") == 21, said
        assert [int(n) for n in re.findall(rb'"offset":(\d+)}\r?\n?HTTP|"offset":(\d+)}', said)[0] if n] == [1], said[:500]
        messages = json.loads(said[said.rindex(b"\r\n\r\n") + 4:])["messages"]
        assert [m["n"] for m in messages] == list(range(20))
        # One that ends in the middle is published by nobody.
        with socket.create_connection(("127.0.0.1", daemon.port)) as raw:
            raw.sendall(f"POST /api/publish HTTP/1.1\r\n{head}Content-Length: 100\r\n\r\n{{".encode())
        assert len(api.ask("GET", "/history?channel=news")[1]["messages"]) == 20


async def test_disconnect_and_sessions():
    async with served(workers=2) as daemon:
        alice = [await Client.open(daemon, user="alice") for _ in range(8)]
        bob = await Client.open(daemon, user="bob")
        name = bob.hello["user"]
        api = Api(daemon)
        status, found = api.ask("GET", "/sessions?user=" + alice[0].hello["user"])
        assert status == 200 and found["total"] == 8, found
        assert {s["session"] for s in found["sessions"]} == {c.hello["session"] for c in alice}
        assert found["sessions"][0]["route"] == "chat" and found["sessions"][0]["ip"] == "127.0.0.1"
        status, done = api.ask("POST", "/disconnect", {"user": alice[0].hello["user"], "because": "you have logged out"})
        assert (status, done) == (200, {"sessions": 8})
        for client in alice:
            bye = await client.wait_for("$bye")
            assert bye["reason"] == "disconnected" and bye["because"] == "you have logged out" and not bye["reconnect"], bye
            assert (await client.closed())[1] == 4403
        status, done = api.ask("POST", "/disconnect", {"session": bob.hello["session"], "reconnect": True, "code": 4000})
        assert (status, done) == (200, {"sessions": 1})
        assert (await bob.wait_for("$bye"))["reconnect"] and (await bob.closed())[1] == 4000
        assert api.ask("POST", "/disconnect", {"user": name}) == (200, {"sessions": 0})
        assert daemon.metric("wayleave_api_disconnected_total") == 9
        for body in [{}, {"user": "a", "session": bob.hello["session"]}, {"session": "x"}, {"user": "a", "code": 1006},
                     {"user": "a", "because": "x" * 121}, {"user": "a", "x": 1}, [], {"user": ["a"]}]:
            assert api.ask("POST", "/disconnect", body)[0] == 400, body
        other = Api(daemon, daemon.token("other", key="server.key", issuer="https://app.example", audience=None))
        assert other.ask("POST", "/disconnect", {"user": name})[0] == 403
        assert other.ask("GET", f"/sessions?user={name}")[0] == 403


async def test_disconnect_by_claim():
    policy = POLICY.replace('claim name : string else "nobody"', """claim name : string else "nobody"
    claim sid   : string else "" secret
    claim team  : int else 0
    claim staff : bool else false
    claim roles : set of string else {}
    claim since : date else 2020-01-01""")
    daemon = Daemon(policy, workers=2)
    daemon.new_key("server.key")
    async with daemon:
        def open_as(user, **claims):
            token = daemon.token(user, claims=[f"{name}={json.dumps(value)}" for name, value in claims.items()])
            return Client.open(daemon, token=token)
        a = [await open_as("a", sid="s1", team=7) for _ in range(3)]
        b = await open_as("b", sid="s2", roles=["x", "y"], staff=True, since="2026-02-03", team=7)
        api = Api(daemon)
        by = lambda name, value: api.ask("POST", "/disconnect", {"claim": {"name": name, "value": value}})
        assert by("sid", "") == (200, {"sessions": 0}) and by("nothing", "x") == (200, {"sessions": 0})
        assert by("team", "seven") == (200, {"sessions": 0}) and by("roles", "z") == (200, {"sessions": 0})
        assert by("sub", "nobody") == (200, {"sessions": 0}) and by("staff", False)[1] == {"sessions": 3}
        for client in a:
            assert (await client.closed())[1] == 4403
        for name, value in [("sid", "s2"), ("roles", "y"), ("staff", True), ("since", "2026-02-03"), ("team", 7), ("team", "7"),
                            ("sub", "b")]:
            assert by(name, value) == (200, {"sessions": 1}), name
            assert (await b.closed())[1] == 4403
            b = await open_as("b", sid="s2", roles=["x", "y"], staff=True, since="2026-02-03", team=7)
        await b.quiet()
        assert "s2" not in daemon.log()
        for claim in [{}, {"name": "sid"}, {"name": "", "value": "x"}, {"name": "sid", "value": ["s2"]}, {"name": "sid", "value": None},
                      {"name": "sid", "value": "s2", "x": 1}, "sid"]:
            assert api.ask("POST", "/disconnect", {"claim": claim})[0] == 400, claim
        assert api.ask("POST", "/disconnect", {"user": "b", "claim": {"name": "sid", "value": "s2"}})[0] == 400
        await b.quiet()


async def test_receivers():
    async with served(workers=3) as daemon:
        clients = [await Client.open(daemon, user=f"u{i}") for i in range(9)]
        for client in clients:
            await client.subscribe("room/a")
        await clients[0].subscribe("news")
        await clients[0].subscribe("inbox/1")
        api = Api(daemon)
        item = {"channel": "room/a", "data": {"type": "n"}, "receivers": True}
        assert api.publish(item) == (200, {"receivers": 9})
        assert api.publish({**item, "except_session": clients[3].hello["session"]}) == (200, {"receivers": 8})
        assert api.publish({**item, "channel": "room/nobody"}) == (200, {"receivers": 0})
        assert api.publish({**item, "receivers": False}) == (200, {})
        status, said = api.publish([item, {"channel": "room/a", "data": {}}])
        assert said["results"] == [{"receivers": 9}, {}], said
        status, said = api.publish({"channels": ["news", "room/b"], "data": {}, "receivers": True})
        assert [one["receivers"] for one in said["results"]] == [1, 0] and said["results"][0]["offset"] == 1, said
        for expected in (1, 0):  # what was published before reaches nobody now
            said = api.publish({"channel": "inbox/1", "data": {}, "dedup": "x", "receivers": True})[1]
            assert said.get("receivers", 0) == expected, said
        first = api.publish({**item, "channel": "news"}, Idempotency_Key="k")
        assert first[1]["receivers"] == 1 and api.publish({**item, "channel": "news"}, Idempotency_Key="k") == first
        assert api.headers["Idempotency-Replayed"] == "true"
        assert api.publish({**item, "receivers": 1})[0] == 400


def test_history_since_in_either_order():
    for broker in ("", '[broker]\nkind = "sqlite"\npath = "messages.db"\n'):
        with served(more=broker) as daemon:
            api = Api(daemon)
            for n in range(1, 21):
                epoch = api.publish({"channel": "news", "data": {"n": n}})[1]["epoch"]

            def read(query):
                page = api.ask("GET", "/history?channel=news&" + query)[1]
                return [m["n"] for m in page["messages"]], page.get("recovered"), page["more"]
            assert read(f"since={epoch}:15") == ([16, 17, 18, 19, 20], True, False)
            assert read(f"since={epoch}:15&reverse=true") == ([20, 19, 18, 17, 16], True, False)
            assert read(f"since={epoch}:15&reverse=true&limit=2") == ([20, 19], True, True)
            assert read(f"since={epoch}:20&reverse=true") == ([], True, False)
            assert read(f"since={epoch}:0&reverse=true&limit=3") == ([20, 19, 18], True, True)
            for gone in ("since=nothing:3", f"since={epoch}:99"):
                for order in ("", "&reverse=true"):
                    numbers, recovered, more = read(gone + order)
                    assert sorted(numbers) == list(range(1, 21)) and not recovered and not more, (gone, order, numbers)
            if broker:  # and from the disk
                daemon.stop()
                daemon.start()
                api = Api(daemon)
                assert read(f"since={epoch}:15&reverse=true&limit=2") == ([20, 19], True, True)
                assert read(f"since={epoch}:3&reverse=true") == (list(range(20, 3, -1)), True, False)
                assert not read("since=nothing:3&reverse=true")[1]


def test_a_refused_batch_uses_up_no_limit():
    with served() as daemon:
        api = Api(daemon, at="/rare")
        good, bad = {"channel": "news", "data": {}}, {"channel": "moved/x", "data": {}}
        for body in ([good, good, bad], {"channels": ["news", "moved/x"], "data": {}}, [good] * 4, [good, {"channel": "news"}]):
            assert api.publish(body)[0] >= 400, body
        assert api.publish([good] * 2)[0] == 200  # of three an hour
        assert api.publish([good] * 2)[0] == 429
        assert api.publish(good)[0] == 200
        assert api.publish(good)[0] == 429


def control(daemon, path, body):
    own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    own.connect(daemon.path("run/control.sock"))
    connection = http.client.HTTPConnection("wayleave", timeout=PATIENCE)
    connection.sock = own
    connection.request("POST", path, json.dumps(body))
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


async def test_the_control_socket_takes_the_same_bodies():
    async with served(workers=2) as daemon:
        clients = [await Client.open(daemon, user=f"u{i}") for i in range(3)]
        for client in clients:
            await client.subscribe("room/a")
        say = lambda body: asyncio.to_thread(control, daemon, "/publish", body)
        item = {"channel": "room/a", "data": {"type": "n"}, "receivers": True}
        status, said = await say({**item, "except_session": clients[0].hello["session"]})
        assert status == 200 and said["receivers"] == 2, said
        await clients[1].expect("n")
        await clients[0].quiet()
        status, said = await say([item, {"channels": ["news", "room/b"], "data": {}}])
        assert status == 200 and said["results"][0]["receivers"] == 3 and said["results"][1]["offset"] == 1, said
        for wrong in [{**item, "x": 1}, [item, {"channel": "room/a"}], [], {**item, "receivers": "yes"}, {**item, "channels": ["a"]}]:
            assert (await say(wrong))[0] == 400, wrong
        status, said = await asyncio.to_thread(control, daemon, "/progress", {"channel": "inbox/1", "user": "u", "x": 1})
        assert status == 400, said
        assert (await asyncio.to_thread(control, daemon, "/progress", {"channel": "inbox/1", "user": "u"}))[0] == 200


def test_lint_names_an_api_that_nobody_serves():
    with served() as daemon:
        assert "served by no listener" not in (lambda r: r.stdout + r.stderr)(run("lint", "--config", daemon.config))
        daemon.edit("wayleave.toml", "[[listen]]", '[[listen]]\nserve = ["clients"]')
        said = run("lint", "--config", daemon.config)
        assert "the api `internal`" in said.stdout + said.stderr and "served by no listener" in said.stdout + said.stderr, said


def test_the_description():
    with served() as daemon:
        api = Api(daemon)
        description = Description(api.describe())
        description.check()
        assert api.describe() == description.document, "the connection is kept"
        for path, method, _ in description.operations():
            if path == "/openapi.json":
                continue
            assert api.ask("GET" if method == "post" else "POST", path, b"{}")[0] == 405, path
            api = Api(daemon)
            # Without a token, parameters or a body: a problem each, of the form that is described.
            if method == "post":
                assert api.ask("POST", path, b"{}")[0] == 400, path
            else:
                assert api.ask("GET", path)[0] == 400, path
            assert Api(daemon, "none").ask(method.upper(), path, b"{}" if method == "post" else None)[0] == 401, path
        # What the description allows is taken, and what it forbids is not.
        item = {"channel": "a", "data": {}}
        for body in [item, [item], [item] * 3, {"channels": ["a", "b"], "data": {"x": [1]}}, {**item, "key": "k"},
                     {**item, "channel": "inbox/1", "dedup": "d"}, {}, [], {"channel": "a"}, {**item, "channels": ["b"]}, {**item, "x": 1},
                     {"channels": [], "data": {}}, {"channels": ["a", "a"], "data": {}}, {"channel": 1, "data": {}},
                     {**item, "data": "x"}, {**item, "key": ""}, {**item, "key": 1}, {**item, "key": "k" * 129}, 1, "x", [1],
                     {"channels": "a", "data": {}}, {"channel": "a" * 256, "data": {}}, {**item, "type": "t"}]:
            fits = description.request_fits("/publish", "POST", body)
            status, said = Api(daemon).publish(body)
            assert (status == 200) == fits, (body, fits, status, said)


def test_the_example():
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/policies/notifications/publish.py")
    with served() as daemon:
        api = Api(daemon)
        daemon.write("token", api.token + "\n")

        def publish(at, channel):
            return subprocess.run([sys.executable, "-B", script, f"http://127.0.0.1:{daemon.port}{at}", daemon.path("token"),
                                   channel, '{"type": "mail"}'], capture_output=True, text=True, timeout=PATIENCE)
        said = publish("/api", "inbox/7")
        assert said.returncode == 0 and json.loads(said.stdout)["offset"] == 1, said
        assert api.ask("GET", "/history?channel=inbox/7")[1]["messages"][0]["type"] == "mail"
        said = publish("/api", "secret")
        assert said.returncode == 1 and "nobody publishes here" in said.stderr, said
        for _ in range(3):
            assert publish("/rare", "news").returncode == 0
        said = publish("/rare", "news")
        assert said.returncode == 1 and "too_fast" in said.stderr, said


def test_a_policy_chooses_how_it_refuses():
    with served() as daemon:
        def refused(channel):
            other = daemon.token(channel, key="server.key", issuer="https://app.example", audience=None)
            return Api(daemon, other, at="/rare").publish({"channel": channel, "data": {}})
        api = Api(daemon, at="/rare")
        status, problem = refused("moved/a")
        assert (status, problem["error"], problem["type"]) == (403, "moved", "urn:wayleave:forbidden"), problem
        status, problem = refused("hidden/a")
        assert (status, problem["status"], problem["error"]) == (404, 404, "forbidden"), problem
        assert api.publish({"channel": "a"})[0] == 422
        assert refused("closed/a")[0] == 403, "no session is there to be closed"
        for _ in range(2):
            try:
                refused("trap/a")
                raise AssertionError("it was answered")
            except (http.client.RemoteDisconnected, ConnectionError):
                pass


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self.path)


def test_a_listener_for_the_api_alone():
    more = """
[[listen]]
address = "127.0.0.1:0"
tls = { certificate = "tls/chain.pem", key = "tls/key.pem" }
serve = ["api"]

[[listen]]
address = "unix:run/api.sock"
mode = "0600"
serve = ["api"]

[[listen]]
address = "127.0.0.1:0"
proxy_protocol = true
serve = ["api"]
"""
    daemon = served(tls='serve = ["clients"]', more=more, top='trusted_proxies = ["127.0.0.1"]')
    os.makedirs(daemon.path("tls"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", daemon.path("tls/key.pem"),
                    "-out", daemon.path("tls/chain.pem")], check=True, capture_output=True, timeout=PATIENCE)
    os.chmod(daemon.path("tls/key.pem"), 0o600)
    stream = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n"
    with daemon:
        secure = int(re.search(r"event=listening address=https://\S*:(\d+)", daemon.log()).group(1))
        proxied = int(re.findall(r"event=listening address=http://\S*:(\d+)", daemon.log())[1])
        trusting = ssl.create_default_context(cafile=daemon.path("tls/chain.pem"))
        path = daemon.path("run/api.sock")
        assert os.stat(path).st_mode & 0o7777 == 0o600

        def behind_proxy():
            connection = http.client.HTTPConnection("127.0.0.1", proxied, timeout=PATIENCE)
            connection.connect()
            connection.sock.sendall(b"PROXY TCP4 203.0.113.7 127.0.0.1 1 2\r\n")
            return connection

        def tls():
            return http.client.HTTPSConnection("127.0.0.1", secure, timeout=PATIENCE, context=trusting)

        for connect in tls, lambda: UnixConnection(path), behind_proxy:
            api = Api(daemon, connection=connect())
            assert api.publish({"channel": "news", "data": {}})[0] == 200
            for asked in head("/ws"), stream, b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n":
                one = connect()
                if not one.sock:
                    one.connect()
                one.sock.sendall(asked)
                answer = one.sock.recv(65536)
                assert answer.startswith(b"HTTP/1.1 404"), answer
                one.close()
        # The other is for clients alone.
        assert Raw(daemon.port).send(head("/ws", "Authorization: Bearer " + daemon.token("alice"))).read_head()[0] == 101
        body = b"Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
        for asked in (b"POST /api/publish HTTP/1.1\r\nHost: localhost\r\n" + body,
                      b"GET /api/openapi.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"):
            assert Raw(daemon.port).send(asked).read_head()[0] == 404, asked


def locked(daemon):
    """The database as a stuck disk leaves it: nobody can write until this is closed."""
    import sqlite3
    lock = sqlite3.connect(daemon.path("messages.db"), isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    return lock


def count_of(daemon, channel="news"):
    return len(Api(daemon).ask("GET", f"/history?channel={channel}")[1]["messages"])


def raw_publish(api, body, *, key, rest=b""):
    """A request on a connection of its own, whose answer nobody waits for yet."""
    body = json.dumps(body).encode()
    head = (f"POST /api/publish HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api.token}\r\n"
            f"Content-Type: application/json\r\nIdempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n")
    raw = socket.create_connection(("127.0.0.1", api.daemon.port), timeout=60)
    raw.sendall(head.encode() + body + rest)
    return raw


def test_a_key_outlives_the_connection_and_a_late_answer():
    body = {"channel": "news", "data": {"n": 1}}
    with served(more='[broker]\nkind = "sqlite"\npath = "messages.db"', limits='handshake_timeout = "800ms"') as daemon:
        api = Api(daemon)
        lock = locked(daemon)
        lost = raw_publish(api, body, key="lost")
        late = raw_publish(api, body, key="late")
        assert b" 503 " in late.recv(65536), "the storage does not answer in time"
        lost.close()
        lock.rollback()
        wait_until(lambda: count_of(daemon) == 2, "what was under way")
        for key in "lost", "late":
            repeated = Api(daemon)
            wait_until(lambda: repeated.publish(body, Idempotency_Key=key)[0] == 200, "the answer to the first")
            assert repeated.headers["Idempotency-Replayed"] == "true", key
        assert count_of(daemon) == 2, "nothing is published twice"
        assert Api(daemon).publish(body, Idempotency_Key="")[0] == 400, "a key that is empty protects nobody"


def test_a_stopping_server_answers_what_it_does():
    daemon = served(more='[broker]\nkind = "sqlite"\npath = "messages.db"')
    daemon.start()
    try:
        idle = Api(daemon)
        assert idle.publish({"channel": "news", "data": {}})[0] == 200
        lock = locked(daemon)
        asked = [raw_publish(idle, {"channel": "news", "data": {"n": n}}, key=f"k{n}") for n in range(10)]
        wait_until(lambda: daemon.metric("wayleave_api_requests_total") == 11, "the requests")
        daemon.signal(15)
        daemon.wait_log("event=stopping")
        lock.rollback()
        for raw in asked:
            assert b" 200 " in raw.recv(65536)
        assert idle.http.sock.recv(100) == b"", "nothing is said on a connection that asks nothing"
    finally:
        daemon.stop()


def test_connections_are_kept_for_the_next_request():
    with served(limits='handshake_timeout = "3s"') as daemon:
        api = Api(daemon)
        for _ in range(2):
            assert api.publish({"channel": "news", "data": {}})[0] == 200
            time.sleep(4)
        # A request has the time of a first one, however long ago the one before was.
        head = f"POST /api/publish HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {api.token}\r\nContent-Type: application/json\r\n"
        sock = api.http.sock
        sock.sendall((head + "Content-Length: 28\r\n\r\n").encode())
        time.sleep(0.2)
        sock.sendall(b'{"channel":"news","data":{}}')
        assert b" 200 " in sock.recv(65536)


def test_answers_that_nobody_reads():
    with served(workers=1) as daemon:
        api = Api(daemon)
        for n in range(250):
            api.publish({"channel": "news", "data": {"text": "x" * 4000}})
        ask = f"GET /api/history?channel=news&limit=1000 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {api.token}\r\n\r\n".encode()
        readers = []
        for _ in range(4):
            raw = socket.create_connection(("127.0.0.1", daemon.port), timeout=60)
            raw.sendall(ask * 120)
            readers.append(raw)
        assert Api(daemon).publish({"channel": "news", "data": {}})[0] == 200
        with open(f"/proc/{daemon.process.pid}/statm", encoding="ascii") as file:
            resident = int(file.read().split()[1]) * 4096
        # Without a bound it is 1 MB for each of 480 answers; a sanitizer's quarantine is not ours.
        assert daemon.has_quarantine() or resident < 150 << 20, f"{resident >> 20} MB for four clients that do not read"
        answers, tail = 0, b""
        while answers < 120:  # who reads then gets them all
            data = readers[0].recv(1 << 20)
            assert data, answers
            tail += data
            answers += tail.count(b"HTTP/1.1 200")
            tail = tail[-11:] if not tail.endswith(b"HTTP/1.1 200") else b""
        for raw in readers:
            raw.close()


def test_one_message_to_very_many_channels_is_bounded():
    with served(workers=1) as daemon:
        daemon.edit("routes.d/test.route", "max_message = 4kb", "max_message = 1mb")
        assert daemon.reload().returncode == 0
        body = gzip.compress(json.dumps({"channels": [f"c/{n}" for n in range(1000)], "data": {"x": "y" * 900_000}}).encode())
        status, problem = Api(daemon).publish(body, Content_Encoding="gzip")
        assert status == 413 and "16 MiB" in problem["detail"], problem
        assert Api(daemon).publish({"channels": [f"c/{n}" for n in range(1000)], "data": {"x": "y" * 1000}})[0] == 200


def test_bans_and_keys_are_an_apis_own():
    policy = POLICY + """
api banning /ban {
    auth = server
    allow publish on **
    deny publish on no
    ban user.sub for 1h after 3 refusals per 1m
}
api one one.example.com/x { auth = server  allow publish on ** }
api two two.example.com/x { auth = server  allow publish on ** }
"""
    daemon = Daemon(policy)
    daemon.new_key("server.key")
    with daemon:
        api = Api(daemon, at="/ban")
        assert api.publish({"channel": "yes", "data": {}})[0] == 200
        for _ in range(3):
            assert api.publish({"channel": "no", "data": {}})[0] == 403
        api = Api(daemon, at="/ban")
        status, problem = api.publish({"channel": "yes", "data": {}})
        assert status == 403 and problem["error"] == "banned", problem
        for host in "one", "two":
            api = Api(daemon, at="/x")
            status, answer = api.publish({"channel": "news", "data": {}}, Idempotency_Key="k", Host=f"{host}.example.com")
            assert status == 200 and "Idempotency-Replayed" not in api.headers, host
        assert count_of(daemon) == 2


def test_a_reload_in_the_middle_of_a_body():
    with served() as daemon:
        api = Api(daemon)
        body = b'{"channel":"news","data":{}}'
        head = (f"POST /api/publish HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {api.token}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode()
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=60) as raw:
            raw.sendall(head + body[:-4])
            daemon.edit("routes.d/test.route", "deny publish on secret", "deny publish on news")
            assert daemon.reload().returncode == 0
            raw.sendall(body[-4:])
            said = raw.recv(65536)
            assert b" 503 " in said and b"the policy has changed" in said, said
        assert Api(daemon).publish({"channel": "news", "data": {}})[0] == 403


def test_with_sqlite():
    with served(more='[broker]\nkind = "sqlite"\npath = "messages.db"') as daemon:
        api = Api(daemon)
        status, answer = api.publish([{"channel": "news", "data": {"n": n}} for n in range(50)])
        assert status == 200 and [r["offset"] for r in answer["results"]] == list(range(1, 51)), answer
        assert len(api.ask("GET", "/history?channel=news")[1]["messages"]) == 50
        assert api.ask("GET", "/presence?channel=news")[1]["total"] == 0
        first = api.publish({"channel": "inbox/1", "data": {}}, Idempotency_Key="k")
        assert Api(daemon).publish({"channel": "inbox/1", "data": {}}, Idempotency_Key="k") == first


if __name__ == "__main__":
    main(globals())
