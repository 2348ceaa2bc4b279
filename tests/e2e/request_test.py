#!/usr/bin/python3
"""Routes that pass plain requests on to a backend: `proxy … http`."""
import asyncio
import contextlib
import http.client
import http.server
import json
import signal
import socket
import struct
import subprocess
import threading
import time

import websockets
from daemon import PATIENCE, TOKEN_BLOCK, wait_until
from raw import Raw, head
from runner import main
from stream_test import App, daemon_for, echo

POLICY = TOKEN_BLOCK + """
backend app { url = "%s" timeout = 1s sign = file "../keys/app.whsec" }
route site /** {
    auth = none
    origins = { "https://app.example", none }
    idle_timeout = 2s
    allow connect
    deny connect if path == "/closed"
    limit connections to 3 per ip
    proxy to app http
}
route paths /in/:room {
    auth = none
    origins = { "https://app.example", none }
    allow connect
    proxy to app "/rooms/{room}/" http if room != "nowhere"
}
route own /own/** {
    auth = demo
    origins = { none }
    allow connect
    proxy to app http
}
route sockets /sockets/** {
    auth = none
    allow connect
    proxy to app
}
"""


class Site(http.server.BaseHTTPRequestHandler):
    """An application that says what it was asked."""
    protocol_version = "HTTP/1.1"
    asked = []
    hold = None

    def answer(self):
        length = self.headers.get("Content-Length")
        body = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        elif length:
            body = self.rfile.read(int(length))
        Site.asked.append((self.command, self.path, self.headers, body))
        if self.path.startswith("/big"):
            return self.big()
        said = json.dumps({"method": self.command, "path": self.path, "bytes": len(body)}).encode()
        self.send_response(201 if self.command == "POST" else 200, "As it says")
        self.send_header("Content-Type", "application/json")
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.send_header("Content-Length", str(len(said)))
        self.send_header("Connection", "X-Of-Hop")
        self.send_header("X-Of-Hop", "not for the client")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    def big(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(200):
            self.wfile.write(b"c350\r\n" + b"x" * 50000 + b"\r\n")
        self.wfile.write(b"0\r\nX-Trailer: dropped\r\n\r\n")

    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = answer

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def site(handler=Site):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    Site.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield type("There", (), {"url": f"http://127.0.0.1:{server.server_address[1]}"})
    finally:
        server.shutdown()
        server.server_close()


class Scripted:
    """A backend that says these bytes to each request, and closes or stays."""

    def __init__(self, said, close=True):
        self.said, self.close, self.heard, self.count = said, close, [], 0

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.held = []
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()
        for one in self.held:
            one.close()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.count += 1
                threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with contextlib.suppress(OSError):
            connection.settimeout(PATIENCE)
            heard = b""
            while b"\r\n\r\n" not in heard:
                part = connection.recv(65536)
                if not part:
                    return
                heard += part
            self.heard.append(heard)
            connection.sendall(self.said)
            if self.close:
                connection.close()
            else:
                self.held.append(connection)


def ask(daemon, method, path, body=None, headers=None, **options):
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)
    connection.request(method, path, body, headers or {}, **options)
    answer = connection.getresponse()
    answer.text = answer.read()
    connection.close()
    return answer


async def in_thread(function, *arguments, **options):
    return await asyncio.get_running_loop().run_in_executor(None, lambda: function(*arguments, **options))


