#!/usr/bin/python3
"""Old endpoints, folded into the one connection: `stream`, and `alias … stream` for old pages."""
import asyncio
import base64
import contextlib
import hashlib
import hmac
import http
import json
import os
import socket
import struct
import threading

import websockets
from client import Client
from daemon import TOKEN_BLOCK, Daemon, wait_until
from runner import main

SECRET = b"0123456789abcdef0123456789abcdef"
POLICY = TOKEN_BLOCK + """
backend app {
    url = "%s"
    timeout = 1s
    concurrency = 4
    pass_cookies = { "sessionid" }
    sign = file "../keys/app.whsec"
}
route all /ws/:company {
    auth = demo
    origins = { none, "https://app.example" }
    allow connect
    deny message if message.size > 50kb because "that is too much"
    alias /old/:company/ stream tasks until 2999-12-31
    stream tasks to app "/ws/tasks/{company}/" {
        limit messages to 5/m per connection burst 5
        max_message = 40kb
        deny if user.sub == "eve" because "not you"
    }
    stream lazy to app "/ws/lazy/" on first use
    stream paid to app "/ws/paid/" if user.name == "rich"
}
"""
FREE = POLICY.replace("limit messages to 5/m per connection burst 5", "").replace("max_message = 40kb", "max_message = 60kb")


class App:
    """What the application is: a server of WebSockets that knows nothing of wayleave."""

    def __init__(self, handler, port=0, **options):
        self.handler, self.port, self.options, self.sockets, self.requests = handler, port, options, [], []

    @property
    def url(self):
        return f"{'https' if 'ssl' in self.options else 'http'}://127.0.0.1:{self.port}"

    async def _serve(self, socket, path):
        self.sockets.append(socket)
        self.requests.append(socket)
        try:
            await self.handler(socket, path)
        except websockets.ConnectionClosed:
            pass
        finally:
            self.sockets.remove(socket)

    async def start(self):
        self.server = await websockets.serve(self._serve, "127.0.0.1", self.port, ping_interval=None, close_timeout=1,
                                             **self.options)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self, code=1012):
        # Before the server's own close, which says 1001 to all.
        await asyncio.gather(*[one.close(code) for one in list(self.sockets)])
        self.server.close()
        await self.server.wait_closed()

    async def __aenter__(self):
        await self.start()
        return self

    async def __aexit__(self, *_):
        await self.stop()


async def echo(socket, path):
    async for message in socket:
        await socket.send(message)


async def wait_for(condition, what):
    for _ in range(1200):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("never: " + what)


def daemon_for(app, policy=FREE, **options):
    daemon = Daemon(policy % app.url, **options)
    daemon.write("keys/app.whsec", b"whsec_" + base64.b64encode(SECRET) + b"\n")
    os.chmod(daemon.path("keys/app.whsec"), 0o600)
    return daemon


async def opened(daemon, user="ann", path="/ws/acme", streams=1, name=None, **options):
    client = await Client.open(daemon, path, token=daemon.token(user, name=name or user), **options)
    for _ in range(streams):
        await client.expect("$stream", state="open")
    return client


