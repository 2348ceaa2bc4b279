#!/usr/bin/python3
"""The HTTP side of a client port: heads that must not be understood, plain requests, and files."""
import gzip
import http.client
import os
import socket
import time

from daemon import PATIENCE, Daemon, run, wait_until
from raw import KEY, TEXT, Raw, frame, head
from runner import main

POLICY = """
route open /ws { auth = none  allow connect  allow subscribe on a  message say { allow } }
route below /deep/:name { auth = none  allow connect }
"""
FILES = {"index.html": "<!doctype html><title>index</title>", "app.js": "let a = 1;", "sub/page.html": "below",
         ".hidden": "secret", "big.bin": "x" * 300_000}

# Each differs from a proper upgrade in one thing. The answer is never 101 and the connection ends.
MALFORMED = {
    "version 8": (426, head("/ws", "Sec-WebSocket-Version: 8", drop=["Sec-WebSocket-Version"])),
    "version 99": (426, head("/ws", "Sec-WebSocket-Version: 99", drop=["Sec-WebSocket-Version"])),
    "version missing": (426, head(drop=["Sec-WebSocket-Version"])),
    "version twice": (426, head("/ws", "Sec-WebSocket-Version: 13")),
    "key abc": (400, head("/ws", "Sec-WebSocket-Key: abc", drop=["Sec-WebSocket-Key"])),
    "key missing": (400, head(drop=["Sec-WebSocket-Key"])),
    "key of 15 bytes": (400, head("/ws", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA", drop=["Sec-WebSocket-Key"])),
    "key not canonical": (400, head("/ws", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==", drop=["Sec-WebSocket-Key"])),
    "two keys": (400, head("/ws", "Sec-WebSocket-Key: " + KEY)),
    "POST": (405, head(line="POST /ws HTTP/1.1")),
    "get": (405, head(line="get /ws HTTP/1.1")),
    "HTTP/1.0": (426, head(line="GET /ws HTTP/1.0")),
    "HTTP/2.0": (505, head(line="GET /ws HTTP/2.0")),
    "FOO/1.1": (400, head(line="GET /ws FOO/1.1")),
    "no version": (400, head(line="GET /ws")),
    "two spaces": (400, head(line="GET  /ws HTTP/1.1")),
    "space in the target": (400, head(line="GET /w s HTTP/1.1")),
    "tab in the target": (400, head(line="GET /w\ts HTTP/1.1")),
    "bare LF": (400, head().replace(b"\r\n", b"\n")),
    "one bare LF": (400, head().replace(b"localhost\r\n", b"localhost\n")),
    "CR without LF": (400, head().replace(b"localhost\r\n", b"localhost\r")),
    "space before the colon": (400, head("/ws", "X-A : a")),
    "folded line": (400, head("/ws", "X-A: a", " b")),
    "line without a colon": (400, head("/ws", "nonsense")),
    "empty field name": (400, head("/ws", ": a")),
    "NUL in a value": (400, head("/ws", "X-A: a\0b")),
    "control byte in a value": (400, head("/ws", "X-A: a\x01b")),
    "Content-Length": (400, head("/ws", "Content-Length: 5")),
    "Content-Length twice": (400, head("/ws", "Content-Length: 0", "Content-Length: 5")),
    "Content-Length -1": (400, head("/ws", "Content-Length: -1")),
    "Transfer-Encoding": (501, head("/ws", "Transfer-Encoding: chunked")),
    "both": (400, head("/ws", "Transfer-Encoding: chunked", "Content-Length: 5")),
    "h2c": (426, head("/ws", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", drop=["Upgrade"])),
    "HTTP/2 preface": (0, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "two hosts": (400, head("/ws", "Host: evil")),
    "no host": (400, head(drop=["Host"])),
    "host with a user": (400, head("/ws", "Host: a@b", drop=["Host"])),
    "two origins": (400, head("/ws", "Origin: https://a", "Origin: https://b")),
    "upgrade to something": (426, head("/ws", "Upgrade: something", drop=["Upgrade"])),
    "Connection without Upgrade": (400, head("/ws", "Connection: keep-alive", drop=["Connection"])),
    "NUL in the path": (400, head("/%00secret")),
    "raw NUL in the target": (400, head("/\0secret")),
    "dot segments": (400, head("/a/../ws")),
    "encoded dots": (400, head("/%2e%2e/ws")),
    "empty segment": (400, head("//ws")),
    "encoded slash": (400, head("/deep/a%2fb")),
    "backslash": (400, head("/deep\\a")),
    "encoded backslash": (400, head("/deep/%5ca")),
    "encoded CR": (400, head("/deep/%0da")),
    "broken escape": (400, head("/deep/%zz")),
    "not UTF-8": (400, head("/deep/%ff")),
    "raw byte above 127": (400, head("/deep/\xe4")),
    "fragment": (400, head("/ws#a")),
    "absolute target of another host": (400, head("http://elsewhere/ws")),
    "absolute target of no scheme of ours": (400, head("ws://localhost/ws")),
    "host of a number": (400, head("/ws", "Host: 127.1", drop=["Host"])),
    "asterisk": (400, head("*")),
    "large head": (431, head("/ws", "X-A: " + "a" * 20_000)),
    "many fields": (431, head("/ws", *[f"X-{i}: a" for i in range(200)])),
    "many subprotocols": (400, head("/ws", "Sec-WebSocket-Protocol: " + ",".join(f"p{i}" for i in range(20)))),
    "commas": (400, head("/ws", "Sec-WebSocket-Protocol: " + "," * 4000)),
    "a subprotocol twice": (400, head("/ws", "Sec-WebSocket-Protocol: a, a")),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100),
    "binary": (400, b"\0\1\2\3\4\5\6\7"),
    "empty lines": (400, b"\r\n" * 9),
}


def test_malformed_heads():
    with Daemon(POLICY, static=FILES) as daemon:
        wrong = []
        for what, (expected, data) in MALFORMED.items():
            for pieces in ([data], [data[i:i + 1] for i in range(min(len(data), 400))] + [data[400:]]):
                raw = Raw(daemon.port)
                for piece in pieces:
                    raw.send_anyway(piece)
                status, fields = raw.read_head()
                if status == 101 or (expected and status != expected):
                    wrong.append(f"{what}{' (bytewise)' if len(pieces) > 1 else ''}: {status}, not {expected}")
                elif status == 426 and fields.get("sec-websocket-version") != "13":
                    wrong.append(f"{what}: no hint of version 13")
                raw.read_all()  # ends: else this waits until it is an error
                raw.close()
        assert not wrong, "\n".join(wrong)
        Raw(daemon.port).upgrade()
        # What clients send, and is no mistake.
        Raw(daemon.port).upgrade("/ws", "Content-Length: 0")
        Raw(daemon.port).upgrade("/ws", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
        assert Raw(daemon.port).send(b"\r\n\r\n" + head()).read_head()[0] == 101
        # A header name that is a prefix of a known one is not special.
        for name in ("X", "Cook", "X-A", "X-Real", "Up", "Sec-WebSocket"):
            Raw(daemon.port).upgrade("/ws", f"{name}: a")


def test_slow_and_silent():
    with Daemon(POLICY, limits='handshake_timeout = "1s"') as daemon:
        silent, half = Raw(daemon.port), Raw(daemon.port).send(head()[:40])
        dripping = Raw(daemon.port)
        for byte in head()[:-10]:  # a byte now and then does not extend the time
            dripping.send_anyway(bytes([byte]))
            time.sleep(0.01)
        assert silent.read_head()[0] in (0, 408)
        assert half.read_head()[0] == 408
        assert dripping.read_head()[0] == 408
        for raw in (silent, half, dripping):
            assert raw.ended()
        wait_until(lambda: daemon.metric("wayleave_sockets") == 0, "no socket")


def test_frames_behind_the_head():
    with Daemon(POLICY) as daemon:
        raw = Raw(daemon.port).send(head() + frame(TEXT, b'{"type":"$ping","$id":1}'))
        assert raw.read_head()[0] == 101
        assert b"$hello" in raw.read_frame()[1]
        assert raw.read_frame()[1] == b'{"type":"$pong","re":1}'


def test_pipelined_requests():
    with Daemon(POLICY, static=FILES) as daemon:
        raw = Raw(daemon.port)
        raw.send(b"GET /app.js HTTP/1.1\r\nHost: a\r\n\r\nHEAD /app.js HTTP/1.1\r\nHost: a\r\n\r\n"
                 b"GET /sub/page.html HTTP/1.1\r\nHost: a\r\n\r\n" + head())
        status, fields, body = raw.read_answer()
        assert (status, body) == (200, b"let a = 1;") and fields["content-type"].startswith("text/javascript"), fields
        status, fields, body = raw.read_answer(has_body=False)
        assert status == 200 and fields["content-length"] == "10", fields
        assert raw.read_answer()[2] == b"below"
        assert raw.read_head()[0] == 101, "an upgrade behind other requests"
        assert b"$hello" in raw.read_frame()[1]
        # Many at once are answered in order, however large the answers.
        raw = Raw(daemon.port).send(b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n" * 50)
        for _ in range(50):
            status, _, body = raw.read_answer()
            assert status == 200 and len(body) == 300_000


def request(daemon, method, target, body=None, **fields):
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)
    connection.putrequest(method, target)
    for name, value in fields.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(body)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer, data


def test_files():
    with Daemon(POLICY, static=FILES) as daemon:
        for target, expected in {"/": FILES["index.html"], "/index.html": FILES["index.html"], "/app.js?v=3": FILES["app.js"],
                                 "/sub/page.html": "below", "/big.bin": FILES["big.bin"], "/app%2ejs": FILES["app.js"]}.items():
            answer, data = request(daemon, "GET", target)
            assert answer.status == 200 and data.decode() == expected, f"{target}: {answer.status}"
            assert answer.getheader("X-Content-Type-Options") == "nosniff"
            answer, data = request(daemon, "HEAD", target)
            assert answer.status == 200 and data == b"" and int(answer.getheader("Content-Length")) == len(expected)
        for target in ("/nothing", "/.hidden", "/sub", "/sub/", "/index.html/", "/INDEX.HTML"):
            assert request(daemon, "GET", target)[0].status == 404, target
        assert request(daemon, "POST", "/app.js")[0].status in (404, 405)
        assert request(daemon, "DELETE", "/app.js")[0].status in (404, 405)
        answer, _ = request(daemon, "GET", "/ws")
        assert answer.status == 426 and answer.getheader("Sec-WebSocket-Version") == "13"
        assert answer.getheader("Upgrade") == "websocket", answer.getheaders()


def test_files_to_old_proxies_and_to_caches():
    with Daemon(POLICY, static=FILES) as daemon:
        raw = Raw(daemon.port).send(b"GET /app.js HTTP/1.0\r\n\r\n")
        status, fields, body = raw.read_answer()
        assert (status, body, fields["connection"]) == (200, b"let a = 1;", "close") and raw.ended(), fields
        raw = Raw(daemon.port)
        for _ in range(2):
            assert raw.send(b"GET /app.js HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").read_answer()[2] == b"let a = 1;"
        answer, _ = request(daemon, "GET", "/app.js", Upgrade="h2c", Connection="Upgrade, HTTP2-Settings")
        assert answer.status == 200, "another protocol that is offered is ignored"
        tag, date = answer.getheader("ETag"), answer.getheader("Last-Modified")
        assert answer.getheader("Cache-Control") == "no-cache", "else no browser keeps it to ask again"
        for fields in ({"If-None-Match": tag}, {"If-Modified-Since": date}):
            answer, data = request(daemon, "GET", "/app.js", **fields)
            assert (answer.status, data, answer.getheader("ETag")) == (304, b"", tag), fields
        answer, data = request(daemon, "GET", "/app.js", Range="bytes=0-1")
        assert (answer.status, data) == (200, b"let a = 1;") and answer.getheader("Accept-Ranges") is None
        daemon.write("www/app.js", "let a = 2;")
        daemon.hang_up()
        answer, data = request(daemon, "GET", "/app.js", If_None_Match=tag)
        assert (answer.status, data) == (200, b"let a = 2;")


def test_no_way_out_of_the_directory():
    with Daemon(POLICY, static=FILES) as daemon:
        os.symlink(daemon.config, daemon.path("www/link"))
        daemon.hang_up()
        for target in ("/../wayleave.toml", "/sub/../../wayleave.toml", "/%2e%2e/wayleave.toml", "/..%2fwayleave.toml",
                       "/%2e%2e%2fwayleave.toml", "/..%5cwayleave.toml", "/..\\wayleave.toml", "//etc/passwd", "/./app.js",
                       "/%252e%252e/wayleave.toml", "/sub/%2e%2e/app.js", "/..;/wayleave.toml", "/link", "/app.js%00.html",
                       "/%c0%ae%c0%ae/wayleave.toml", "file:///etc/passwd", "/sub//page.html"):
            raw = Raw(daemon.port).send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            status, _, body = raw.read_answer()
            assert status in (400, 404), f"{target}: {status}"
            assert b"policy" not in body and b"root:" not in body, target


def test_keep_alive_and_bodies():
    with Daemon(POLICY, static=FILES) as daemon:
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)
        for _ in range(3):  # on one connection
            connection.request("GET", "/app.js")
            assert connection.getresponse().read() == b"let a = 1;"
        assert connection.sock is not None, "the daemon ended a connection that could be kept"
        connection.request("GET", "/app.js", headers={"Connection": "close"})
        assert connection.getresponse().getheader("Connection") == "close"
        # A body is not read as the next request.
        raw = Raw(daemon.port)
        raw.send(b"GET /app.js HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\nGET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n......")
        assert raw.read_all().count(b"HTTP/1.1") == 1


def test_files_are_reloaded():
    with Daemon(POLICY, static=FILES) as daemon:
        daemon.write("www/app.js", "let a = 2;")
        daemon.hang_up()
        assert request(daemon, "GET", "/app.js")[1] == b"let a = 2;"


def test_browser_client():
    """It comes with the program: as it is and compressed, and nobody else may have its addresses."""
    client = '[client]\npath = "/lib/wayleave.js"\n'
    with Daemon(POLICY + "route wide /lib/:file { auth = none  allow connect }", more=client) as daemon:
        def get(path, method="GET", **headers):
            connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers

        for name, kind in (("wayleave.js", "text/javascript"), ("wayleave-holder.js", "text/javascript"), ("wayleave.d.ts", "text/plain"),
                           ("wayleave-react.js", "text/javascript"), ("wayleave-react.d.ts", "text/plain")):
            status, plain, fields = get("/lib/" + name)
            assert status == 200 and fields["content-type"] == kind + "; charset=utf-8", (name, status, fields.items())
            assert fields["access-control-allow-origin"] == "*" and fields["vary"] == "Accept-Encoding"
            assert fields["cache-control"] == "no-cache" and fields["x-content-type-options"] == "nosniff"
            assert "content-encoding" not in fields and "last-modified" not in fields
            status, packed, own = get("/lib/" + name, Accept_Encoding="br, gzip;q=0.5")
            assert own["content-encoding"] == "gzip" and gzip.decompress(packed) == plain and own["etag"] != fields["etag"]
            assert "content-encoding" not in get("/lib/" + name, Accept_Encoding="gzip;q=0, br")[2]
            assert get("/lib/" + name, If_None_Match=fields["etag"])[0] == 304
            assert get("/lib/" + name, If_None_Match=fields["etag"], Accept_Encoding="gzip")[0] == 200
            status, body, again = get("/lib/" + name, If_None_Match=own["etag"], Accept_Encoding="gzip")
            assert status == 304 and body == b"" and again["vary"] == "Accept-Encoding"
            status, body, of_head = get("/lib/" + name, "HEAD")
            assert status == 200 and body == b"" and of_head["content-length"] == str(len(plain))
        assert get("/lib/react.js")[0] == 426 and get("/wayleave.js")[0] == 404
        assert Raw(daemon.port).upgrade("/lib/other.js"), "the rest is the wide route's"
        # What has an address of it is told, and the old policy goes on.
        for block, whose in (("route taken /lib/wayleave.d.ts { auth = none  allow connect }", "the route `taken`"),
                             ("route taken a.example/lib/wayleave.js { auth = none  allow connect }", "the route `taken`"),
                             ("route taken /t { auth = none  allow connect  alias /lib/wayleave.js }", "an alias"),
                             ('token t { keys = file "../keys/demo.key"  issuer = "i"  audience = "a"  from header "Authorization" }\n'
                              "api taken /lib { auth = t  allow publish on a }", "the api `taken`")):
            daemon.write("routes.d/test.route", POLICY + block)
            lint = run("lint", "--config", daemon.config)
            assert lint.returncode == 2 and f"client.path: {whose} (" in lint.stdout + lint.stderr, (block, lint)
            assert run("reload", "--config", daemon.config).returncode != 0
        assert get("/lib/wayleave.js")[0] == 200
        for wrong in ("wayleave.js", "/a//wayleave.js", "/../wayleave.js", "/a b/wayleave.js", "/client.js", ""):
            daemon.edit("wayleave.toml", '"/lib/wayleave.js"', f'"{wrong}"')
            lint = run("lint", "--config", daemon.config)
            assert lint.returncode == 2 and "client.path" in lint.stdout + lint.stderr, (wrong, lint)
            daemon.edit("wayleave.toml", f'path = "{wrong}"', 'path = "/lib/wayleave.js"')


def test_admin_address():
    with Daemon(POLICY) as daemon:
        assert daemon.admin("/healthz") == (200, "ok\n")
        wait_until(lambda: daemon.admin("/readyz") == (200, "ok\n"), "readiness")
        assert daemon.admin("/nothing")[0] == 404
        # HAProxy's checks are HTTP/1.0 without a Host; balancers also ask by HEAD.
        for line, has_body in ((b"GET /healthz HTTP/1.0", True), (b"HEAD /healthz HTTP/1.0", False),
                               (b"HEAD /metrics HTTP/1.1\r\nHost: localhost", False)):
            raw = Raw(daemon.admin_port).send(line + b"\r\n\r\n")
            status, fields = raw.read_head()
            assert status == 200 and int(fields["content-length"]) > 0, (line, status, fields)
            assert (raw.read_all() == b"ok\n") == has_body, line
        assert Raw(daemon.admin_port).send(b"HEAD /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n").read_head()[0] == 421
        page = daemon.admin("/metrics")[1]
        for name in ("wayleave_build_info", "wayleave_connections", "wayleave_refusals_total", "wayleave_loop_turns_total"):
            assert f"# TYPE {name} " in page and f"# HELP {name} " in page, name
        with socket.create_connection(("127.0.0.1", daemon.admin_port), timeout=PATIENCE) as raw:
            raw.sendall(b"\x16\x03\x01nonsense")
            assert raw.recv(1000).startswith(b"HTTP/1.1 400")
        idle = [socket.create_connection(("127.0.0.1", daemon.admin_port), timeout=PATIENCE) for _ in range(300)]
        for connection in idle[::3]:
            connection.sendall(b"GET /hea")
        assert daemon.admin("/healthz")[0] == 200, "silent connections keep others out"
        idle[-1].setblocking(False)
        try:
            raise AssertionError(f"who says nothing made no room before its deadline: {idle[-1].recv(100)}")
        except BlockingIOError:
            pass  # the last of them is still there, so that the answer did not wait for the deadline of all


if __name__ == "__main__":
    main(globals())
