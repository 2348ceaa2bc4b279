#!/usr/bin/python3
"""Plain requests on their way to a backend: what they ask for, how long they may, and who else reads them."""
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import tempfile
import time

from daemon import PATIENCE, TOKEN_BLOCK, wait_until
from raw import Raw
from request_test import NODE, Scripted, Site, in_thread, site
from runner import main
from stream_test import daemon_for

POLICY = TOKEN_BLOCK + """
backend app { url = "%s" timeout = 5s sign = file "../keys/app.whsec" }
route site /** {
    auth = none
    origins = { none }
    idle_timeout = 0s
    allow connect
    proxy to app http
}
route own /own/** {
    auth = demo
    origins = { none }
    allow connect
    proxy to app http
}
route short /short/** {
    auth = none
    origins = { none }
    idle_timeout = 0s
    max_lifetime = 2s
    allow connect
    proxy to app http
}
route moved /moved/** {
    auth = none
    origins = { none }
    idle_timeout = 0s
    allow connect
    alias /before/**
    proxy to app http
}
route gone /gone/** {
    auth = none
    origins = { none }
    idle_timeout = 0s
    allow connect if not tls
    proxy to app http
}
"""
GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_a_target_goes_on_as_it_was_sent():
    with site() as there:
        async with daemon_for(there, POLICY) as daemon:
            for target in ("/a%20b/%61?x=%31&y", "/a?", "/search?q=100%", "/form?text=a%0D%0Ab", "/old?q=caf%E9&r=%FF",
                           "/api/projects/group%2Fname", "/page;jsessionid=A1/b", "/~!$&'()*+,;=:@", "/%C3%A9%2b", "/x?a[]={}|^`"):
                raw = Raw(daemon.port).send(GET % target.encode())
                status, _, body = await in_thread(raw.read_answer)
                assert status == 200 and json.loads(body)["path"] == target, (target, status, body)
            # Read in another way these are other paths, or no two servers agree what they are.
            for target in ("/own%2Fx", "/x/..%2Fown", "/x/..;/own", "/x/..%3b/own", "/x/%2e%2e%2Fown", "/own;x/y", "/x%5cy", "/x%00", "/x%0d%0ay",
                           "/x%", "/x%E9", "/x%c0%ae"):
                raw = Raw(daemon.port).send(GET % target.encode())
                status, _, body = await in_thread(raw.read_answer)
                assert status in (400, 401), (target, status, body)
            assert not [one for one in Site.asked if "own" in one[1]], Site.asked
            # No raw byte that is not of ASCII goes into a request line, nor anything that could end it.
            for target in (b"/x?\xe9", b"/x?\xc3\xa9", b"/x?\x01", b"/x?a b"):
                raw = Raw(daemon.port).send(GET % target)
                assert (await in_thread(raw.read_head))[0] == 400, target


async def test_who_asks_by_an_alias_is_counted():
    with Scripted(b"", close=False) as slow:
        async with daemon_for(slow, POLICY) as daemon:
            def count(name):
                return daemon.metric(f'{name}{{alias="/before/**",route="moved"}}')
            assert count("wayleave_handshakes_by_alias_total") == 0
            raw = Raw(daemon.port).send(GET % b"/before/x")
            wait_until(lambda: slow.held, "it is asked")
            assert slow.heard[0].startswith(b"GET /before/x HTTP/1.1"), slow.heard
            assert count("wayleave_sessions_by_alias") == count("wayleave_handshakes_by_alias_total") == 1
            assert daemon.metric("wayleave_alias_handshakes_total") == 1
            slow.held[0].sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            assert (await in_thread(raw.read_head))[0] == 204
            wait_until(lambda: count("wayleave_sessions_by_alias") == 0, "it is over")
            assert count("wayleave_handshakes_by_alias_total") == 1