async def test_both_ways_as_the_consumer_knows_it():
    async with App(echo) as app, daemon_for(app) as daemon:
        headers = {"Cookie": "other=1; sessionid=abc; x=y", "User-Agent": "Page/1"}
        ann = await opened(daemon, extra_headers=headers, origin="https://app.example")
        asked = app.requests[0].request_headers
        assert app.requests[0].path == "/ws/tasks/acme/", app.requests[0].path
        assert asked["Cookie"] == "sessionid=abc" and asked["Origin"] == "https://app.example"
        assert asked["Host"] == f"127.0.0.1:{daemon.port}" and asked["X-Forwarded-For"] == "127.0.0.1"
        assert asked["User-Agent"] == "Page/1" and asked["traceparent"].startswith("00-")
        assert "Sec-WebSocket-Protocol" not in asked and "Sec-WebSocket-Extensions" not in asked
        head, claims, signature = asked["Wayleave-Identity"].split(".")
        wanted = base64.urlsafe_b64encode(hmac.new(SECRET, f"{head}.{claims}".encode(), hashlib.sha256).digest())
        assert wanted.rstrip(b"=").decode() == signature
        who = json.loads(base64.urlsafe_b64decode(claims + "=="))
        assert who["sub"] == "ann" and who["aud"] == "app" and who["route"] == "all", who

        await ann.raw('{"stream":"tasks","payload":{"a": 12345678901234567890123},"$id":1}')
        both = [await ann.next(), await ann.next()]
        assert {"type": "$ok", "re": 1} in both and {"stream": "tasks", "payload": {"a": 12345678901234567890123}} in both
        for said in ({"text": "no json {"}, {"base64": "AP8="}, {"payload": "text"}, {"payload": None}):
            await ann.raw(json.dumps({"stream": "tasks", **said}))
            assert await ann.next() == {"stream": "tasks", **said}
        assert daemon.metric("wayleave_streams_folded") == 1
        assert daemon.metric("wayleave_stream_messages_received_total") == 5
        await ann.close()
        await wait_for(lambda: not app.sockets, "the stream's end")
        assert app.requests[0].close_code == 1000, "the client's own goodbye"
        wait_until(lambda: daemon.metric("wayleave_streams_folded") == 0, "no stream")


async def test_what_a_client_may_not_say():
    async with App(echo) as app, daemon_for(app, POLICY) as daemon:
        ann, eve = await opened(daemon), await opened(daemon, "eve")
        bad = [{"payload": 1, "text": "x"}, {}, {"text": 5}, {"base64": "AP8"}, {"base64": "AP9="}, {"payload": 1, "more": 2}]
        for said in bad:
            await ann.raw(json.dumps({"stream": "tasks", **said, "$id": 7}))
            await ann.expect("$error", error="bad_message", re=7)
        for name in ("paid", "nothing", "x" * 300):
            await ann.raw(json.dumps({"stream": name, "payload": 1}))
            await ann.expect("$error", error="unknown_message")
        await ann.raw(json.dumps({"stream": 5, "payload": 1}))
        await ann.expect("$error", error="bad_message")
        await eve.raw(json.dumps({"stream": "tasks", "payload": 1}))
        await eve.expect("$error", error="forbidden", because="not you")
        for _ in range(5):
            await ann.raw(json.dumps({"stream": "tasks", "payload": 1}))
            assert await ann.next() == {"stream": "tasks", "payload": 1}
        await ann.raw(json.dumps({"stream": "tasks", "payload": 1}))
        await ann.expect("$error", error="limited")
        # A stream is no type, and a message of that name is none.
        await ann.raw(json.dumps({"type": "tasks", "stream": "tasks", "payload": 1}))
        await ann.expect("$error", error="unknown_message")
        ben = await opened(daemon, "ben")
        await ben.raw(json.dumps({"stream": "tasks", "text": "x" * 41000}))
        await ben.expect("$bye", code=1009, because="this is too large for the stream")


async def test_first_use_and_conditions():
    async with App(echo) as app, daemon_for(app) as daemon:
        ann = await opened(daemon)
        assert [one.path for one in app.requests] == ["/ws/tasks/acme/"]
        await ann.raw(json.dumps({"stream": "lazy", "payload": [1]}))
        await ann.expect("$stream", stream="lazy", state="open")
        assert await ann.next() == {"stream": "lazy", "payload": [1]}
        rich = await opened(daemon, "ben", name="rich", streams=2)
        assert {one.path for one in app.sockets[-2:]} == {"/ws/tasks/acme/", "/ws/paid/"}
        await rich.close()


