#!/usr/bin/python3
"""Routes that hand the whole WebSocket to a backend."""
import asyncio
import json
import os
import socket
import ssl
import subprocess
import tempfile
import threading

import websockets
from client import Client, status_of
from daemon import PATIENCE, TOKEN_BLOCK, Daemon, wait_until
from raw import Raw, frame
from runner import main
from stream_test import App, RawApp, daemon_for, echo, wait_for

POLICY = TOKEN_BLOCK + """
backend app { url = "%s" timeout = 1s sign = file "../keys/app.whsec" }
route one /one/:room {
    auth = none
    allow connect
    deny connect if room == "closed"
    limit connections to 30 per ip
    proxy to app "/rooms/{room}/" if room != "nowhere"
}
route two /two/** {
    auth = demo
    origins = { none }
    allow connect
    proxy to app
}
"""


async def connect(daemon, path, **options):
    return await websockets.connect(f"ws://127.0.0.1:{daemon.port}{path}", open_timeout=PATIENCE, ping_interval=None,
                                    max_size=None, **options)


async def test_the_whole_websocket_is_the_backends():
    async with App(echo, max_size=None, subprotocols=["chat"]) as app, daemon_for(app, POLICY) as daemon:
        headers = {"Cookie": "a=b", "X-Forwarded-For": "1.2.3.4", "Wayleave-Identity": "me", "Connection": "x-secret",
                   "Forwarded": "for=1.2.3.4", "X-Secret": "of the hop", "X-Own": "kept"}
        # The library writes Connection itself; a second field of the name is joined by the daemon's reading.
        del headers["Connection"], headers["X-Secret"]
        page = await connect(daemon, "/one/a%20b?x=%31&y", extra_headers=headers, subprotocols=["chat"], compression="deflate")
        asked = app.requests[0].request_headers
        assert app.requests[0].path == "/rooms/a%20b/?x=%31&y", app.requests[0].path
        assert asked["Cookie"] == "a=b" and asked["X-Own"] == "kept" and asked["X-Forwarded-For"] == "127.0.0.1"
        assert "Forwarded" not in asked and asked.get_all("X-Forwarded-For") == ["127.0.0.1"]
        assert asked["Wayleave-Identity"].count(".") == 2 and asked["Host"] == f"127.0.0.1:{daemon.port}"
        assert page.subprotocol == "chat" and "permessage-deflate" in page.response_headers["Sec-WebSocket-Extensions"]
        for message in ("text", b"\0\xff" * 10, "", "x" * 3_000_000, b"y" * 3_000_000):
            await page.send(message)
            assert await asyncio.wait_for(page.recv(), PATIENCE) == message
        await asyncio.wait_for(await page.ping(b"end to end"), PATIENCE)
        await page.close(4001, "as it says")
        await wait_for(lambda: not app.sockets, "the end")
        assert app.requests[0].close_code == 4001 and app.requests[0].close_reason == "as it says"
        wait_until(lambda: daemon.metric("wayleave_proxied") == 0, "none is left")
        assert daemon.metric("wayleave_proxied_total") == 1

        token = daemon.token("ann")
        page = await connect(daemon, "/two/b/c%20d", extra_headers={"Authorization": f"Bearer {token}"})
        assert app.requests[-1].path == "/two/b/c%20d", app.requests[-1].path
        await app.stop(4321)
        try:
            await page.recv()
            raise AssertionError("it is not closed")
        except websockets.ConnectionClosed:
            assert page.close_code == 4321


async def test_the_door_and_backends_that_say_no():
    async with App(echo) as app, daemon_for(app, POLICY) as daemon:
        assert await status_of(daemon, "/one/closed") == 403
        assert await status_of(daemon, "/one/nowhere") == 403
        assert await status_of(daemon, "/two/a") == 401
        assert not app.requests
    wrongs = {
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno": 404, b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n": 502,
        b"HTTP/1.1 200 OK\r\n\r\n": 502, b"garbage\r\n\r\n": 502, b"HTTP/1.1 101 x\r\na: " + b"b" * 50_000: 502, b"": 502,
        b"HTTP/1.1 500 x\r\n\r\n": 500,
    }
    for said, status in wrongs.items():
        with RawApp(b"", lambda good, said=said: said) as app:
            async with daemon_for(app, POLICY) as daemon:
                assert await status_of(daemon, "/one/a") in ((status, 504) if said == b"" else (status,)), said
                daemon.wait_log("proxy-failed")
    # Nobody there, and nobody who answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        class There:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with daemon_for(There, POLICY) as daemon:
            assert await status_of(daemon, "/one/a") == 504

    class Away:
        url = There.url
    async with daemon_for(Away, POLICY) as daemon:
        assert await status_of(daemon, "/one/a") == 502
        assert daemon.metric("wayleave_proxy_failures_total") == 1


def certificate(directory, name):
    """Of that name, and trusted by those who are told its file."""
    path = os.path.join(directory, "app.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=app", "-addext", f"subjectAltName={name}", "-keyout", path, "-out", path + ".crt"],
                   check=True, capture_output=True, timeout=PATIENCE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path + ".crt", path)
    return context, path + ".crt"