async def test_a_response_without_a_length_ends_with_the_right_to_it():
    events = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"
    with Scripted(events, close=False) as app:
        async with daemon_for(app, POLICY) as daemon:
            token = daemon.token("ann", expires="3s").encode()
            ways = {b"/own/x": b"Authorization: Bearer " + token + b"\r\n", b"/short/x": b"", b"/gone/x": b"", b"/stays": b""}
            raws = {}
            for path, line in ways.items():
                raws[path] = Raw(daemon.port).send(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n" + line + b"\r\n")
                assert (await in_thread(raws[path].read_head))[0] == 200, path
            daemon.edit("routes.d/test.route", "if not tls", "if tls")
            daemon.hang_up()
            for path in (b"/gone/x", b"/short/x", b"/own/x"):
                text = await in_thread(raws[path].read_all)
                assert b"data: 1" in text and not text.endswith(b"0\r\n\r\n"), (path, text)
            daemon.wait_log("the token has expired")
            app.held[-1].sendall(b"data: 2\n\n")
            await in_thread(raws[b"/stays"].read_until, b"data: 2\n\n\r\n")
            raws[b"/stays"].socket.close()
            assert await in_thread(app.held[-1].recv, 1) == b"", "the backend goes on for nobody"
            assert daemon.metric("wayleave_proxy_failures_total") == 0


async def test_a_response_with_a_length_goes_on_to_its_end():
    with Scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", close=False) as app:
        async with daemon_for(app, POLICY) as daemon:
            raw = Raw(daemon.port).send(GET % b"/short/x")
            assert (await in_thread(raw.read_head))[0] == 200
            time.sleep(4)
            app.held[0].sendall(b"cd")
            assert (await in_thread(raw.read_until, b"abcd")) == b"abcd"
    with Scripted(b"", close=False) as silent:
        async with daemon_for(silent, POLICY) as daemon:
            raw = Raw(daemon.port).send(GET % b"/short/x")
            other = Raw(daemon.port).send(GET % b"/gone/x")
            wait_until(lambda: silent.count == 2, "both are asked")
            status, _, body = await in_thread(raw.read_answer)
            assert status == 504 and b"max_lifetime" in body, (status, body)
            daemon.edit("routes.d/test.route", "if not tls", "if tls")
            daemon.hang_up()
            status, _, body = await in_thread(other.read_answer)
            assert status == 403 and b"policy_changed" in body, (status, body)


async def test_who_has_said_all_gets_the_answer():
    with Scripted(b"", close=False) as slow:
        async with daemon_for(slow, POLICY) as daemon:
            body = b"x" * 300_000
            for request, http10 in ((GET % b"/x", False), (b"GET /x HTTP/1.0\r\n\r\n", True),
                                    (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + body, False)):
                raw = Raw(daemon.port).send(request)
                raw.socket.shutdown(socket.SHUT_WR)
                before = len(slow.held)
                wait_until(lambda before=before: len(slow.held) > before or slow.held and slow.count == len(slow.held), "it is asked")
                time.sleep(0.5)
                slow.held[-1].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                text = await in_thread(raw.read_all)
                assert text.endswith(b"\r\n\r\nok"), text
                assert text.startswith(b"HTTP/1.1 200" if http10 else b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"), text
            # Who is gone with that word is noticed, and the backend's connection ends with it.
            raw = Raw(daemon.port).send(GET % b"/x")
            wait_until(lambda: slow.count == len(slow.held) == 4, "it is asked")
            raw.socket.close()
            assert slow.held[-1].recv(1) == b"", "the backend goes on for nobody"
            wait_until(lambda: daemon.metric("wayleave_sockets") == 0, "no socket")
            # Half a request is none.
            raw = Raw(daemon.port).send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
            raw.socket.shutdown(socket.SHUT_WR)
            await in_thread(raw.read_all)
    with site() as there:
        async with daemon_for(there, POLICY, static={"page.html": "hello"}) as daemon:
            raw = Raw(daemon.port)
            raw.send(GET % b"/1" + GET % b"/page.html" + GET % b"/2").socket.shutdown(socket.SHUT_WR)
            text = await in_thread(raw.read_all)
            assert text.index(b'"/1"') < text.index(b"hello") < text.index(b'"/2"'), text
            wait_until(lambda: daemon.metric("wayleave_sockets") == 0, "no socket")


CHUNKED = b"POST /%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n%s\r\n"
# Each is one request, and another make of server might see two.
EDGES = [
    CHUNKED % (0, b"") + b"5\r\nhello\r\n0\r\n\r\n",
    CHUNKED % (1, b"") + b"5;name=\"0\"\r\nhello\r\n0;x\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\n\r\n",
    CHUNKED % (2, b"Connection: transfer-encoding, content-length\r\n") + b"5\r\nhello\r\n0\r\n\r\n",
    CHUNKED % (3, b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n") + b"1\r\nx\r\n0\r\n\r\n",
    CHUNKED % (4, b"Transfer-Encoding: identity\r\n") + b"0\r\n\r\n",
    CHUNKED % (5, b"Content-Length: 4\r\n") + b"2a\r\n" + GET % b"/smuggled" + b"\r\n0\r\n\r\n",
    b"POST /6 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    b"GET /7 HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(GET % b"/smuggled") + GET % b"/smuggled",
    b"POST /8 HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\nConnection: content-length\r\n\r\n0\r\n\r\nGE",
    b"GET /9?%0d%0aHost:%20b%0d%0a%0d%0aGET%20/smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /10 HTTP/1.1\r\nHost: a\r\nX:y\r\n\tTransfer-Encoding: chunked\r\n\r\n",
    b"GET /11 HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
    b"POST /12 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    b"POST /13 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    b"HEAD /14 HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(GET % b"/smuggled") + GET % b"/smuggled",
    b"GET /15 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\r\n" +
    GET % b"/smuggled",
]


async def no_two_of_one(port, seen):
    """Each of the requests, and one behind it: what the backend has seen is what was answered, and nothing that a body held."""
    for number, one in enumerate(EDGES):
        raw = Raw(port).send(one + b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        text = await in_thread(raw.read_all)
        assert b"smuggled" not in text and text.startswith(b"HTTP/1."), (one, text)
        answers = text.count(b"HTTP/1.1 2")
        if answers == 2:
            wait_until(lambda: seen()[-1:] == ["/last"], "the last")
        assert answers in (0, 1, 2), (one, text)
        paths = [path.split("?")[0] for path in seen(True)]
        assert paths in ([], [f"/{number}"], [f"/{number}", "/last"]), (one, paths, text)
        assert (len(paths) == 2) == (answers == 2), (one, paths, text)


@contextlib.contextmanager
def process(*command, **options):
    child = subprocess.Popen(command, **options)
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        if child.stdout:
            child.stdout.close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
        return True
    return False


ASGI = """
import json, os
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    size = 0
    while True:
        event = await receive()
        size += len(event.get("body", b""))
        if not event.get("more_body"):
            break
    with open(os.environ["SEEN"], "a") as file:
        file.write(json.dumps([scope["method"], scope["path"], scope["query_string"].decode("latin-1"), size]) + chr(10))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    for part in range(3):
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
    await send({"type": "http.response.body", "body": b""})
"""


def seen_in(path):
    """The requests that were noted there; `True` forgets them."""
    def seen(forget=False):
        with open(path, "r+", encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
            if forget:
                file.truncate(0)
        return [line[1] for line in lines]
    return seen


async def test_daphne_sees_the_requests_that_we_see():
    """An application of its own, which streams what it says: not Django's pages."""
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, "app.py"), "w", encoding="utf-8") as file:
            file.write(ASGI)
        noted, port = os.path.join(directory, "seen"), free_port()
        with open(noted, "w", encoding="utf-8"):
            pass
        with process("/usr/bin/python3", "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "app:app", cwd=directory,
                     env={**os.environ, "SEEN": noted}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
            wait_until(lambda: listens(port), "daphne listens")
            there = type("There", (), {"url": f"http://127.0.0.1:{port}"})
            async with daemon_for(there, POLICY) as daemon:
                await no_two_of_one(daemon.port, seen_in(noted))
                for target in (b"/a?q=100%", b"/a?q=%0D%0A", b"/a?q=caf%E9", b"/a%2Fb?x"):
                    raw = Raw(daemon.port).send(GET % target)
                    head = await in_thread(raw.read_head)
                    assert head[0] == 200, (target, head)
                    text = await in_thread(raw.read_until, b"0\r\n\r\n")
                    assert text.count(b"part") == 3, text


HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend clients
    bind 127.0.0.1:%d
    default_backend wayleave
backend wayleave
    option forwardfor
    server one 127.0.0.1:%d
"""


async def test_haproxy_in_front_and_node_behind():
    """HAProxy shares a connection to the daemon among its clients: an answer too many would be another's."""
    with tempfile.TemporaryDirectory() as directory:
        noted = os.path.join(directory, "seen")
        with open(noted, "w", encoding="utf-8") as out, process("node", "-e", NODE, stdout=out):
            wait_until(lambda: os.path.getsize(noted) > 0, "node listens")
            with open(noted, encoding="utf-8") as file:
                there = type("There", (), {"url": f"http://127.0.0.1:{int(file.read())}"})
            async with daemon_for(there, POLICY) as daemon:
                port, config = free_port(), os.path.join(directory, "haproxy.cfg")
                with open(config, "w", encoding="utf-8") as file:
                    file.write(HAPROXY % (port, daemon.port))
                with process("/usr/sbin/haproxy", "-db", "-f", config, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
                    wait_until(lambda: listens(port), "HAProxy listens")

                    def seen(forget=False):
                        with open(noted, "r+", encoding="utf-8") as file:
                            lines = [line for line in file.read().replace("\0", "").splitlines() if line.startswith("[")]
                            if forget:
                                file.truncate(0)
                        return [json.loads(line)[1] for line in lines]

                    await no_two_of_one(port, seen)
                    # Others on the same connections hear their own answers.
                    for number in range(20):
                        raw = Raw(port).send(GET % b"/own/x" + GET % f"/n{number}".encode())
                        assert (await in_thread(raw.read_answer))[0] == 401
                    raw = Raw(port).send(GET % b"/alone")
                    assert (await in_thread(raw.read_head))[0] == 200
                    # What others have asked behind a refusal may come later.
                    assert seen(True).count("/alone") == 1


if __name__ == "__main__":
    main(globals())