async def test_requests_go_on_and_come_back():
    with site() as there:
        async with daemon_for(there, POLICY) as daemon:
            headers = {"Cookie": "a=b", "X-Forwarded-For": "1.2.3.4", "Forwarded": "for=1.2.3.4", "Wayleave-Identity": "me",
                       "Connection": "x-secret, keep-alive", "X-Secret": "of the hop", "X-Own": "kept", "TE": "trailers",
                       "Keep-Alive": "timeout=5", "Proxy-Authorization": "Basic x", "X_Forwarded_For": "6.6.6.6",
                       "Wayleave_Identity": "me", "Proxy": "http://evil.example"}
            answer = await in_thread(ask, daemon, "GET", "/a%20b/c?x=%31&y", headers=headers)
            assert answer.status == 200 and answer.reason == "As it says"
            assert json.loads(answer.text) == {"method": "GET", "path": "/a%20b/c?x=%31&y", "bytes": 0}
            assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
            assert "X-Of-Hop" not in answer.headers and answer.headers["Connection"] == "keep-alive"
            asked = Site.asked[0][2]
            assert asked["Cookie"] == "a=b" and asked["X-Own"] == "kept" and asked["Host"] == f"127.0.0.1:{daemon.port}"
            assert asked.get_all("X-Forwarded-For") == ["127.0.0.1"] and asked["X-Forwarded-Proto"] == "http"
            assert asked["Via"] == "1.1 wayleave" and asked["Wayleave-Identity"].count(".") == 2
            for name in ("X-Secret", "TE", "Keep-Alive", "Forwarded", "Proxy-Authorization", "X_Forwarded_For",
                         "Wayleave_Identity", "Proxy"):
                assert name not in asked, name

            answer = await in_thread(ask, daemon, "POST", "/form", b"x" * 300_000)
            assert answer.status == 201 and json.loads(answer.text)["bytes"] == 300_000
            assert Site.asked[-1][2]["Content-Length"] == "300000"
            answer = await in_thread(ask, daemon, "PUT", "/form", iter([b"y" * 1000, b"z" * 500]), encode_chunked=True,
                                     headers={"Transfer-Encoding": "chunked"})
            assert json.loads(answer.text)["bytes"] == 1500 and Site.asked[-1][3] == b"y" * 1000 + b"z" * 500
            answer = await in_thread(ask, daemon, "HEAD", "/x")
            assert answer.status == 200 and int(answer.headers["Content-Length"]) > 10 and answer.text == b""
            answer = await in_thread(ask, daemon, "GET", "/big")
            assert len(answer.text) == 10_000_000 and answer.headers["Transfer-Encoding"] == "chunked"
            answer = await in_thread(ask, daemon, "GET", "/in/a%2Fb")
            assert answer.status in (400, 404), answer.status
            answer = await in_thread(ask, daemon, "GET", "/in/lobby?q")
            assert json.loads(answer.text)["path"] == "/rooms/lobby/?q"
            assert daemon.metric("wayleave_proxied_requests_total") == 6
            assert daemon.metric("wayleave_proxy_failures_total") == 0


async def test_one_connection_carries_many_and_pipelined_ones_are_answered_in_order():
    with site() as there:
        async with daemon_for(there, POLICY) as daemon:
            raw = Raw(daemon.port)
            raw.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                     b"GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            text = await in_thread(raw.read_all)
            assert text.count(b"HTTP/1.1 ") == 3, text
            assert text.index(b'"/1"') < text.index(b'"/2"') < text.index(b'"/3"')
            assert text.count(b"Connection: keep-alive") == 2 and text.count(b"Connection: close") == 1
            raw = Raw(daemon.port)
            raw.send(b"GET /old HTTP/1.0\r\n\r\n")
            text = await in_thread(raw.read_all)
            assert b"Connection: close" in text and text.endswith(b'"bytes": 0}'), text


async def test_the_door_is_the_same():
    with site() as there:
        async with daemon_for(there, POLICY) as daemon:
            async def status(method, path, **headers):
                answer = await in_thread(ask, daemon, method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
                return answer.status
            assert await status("GET", "/closed") == 403
            assert await status("GET", "/in/nowhere") == 403
            assert await status("GET", "/own/x") == 401
            assert await status("GET", "/own/x", Authorization="Bearer " + daemon.token("ann")) == 200
            # A link of another site is no attack; a form of another site is, and so is a script of it.
            assert await status("GET", "/x", Sec_Fetch_Site="cross-site") == 200
            assert await status("POST", "/x", Origin="https://evil.example") == 403
            assert await status("GET", "/x", Origin="https://evil.example") == 403
            assert await status("POST", "/x", Sec_Fetch_Site="cross-site") == 403
            assert await status("POST", "/x", Origin="https://app.example") == 201
            for method in ("TRACE", "trace", "Track", "connect"):
                assert await status(method, "/x") == 405
            # A route that does not say `http` takes WebSockets alone.
            assert await status("GET", "/sockets/x") == 426
            assert len(Site.asked) == 3
            assert Site.asked[0][2]["Wayleave-Identity"]


async def test_a_websocket_of_the_same_address_is_a_tunnel():
    async with App(echo) as app, daemon_for(app, POLICY) as daemon:
        page = await websockets.connect(f"ws://127.0.0.1:{daemon.port}/anything", open_timeout=PATIENCE,
                                        origin="https://app.example")
        await page.send("hello")
        assert await asyncio.wait_for(page.recv(), PATIENCE) == "hello"
        await page.close()


async def test_what_a_request_counts_ends_with_it():
    with Scripted(b"", close=False) as silent:
        async with daemon_for(silent, POLICY) as daemon:
            waiting = [Raw(daemon.port) for _ in range(3)]
            for one in waiting:
                one.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: silent.count == 3, "three are under way")
            answer = await in_thread(ask, daemon, "GET", "/x")
            assert answer.status == 429, answer.status
            waiting[0].socket.close()
            wait_until(lambda: ask_status(daemon) == 504, "a place is free, and nobody answers")
            assert daemon.metric("wayleave_proxy_failures_total") >= 1