async def test_a_short_restart_is_not_noticed_and_a_long_one_is_told():
    async with App(echo) as app:
        async with daemon_for(app) as daemon:
            ann = await opened(daemon)
            await app.stop()
            await ann.raw(json.dumps({"stream": "tasks", "payload": "while away", "$id": 1}))
            again = App(echo, app.port)
            await again.start()
            first = await ann.next()
            second = await ann.next()
            assert {"type": "$ok", "re": 1} in (first, second), (first, second)
            assert {"stream": "tasks", "payload": "while away"} in (first, second)
            await again.stop()
            closed = await ann.expect("$stream", state="closed", code=1012, reason="unavailable")
            assert closed["retry_after"] >= 0
            await ann.raw(json.dumps({"stream": "tasks", "payload": 1, "$id": 2}))
            await ann.expect("$error", error="unavailable", re=2)
            third = App(echo, app.port)
            await third.start()
            await ann.expect("$stream", state="open")
            assert daemon.metric("wayleave_streams_lost_total") == 2
            await third.stop()


async def test_a_last_word_is_told_at_once():
    async def bye(socket, path):
        await socket.close(4004, "no such company")

    async with App(bye) as app, daemon_for(app) as daemon:
        ann = await opened(daemon)
        await ann.expect("$stream", state="closed", code=4004, reason="no such company")
        await ann.quiet()
        await asyncio.sleep(0.5)
        assert len(app.requests) == 1, "it is not tried again"


async def test_refused_handshakes():
    answers = {"status": http.HTTPStatus.FORBIDDEN}

    async def refuse(path, headers):
        return (answers["status"], [], b"no")

    async with App(echo, process_request=refuse) as app, daemon_for(app) as daemon:
        ann = await opened(daemon, streams=0)
        closed = await ann.expect("$stream", state="closed", reason="forbidden")
        assert "retry_after" not in closed
        daemon.wait_log("stream-refused")
        answers["status"] = http.HTTPStatus.INTERNAL_SERVER_ERROR
        ben = await opened(daemon, "ben", streams=0)
        closed = await ben.expect("$stream", state="closed", reason="unavailable")
        assert closed["retry_after"] > 0
        await ben.quiet()
        assert daemon.metric("wayleave_stream_refusals_total") >= 2


async def test_an_old_page_speaks_its_stream_alone():
    heard = []

    async def app_side(socket, path):
        await socket.send('{"type": "$hello", "mine": true}')
        async for message in socket:
            heard.append(message)
            await socket.send(message)
            if message == "bye":
                await socket.close(4321, "as you wish")

    async with App(app_side) as app, daemon_for(app, POLICY.replace("5/m per connection burst 5", "8/m per connection burst 8")) as daemon:
        old = await opened(daemon, path="/old/acme/", streams=0, hello=False)
        assert await old.socket.recv() == '{"type": "$hello", "mine": true}'
        for message in ("plain", '{"type":"$subscribe","channel":"a"}', b"\0\xff", ""):
            await old.socket.send(message)
            assert await old.socket.recv() == message
        await old.socket.send("bye")
        assert await old.socket.recv() == "bye"
        _, code = await old.closed()
        assert code == 4321 and old.socket.close_reason == "as you wish"
        # And the other way.
        old = await opened(daemon, path="/old/acme/", streams=0, hello=False)
        await old.socket.recv()
        await old.close(3999)
        await wait_for(lambda: not app.sockets, "the end")
        assert app.requests[-1].close_code == 3999
        # What the policy refuses ends it: there is no word for it in that language.
        eve = await opened(daemon, "eve", path="/old/acme/", streams=0, hello=False)
        await eve.socket.recv()
        await eve.socket.send("x")
        _, code = await eve.closed()
        assert code == 4403, code
        # A restart of the backend is the old page's own to mend.
        old = await opened(daemon, path="/old/acme/", streams=0, hello=False)
        await old.socket.recv()
        await app.stop(1012)
        _, code = await old.closed()
        assert code == 1012, code