async def test_backends_over_tls_show_a_certificate_of_their_name():
    with tempfile.TemporaryDirectory() as directory:
        context, trusted = certificate(directory, "IP:127.0.0.1")
        async with App(echo, max_size=None, ssl=context) as app:
            async with daemon_for(app, POLICY, env={"SSL_CERT_FILE": trusted}) as daemon:
                page = await connect(daemon, "/one/a", compression=None)
                for message in ("hello", b"z" * 3_000_000, "x" * 300_000):
                    await page.send(message)
                    assert await asyncio.wait_for(page.recv(), PATIENCE) == message
                # Much at once in both directions: what TLS has read already is told of by no event.
                for n in range(300):
                    await page.send(str(n) * 2000)
                for n in range(300):
                    assert await asyncio.wait_for(page.recv(), PATIENCE) == str(n) * 2000
                await page.close(4001)
                await wait_for(lambda: not app.sockets, "the end")
                assert app.requests[0].close_code == 4001
            async with daemon_for(app, POLICY) as daemon:  # whom nobody trusts
                assert await status_of(daemon, "/one/a") == 502
                daemon.wait_log("its certificate is not accepted")
        context, trusted = certificate(directory, "DNS:other.example")
        async with App(echo, ssl=context) as app, daemon_for(app, POLICY, env={"SSL_CERT_FILE": trusted}) as daemon:
            assert await status_of(daemon, "/one/a") == 502
            daemon.wait_log("its certificate is not accepted: IP address mismatch")

            class Plain:
                url = "https://127.0.0.1:1"
            daemon.edit("routes.d/test.route", app.url, Plain.url)
            daemon.hang_up()
            assert await status_of(daemon, "/one/a") == 502
            daemon.wait_log("Connection refused")
    # A backend that speaks no TLS, and one that says nothing.
    async with App(echo) as app:
        class Wrong:
            url = app.url.replace("http:", "https:")
        async with daemon_for(Wrong, POLICY) as daemon:
            assert await status_of(daemon, "/one/a") == 502
            daemon.wait_log("TLS is not agreed")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        class There:
            url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        async with daemon_for(There, POLICY) as daemon:
            assert await status_of(daemon, "/one/a") == 504


async def test_either_side_that_is_slow_holds_the_other_back():
    stop = asyncio.Event()
    sent = [0]

    async def slow(socket, path):
        if path == "/rooms/flood/":
            for _ in range(4000):
                await socket.send(b"x" * 20000)
                sent[0] += 1
        await asyncio.wait_for(stop.wait(), PATIENCE)
        async for message in socket:
            await socket.send(str(len(message)))

    async with App(slow, max_queue=1, read_limit=1024, max_size=None) as app, daemon_for(app, POLICY) as daemon:
        page = await connect(daemon, "/one/deaf", compression=None)
        pushed = 0

        async def push():
            nonlocal pushed
            for _ in range(2000):
                await page.send(b"y" * 20000)
                pushed += 1
        task = asyncio.create_task(push())
        flooded = await connect(daemon, "/one/flood", max_queue=1, read_limit=1024, compression=None)
        last = -1
        while (pushed, sent[0]) != last:
            last = (pushed, sent[0])
            await asyncio.sleep(1)
        assert 0 < pushed < 1800 and 0 < sent[0] < 3600, last
        stop.set()
        for _ in range(4000):
            assert len(await asyncio.wait_for(flooded.recv(), PATIENCE)) == 20000
        for _ in range(2000):
            assert await asyncio.wait_for(page.recv(), PATIENCE) == "20000"
        await task


async def test_a_reload_and_a_stop():
    async with App(echo) as app, daemon_for(app, POLICY) as daemon:
        page = await connect(daemon, "/one/a")
        daemon.edit("routes.d/test.route", "limit connections to 30 per ip", "limit connections to 31 per ip")
        daemon.reload()
        await page.send("still")
        assert await page.recv() == "still"
        daemon.edit("routes.d/test.route", '    proxy to app "/rooms/{room}/" if room != "nowhere"\n', "    join news\n")
        daemon.reload()
        try:
            await page.send("more")
            await asyncio.wait_for(page.recv(), PATIENCE)
            raise AssertionError("another speaks here now")
        except websockets.ConnectionClosed:
            pass
        client = await Client.open(daemon, "/one/a", subprotocols=None)
        assert client.hello["type"] == "$hello"


async def test_smuggled_bytes_stay_in_their_tunnel():
    """What comes behind the handshake at once is the backend's WebSocket, and no second request of anybody."""
    async with App(echo) as app, daemon_for(app, POLICY) as daemon:
        raw = Raw(daemon.port)
        raw.send(b"GET /one/a HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                 b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + frame(1, b"early"))
        head = await asyncio.to_thread(raw.read_head)
        assert "101" in str(head), head
        answer = await asyncio.to_thread(raw.read_frame)
        assert b"early" in answer, answer
        assert len(app.requests) == 1
        for body in ("Content-Length: 5", "Transfer-Encoding: chunked"):
            raw = Raw(daemon.port)
            raw.send(f"GET /one/a HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{body}\r\n"
                     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
            head = await asyncio.to_thread(raw.read_head)
            assert "101" not in str(head), head
        assert len(app.requests) == 1


if __name__ == "__main__":
    main(globals())