def ask_status(daemon):
    return ask(daemon, "GET", "/x").status


async def test_backends_that_say_what_no_client_may_hear():
    wrongs = {
        b"garbage\r\n\r\n": 502, b"": 502, b"HTTP/1.1 200": 502,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n": 502,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 502,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello": 502,
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello": 502,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello": 502,
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello": 502,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n": 502,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n": 502,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n": 502,
        b"HTTP/1.1 200 O\x00K\r\n\r\n": 502, b"HTTP/1.1 200 O\rK\r\n\r\n": 502,
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n": 502, b"HTTP/1.1 200 OK\r\nA: b\nc: d\r\n\r\n": 502,
        b"HTTP/1.1 102 Processing\r\n\r\n" * 100: 502,
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000 + b"\r\n\r\n": 502,
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno": 404,
        b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n": 302,
        b"HTTP/1.1 500 Oh\r\n\r\nall of it": 500,
    }
    for said, status in wrongs.items():
        with Scripted(said) as app:
            async with daemon_for(app, POLICY) as daemon:
                answer = await in_thread(ask, daemon, "GET", "/x")
                assert answer.status == status, (said[:80], answer.status)
                if status == 502:
                    daemon.wait_log("proxy-failed")
                    assert b"urn:wayleave" in answer.text or b"unavailable" in answer.text, answer.text