async def test_a_reader_that_is_slow_holds_its_backend_back():
    sent = [0]

    async def flood(socket, path):
        for _ in range(4000):
            await socket.send("x" * 20000)
            sent[0] += 1

    async with App(flood) as app, daemon_for(app, limits='max_queue_bytes = "64kb"') as daemon:
        slow = await opened(daemon, max_queue=1, read_limit=1024)
        last = -1
        while sent[0] != last:
            last = sent[0]
            await asyncio.sleep(1)
        assert 0 < last < 3000, f"{last} of 4000 were taken"
        for _ in range(4000):
            assert (await slow.next())["text"] == "x" * 20000
        assert sent[0] == 4000


async def test_a_backend_that_takes_nothing():
    stop = asyncio.Event()

    async def deaf(socket, path):
        await stop.wait()

    async with App(deaf, max_queue=1, read_limit=1024) as app, daemon_for(app) as daemon:
        ann = await opened(daemon)
        refused = 0
        for n in range(600):
            await ann.raw(json.dumps({"stream": "tasks", "text": "y" * 30000}))
        await ann.send("$ping", more={"$id": "end"})
        while (message := await ann.next())["type"] != "$pong":
            refused += message["error"] == "unavailable"
        assert 0 < refused < 600, refused
        stop.set()


async def test_no_storm_when_a_backend_comes_back():
    now = {"shaking": 0, "most": 0}

    async def slowly(path, headers):
        now["shaking"] += 1
        now["most"] = max(now["most"], now["shaking"])
        await asyncio.sleep(0.02)
        now["shaking"] -= 1

    async with App(echo, process_request=slowly) as app, daemon_for(app) as daemon:
        clients = [await opened(daemon, f"u{i}") for i in range(120)]
        await app.stop()
        again = App(echo, app.port, process_request=slowly)
        now["most"] = 0
        await again.start()
        await wait_for(lambda: len(again.sockets) == len(clients), "all streams are back")
        # A handshake is over for us a moment before it is for the backend.
        assert now["most"] <= 6, now
        await again.stop()
        for one in clients:
            await one.close()


async def test_who_leaves_before_its_turn_takes_no_place_with_it():
    go = asyncio.Event()

    async def wait(path, headers):
        await go.wait()

    async with App(echo, process_request=wait) as app, daemon_for(app, FREE.replace("timeout = 1s", "timeout = 30s")) as daemon:
        gone = [await Client.open(daemon, "/ws/acme", token=daemon.token(f"u{i}")) for i in range(40)]
        await wait_for(lambda: daemon.metric("wayleave_connections") == 40, "all are in")
        for one in reversed(gone):  # those whose turn it is, last
            await one.close()
        await wait_for(lambda: daemon.metric("wayleave_connections") == 0, "all are gone")
        go.set()
        for i in range(10):
            await (await opened(daemon, f"new{i}")).close()


async def test_a_reload_moves_streams_while_the_page_stays():
    async with App(echo) as app, daemon_for(app) as daemon:
        ann = await opened(daemon)
        old = await opened(daemon, "ben", path="/old/acme/", streams=0, hello=False)
        await wait_for(lambda: len(app.sockets) == 2, "both")
        daemon.edit("routes.d/test.route", "    alias /old/:company/ stream tasks until 2999-12-31\n", "")
        text = daemon.read("routes.d/test.route")
        start, end = text.index("    stream tasks"), text.index("    stream lazy")
        daemon.write("routes.d/test.route", text[:start] + '    stream news to app "/ws/news/"\n' + text[end:])
        daemon.reload()
        seen = [await ann.next(), await ann.next()]
        assert {"type": "$stream", "stream": "news", "state": "open"} in seen, seen
        assert any(m["stream"] == "tasks" and m["state"] == "closed" and m["reason"] == "policy_changed" for m in seen), seen
        _, code = await old.closed()
        assert code in (1001, 1008, 1012, 4403, 4408, 4410, 4411), code
        daemon.write("routes.d/test.route", text)
        daemon.reload()
        seen = [await ann.next(), await ann.next()]
        assert {"type": "$stream", "stream": "tasks", "state": "open"} in seen, seen