async def test_what_comes_behind_a_response_is_nobodys():
    """A response that is longer than it says must not become the answer to the next request."""
    smuggled = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    for said in (smuggled, smuggled.replace(b"200 OK\r\nContent-Length: 2\r\n\r\nok", b"304 Not Modified\r\n\r\n", 1)):
        with Scripted(said, close=False) as app:
            async with daemon_for(app, POLICY) as daemon:
                raw = Raw(daemon.port)
                raw.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
                wait_until(lambda app=app: app.count == 1, "the first is asked")
                raw.send(b"GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                text = await in_thread(raw.read_all)
                assert b"evil" not in text and app.count == 2, text


async def test_a_body_that_breaks_off_breaks_the_connection():
    for said in (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
                 b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                 b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"):
        with Scripted(said) as app:
            async with daemon_for(app, POLICY) as daemon:
                try:
                    answer = await in_thread(ask, daemon, "GET", "/x")
                    assert answer.status == 502, f"a whole answer: {answer.text!r}"  # where nothing was said yet
                except (http.client.IncompleteRead, ConnectionError, http.client.HTTPException):
                    pass


async def test_interim_responses_go_on():
    said = (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x\r\nX: y\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    with Scripted(said) as app:
        async with daemon_for(app, POLICY) as daemon:
            raw = Raw(daemon.port)
            raw.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
            wait_until(lambda: app.heard, "the head has come")
            assert b"Expect: 100-continue" in app.heard[0]
            raw.send(b"hi")
            text = await in_thread(raw.read_all)
            assert text.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200"), text
            raw = Raw(daemon.port)
            raw.send(b"GET /x HTTP/1.0\r\n\r\n")
            text = await in_thread(raw.read_all)
            assert text.startswith(b"HTTP/1.1 200"), text


async def test_requests_that_could_be_read_in_two_ways_do_not_go_on():
    with site() as there:
        async with daemon_for(there, POLICY) as daemon:
            bad = [
                b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
                b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
                b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc",
                b"POST /x HTTP/1.1\r\nHost: a\r\nX: y\nContent-Length: 3\r\n\r\nabc",
                b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                b"GET /a/../closed HTTP/1.1\r\nHost: a\r\n\r\n",
                b"GET /a/%2e%2e/closed HTTP/1.1\r\nHost: a\r\n\r\n",
                b"GET /x\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
                b"GET /x HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n",
            ]
            for one in bad:
                raw = Raw(daemon.port)
                raw.send(one + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
                text = await in_thread(raw.read_all)
                assert text.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501")), (one, text[:60])
            assert not Site.asked, Site.asked
            # What is wrong in a chunk is seen while the request is under way: it ends, and nothing follows.
            for chunk in (b"5\nhello\n0\n\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"3\r\nhello\r\n0\r\n\r\n", b"5;a\nb\r\nhello\r\n0\r\n\r\n"):
                raw = Raw(daemon.port)
                raw.send(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk +
                         b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
                text = await in_thread(raw.read_all)
                assert text.startswith(b"HTTP/1.1 400"), (chunk, text[:60])
            assert not [one for one in Site.asked if one[1] == "/smuggled"], Site.asked


ASKED = """
token session { check = app "/whoami"  from cookie "sid"  claim sub : string required }
backend app { url = "%s" timeout = 5s }
route site /** { auth = session  origins = { none }  allow connect  proxy to app http }
"""


async def test_who_is_asked_about_keeps_his_body_and_is_told_no_once():
    answers = threading.Event()

    class Asked(Site):
        def answer(self):
            if self.path != "/whoami":
                return super().answer()
            answers.wait(PATIENCE)
            said = b'{"sub": "ann"}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = answer

    with site(Asked) as there:
        async with daemon_for(there, ASKED) as daemon:
            upload = asyncio.create_task(in_thread(ask, daemon, "POST", "/x", b"x" * 2_000_000, {"Cookie": "sid=1"}))
            await asyncio.sleep(0.5)
            answers.set()
            answer = await upload
            assert answer.status == 201 and json.loads(answer.text)["bytes"] == 2_000_000, answer.text
            answers.clear()
            # A handshake does not wait with a body: it is told so once, and not for as long as it stays.
            raw = Raw(daemon.port)
            raw.send_anyway(head("/x", "Cookie: sid=2") + b"x" * 200_000)
            text = await in_thread(raw.read_all)
            assert text.count(b"HTTP/1.1 400") <= 1 and len(text) < 2000, len(text)
            assert daemon.metric("wayleave_http_requests_total") < 10
            answers.set()


async def test_a_backend_that_breaks_off_has_said_no_end():
    """Without a length the end is a FIN, and not a reset."""
    class Reset(Scripted):
        def talk(self, connection):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf")
            time.sleep(0.3)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

    with Reset(b"") as app:
        async with daemon_for(app, POLICY) as daemon:
            raw = Raw(daemon.port)
            raw.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            text = await in_thread(raw.read_all)
            assert b"4\r\nhalf\r\n" in text and not text.endswith(b"0\r\n\r\n"), text
            daemon.wait_log("has broken off")
    with Scripted(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n") as app:
        async with daemon_for(app, POLICY) as daemon:
            answer = await in_thread(ask, daemon, "GET", "/x")
            assert answer.status == 502  # nothing was said yet


NODE = """
const http = require("node:http");
const server = http.createServer((request, response) => {
  let bytes = 0;
  request.on("data", (part) => { bytes += part.length; });
  request.on("end", () => {
    console.log(JSON.stringify([request.method, request.url, bytes]));
    response.end("from node");
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""


async def test_node_sees_the_requests_that_we_see():
    """Requests on the edge of what is allowed, before a server of another make: as many as we let in, and no other."""
    chunked = b"POST /%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n%s\r\n"
    requests = [
        chunked % (0, b"") + b"5\r\nhello\r\n0\r\n\r\n",
        chunked % (1, b"") + b"5;name=\"0\"\r\nhello\r\n0;x\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\n\r\n",
        chunked % (2, b"Connection: transfer-encoding, content-length\r\n") + b"5\r\nhello\r\n0\r\n\r\n",
        chunked % (3, b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n") + b"1\r\nx\r\n0\r\n\r\n",
        b"POST /4 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        b"GET /5 HTTP/1.1\r\nHost: a\r\nContent-Length: 41\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
        b"POST /6 HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\nConnection: content-length\r\n\r\n0\r\n\r\nGE",
        b"GET /7?%0d%0aX:%20y HTTP/1.1\r\nHost: a\r\n\r\n",
    ]
    node = subprocess.Popen(["node", "-e", NODE], stdout=subprocess.PIPE, text=True)
    try:
        there = type("There", (), {"url": f"http://127.0.0.1:{node.stdout.readline().strip()}"})
        async with daemon_for(there, POLICY) as daemon:
            seen = []
            for one in requests:
                raw = Raw(daemon.port)
                raw.send(one + b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                text = await in_thread(raw.read_all)
                refused = text.startswith(b"HTTP/1.1 400")
                assert refused or text.count(b"HTTP/1.1 200 OK") == 2, (one, text)
                seen += [] if refused else [json.loads(node.stdout.readline()) for _ in range(2)]
            assert [one[1].split("?")[0] for one in seen if one[1] != "/last"] == [f"/{n}" for n in range(8)], seen
            assert [one[2] for one in seen if one[1] != "/last"] == [5, 5, 5, 1, 0, 41, 7, 0], seen
    finally:
        node.kill()
        node.wait()
        node.stdout.close()


async def test_either_side_that_is_slow_holds_the_other_back():
    with site() as there:
        async with daemon_for(there, POLICY) as daemon:
            raw = Raw(daemon.port)
            raw.send(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: daemon.metric("wayleave_proxied_sent_bytes_total") > 50_000, "it begins")
            await asyncio.sleep(0.5)
            held = daemon.metric("wayleave_proxied_sent_bytes_total")
            assert held < 9_000_000, held  # the rest waits at the backend
            total = await in_thread(raw.read_until, b"0\r\n\r\n")
            assert len(total) > 10_000_000
    with Scripted(b"", close=False) as silent:
        async with daemon_for(silent, POLICY) as daemon:
            raw = Raw(daemon.port)
            raw.socket.settimeout(0.5)
            raw.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
            sent = 0
            with contextlib.suppress(TimeoutError, socket.timeout, ConnectionError):
                while sent < 100_000_000:
                    sent += raw.socket.send(b"x" * 65536)
            assert sent < 50_000_000, sent


def unread(port, client):
    """What the kernel keeps of this client for the daemon, twice looked at."""
    for _ in range(2):
        with open("/proc/net/tcp", encoding="ascii") as table:
            for line in table:
                words = line.split()
                ends = f":{port:04X}", f":{client.getsockname()[1]:04X}"
                if words[1].endswith(ends[0]) and words[2].endswith(ends[1]):
                    if int(words[4].split(":")[1], 16) == 0:
                        return False
        time.sleep(0.1)
    return True


async def test_who_goes_while_its_backend_takes_nothing_is_noticed():
    with Scripted(b"", close=False) as silent:
        async with daemon_for(silent, POLICY.replace("idle_timeout = 2s", "idle_timeout = 0s")) as daemon:
            raw = Raw(daemon.port)
            raw.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
            # Until it is not read from any more, and no further: of who goes with bytes that no window has taken, the
            # kernel tells nobody.
            while not unread(daemon.port, raw.socket):
                raw.send(b"x" * 16384)
                await asyncio.sleep(0.005)
            assert daemon.metric("wayleave_sockets") == 1
            raw.socket.close()
            wait_until(lambda: daemon.metric("wayleave_sockets") == 0, "no socket")


async def test_a_reload_and_a_stop_leave_requests_their_answer():
    with Scripted(b"", close=False) as slow:
        async with daemon_for(slow, POLICY) as daemon:
            raw = Raw(daemon.port)
            raw.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: slow.held, "it is asked")
            daemon.edit("routes.d/test.route", "proxy to app http\n}\nroute paths", "proxy to app\n}\nroute paths")
            daemon.hang_up()
            slow.held[0].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            text = await in_thread(raw.read_until, b"ok")
            assert text.endswith(b"ok")
            raw.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            text = await in_thread(raw.read_all)
            assert b" 426 " in text and b"Server-Sent" not in text, text
            raw = Raw(daemon.port)
            raw.send(b"GET /in/lobby HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: len(slow.held) == 2, "it is asked")
            daemon.signal(signal.SIGTERM)
            await asyncio.sleep(0.3)
            slow.held[1].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            text = await in_thread(raw.read_all)
            assert b"Connection: close" in text and text.endswith(b"ok"), text


if __name__ == "__main__":
    main(globals())