class RawApp:
    """A backend that answers the handshake and then says what no server may."""

    def __init__(self, say, answer=None):
        self.say, self.answer, self.count = say, answer, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.count += 1
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(65536)
            key = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key"))
            accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            good = (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
            try:
                client.sendall((self.answer(good) if self.answer else good) + self.say)
                client.settimeout(0.3)
                while client.recv(65536):
                    pass
            except OSError:
                pass
            client.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


async def misbehaving(apps):
    """One page with a stream to each of them, and what it is told of each."""
    policy = TOKEN_BLOCK + "route all /ws { auth = demo origins = { none } allow connect "
    for i, app in enumerate(apps):
        policy = f'backend b{i} {{ url = "{app.url}" }}\n' + policy + f'\nstream s{i} to b{i} "/"'
    async with Daemon(policy + "\n}") as daemon:
        ann = await Client.open(daemon, token=daemon.token("ann"))
        told = {}
        while len(told) < len(apps):
            message = await ann.next()
            assert message["type"] == "$stream", message
            if message["state"] == "closed":
                told[int(message["stream"][1:])] = message
        await ann.send("$ping", more={"$id": 1})
        await ann.wait_for("$pong", re=1)
        await ann.close()
        return told, daemon.metric("wayleave_streams_lost_total"), daemon.metric("wayleave_stream_refusals_total")


async def test_backends_that_break_the_protocol():
    wrongs = [b"\x81\x83\0\0\0\0abc", b"\x81\x7f" + struct.pack(">Q", 1 << 40), b"\x81\x01\xff", b"\xc1\x00",
              b"\x88\x02\x03\xee", b"\x88\x01\x00", b"\x80\x00", b"\x09\x00"]
    with contextlib.ExitStack() as stack:
        told, lost, _ = await misbehaving([stack.enter_context(RawApp(said)) for said in wrongs])
        assert told[1]["code"] == 1009 and "retry_after" not in told[1], told
        assert all(told[i]["reason"] == "unavailable" for i in told if i != 1), told
        assert lost >= len(wrongs)


async def test_answers_that_are_no_handshake():
    answers = [
        lambda good: good.replace(b"Accept: ", b"Accept: x"),
        lambda good: good.replace(b"Upgrade: websocket\r\n", b""),
        lambda good: good.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
        lambda good: good.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: x\r\n\r\n"),
        lambda good: b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
        lambda good: b"SSH-2.0-OpenSSH_9.2\r\n",
        lambda good: b"HTTP/1.1 101 x\r\n" + b"a: " + b"b" * 100_000,
        lambda good: good[:40],
    ]
    with contextlib.ExitStack() as stack:
        told, lost, refused = await misbehaving([stack.enter_context(RawApp(b"", answer)) for answer in answers])
        assert all(one["reason"] == "unavailable" and one["retry_after"] >= 0 for one in told.values()), told
        assert lost == 0 and refused >= 7, (lost, refused)


async def test_a_flood_of_pings_and_the_end_in_a_fragment():
    with RawApp(b"\x89\x7d" + b"p" * 125 + (b"\x89\x7d" + b"p" * 125) * 20_000 + b"\x01\x02{\"") as app:
        async with daemon_for(app) as daemon:
            ann = await opened(daemon)
            await ann.quiet()
            await ann.wait_for("$stream", state="closed", reason="unavailable")
            # It may be open again for a moment: the gateway goes on trying.
            await asyncio.to_thread(wait_until, lambda: daemon.metric("wayleave_streams_folded") == 0, "no stream")


if __name__ == "__main__":
    main(globals())
