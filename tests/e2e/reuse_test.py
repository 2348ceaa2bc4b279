#!/usr/bin/python3
"""Which requests share a connection to a backend, and that no two clients ever do."""
import asyncio
import contextlib
import http.client
import socket
import struct

from daemon import PATIENCE, Daemon, wait_until
from runner import main

POLICY = """
backend app { url = "%s" timeout = 5s }
backend other { url = "%s" timeout = 5s }
route site /** {
    auth = none
    allow connect
    proxy to other http if path == "/other"
    proxy to app http
}
route folded /folded {
    auth = none
    origins = { none }
    allow connect
    stream a to app "/"
}
route tunnel /tunnel {
    auth = none
    origins = { none }
    allow connect
    proxy to app
}
"""


def answer(text, *lines):
    return ("HTTP/1.1 200 OK\r\n" + "".join(f"{line}\r\n" for line in lines) +
            f"Content-Length: {len(text)}\r\n\r\n{text}").encode()


class Backend:
    """Each request is answered with the number of its connection and its own path, or as `script` says: it is called with the
    writer, the connection's number, how many requests it had before, and the path; true: it has answered."""

    def __init__(self, script=None):
        self.script, self.connections, self.ended, self.heads = script, 0, 0, []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def serve(self, reader, writer):
        self.connections += 1
        number = self.connections
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            for before in range(100):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                length = [line for line in head.split("\r\n") if line.lower().startswith("content-length:")]
                if length:
                    await reader.readexactly(int(length[0].split(":")[1]))
                method, path = head.split(" ")[:2]
                if self.script and await self.script(writer, number, before, path):
                    continue
                said = answer(f"{number} {path}")
                writer.write(said[:said.index(b"\r\n\r\n") + 4] if method == "HEAD" else said)
        self.ended += 1
        writer.close()


@contextlib.asynccontextmanager
async def before(script=None, top=""):
    async with Backend(script) as app, Backend() as other, Daemon(POLICY % (app.url, other.url), top=top) as daemon:
        yield app, daemon


class Page:
    """One connection of a client."""

    def __init__(self, daemon):
        self.connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)

    def ask_now(self, path, method, body):
        self.connection.request(method, path, body)
        response = self.connection.getresponse()
        return response.status, response.read().decode()

    async def ask(self, path, method="GET", body=None):
        return await asyncio.to_thread(self.ask_now, path, method, body)

    def close(self):
        self.connection.close()


async def soon(condition, what):
    await asyncio.to_thread(wait_until, condition, what)


def reuses(daemon):
    return daemon.metric("wayleave_proxied_reuses_total")


async def numbers(page, daemon, wanted, method="GET"):
    """Asks until so many have shared a connection, which a slow machine may need some more for: it is kept for a moment only.
    The connections that there were."""
    then, found = reuses(daemon), []
    for n in range(100):
        status, text = await page.ask(f"/{n}", method)
        assert status == 200 and text.endswith(f" /{n}"), text
        found.append(text.split(" ")[0])
        if reuses(daemon) - then >= wanted:
            return set(found)
    raise AssertionError(f"{reuses(daemon) - then} of 100 have")


async def test_what_may_be_repeated_shares_the_clients_connection():
    async with before() as (app, daemon):
        page = Page(daemon)
        mine = await numbers(page, daemon, 4)
        assert await page.ask("/head", "HEAD") == (200, "")  # whether a body follows is not known
        mine |= await numbers(page, daemon, 2, "OPTIONS")
        assert not any("connection:" in head.lower() for head in app.heads)
        # What may not be sent twice has a connection of its own, which ends with it.
        for method in ("POST", "GET"):
            status, text = await page.ask("/own", method, "a body")
            assert status == 200 and text.split(" ")[0] not in mine
            assert "\r\nConnection: close\r\n" in app.heads[-1]
            assert text.split(" ")[0] not in await numbers(page, daemon, 2)
        # Another backend's is another one.
        assert await page.ask("/other") == (200, "1 /other")


async def test_no_two_clients_share_one():
    async with before() as (app, daemon):
        pages, of_page = [Page(daemon) for _ in range(5)], [set() for _ in range(5)]
        for _ in range(3):
            for page, mine in zip(pages, of_page):
                mine |= await numbers(page, daemon, 2)
        assert len(set().union(*of_page)) == sum(len(mine) for mine in of_page), of_page
        for page in pages:
            page.close()
        await soon(lambda: app.ended == app.connections, "they go with the clients")


async def test_those_whom_a_proxy_brings_share_none():
    async def script(writer, _, __, path):
        if path == "/hints":
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        return False
    async with before(script, top='trusted_proxies = ["127.0.0.1"]') as (app, daemon):
        page = Page(daemon)
        for number in range(1, 6):
            page.connection.request("GET", "/a", headers={"X-Forwarded-For": f"192.0.2.{number % 2}"})
            response = await asyncio.to_thread(page.connection.getresponse)
            assert (response.status, response.read().decode()) == (200, f"{number} /a")
        assert reuses(daemon) == 0
        # Not every proxy understands an interim response.
        with socket.create_connection(("127.0.0.1", daemon.port), PATIENCE) as proxy:
            for name in ("192.0.2.7", "127.0.0.1"):
                proxy.sendall(f"GET /hints HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {name}\r\n\r\n".encode())
                said = b""
                while not said.endswith(b" /hints"):
                    said += await asyncio.to_thread(proxy.recv, 4096)
                assert (b"103" in said) == (name == "127.0.0.1"), said
        # Its own requests, such as those by which it looks whether the daemon is there, are one client's.
        await numbers(page, daemon, 2)


async def test_who_ends_in_the_turn_that_he_begins_in_leaves_no_connection():
    async with before() as (app, daemon):
        page = Page(daemon)
        await numbers(page, daemon, 1)
        page.close()
        await soon(lambda: app.ended == app.connections, "the first is over")
        files = daemon.open_files()
        get = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
        upgrade = (b"GET %s HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                   b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        closes = b"\x88\x80\0\0\0\0"
        for said in (upgrade % b"/folded" + closes, upgrade % b"/tunnel" + closes, get + upgrade % b"/tunnel", b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                     get + b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", get * 5):
            for ends in ("whole", "half", "reset"):
                for _ in range(10):
                    with socket.create_connection(("127.0.0.1", daemon.port)) as client:
                        client.sendall(said)
                        if ends == "half":
                            client.shutdown(socket.SHUT_WR)
                        elif ends == "reset":
                            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await soon(lambda: daemon.open_files() <= files, "no descriptor is left")
        await soon(lambda: app.ended == app.connections, "no connection is left")


async def test_it_is_kept_for_a_moment():
    async with before() as (app, daemon):
        page = Page(daemon)
        assert await page.ask("/a") == (200, "1 /a")
        await soon(lambda: app.ended == 1, "nobody uses it")
        assert await page.ask("/b") == (200, "2 /b")


async def test_none_takes_a_place_that_others_may_need():
    async with before(top="max_connections = 12") as (app, daemon):
        pages = [Page(daemon) for _ in range(7)]
        for page in pages:
            assert (await page.ask("/a"))[0] == 200
        # A worker that has had nothing to do since may still have one of before.
        for _ in range(10):
            then = reuses(daemon)
            for page in pages:
                assert (await page.ask("/b"))[0] == 200
            if reuses(daemon) == then:
                break
        else:
            raise AssertionError("they are kept")
        for page in pages[1:]:
            page.close()
        await numbers(pages[0], daemon, 2)


async def test_a_reload_changes_backends():
    async with before() as (app, daemon):
        page = Page(daemon)
        await numbers(page, daemon, 2)
        daemon.edit("routes.d/test.route", "path == \"/other\"", "path != \"/\"")
        await asyncio.to_thread(daemon.reload)
        assert await page.ask("/b") == (200, "1 /b")


async def test_a_backend_that_says_close_is_not_asked_again():
    async def script(writer, number, _, path):
        writer.write(answer(f"{number} {path}", "Connection: x, Close"))
        return True
    async with before(script) as (app, daemon):
        page = Page(daemon)
        assert [await page.ask("/a"), await page.ask("/b")] == [(200, "1 /a"), (200, "2 /b")]
        assert reuses(daemon) == 0


async def test_what_comes_behind_an_answer_is_no_answer():
    async def with_it(writer, number, _, path):
        writer.write(answer(f"{number} {path}") + answer("a secret"))
        return True

    async def later(writer, number, _, path):
        writer.write(answer(f"{number} {path}"))
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(answer("a secret"))
        return True
    for script in (with_it, later):
        async with before(script) as (app, daemon):
            page = Page(daemon)
            assert await page.ask("/a") == (200, "1 /a")
            await soon(lambda: app.ended == 1, "it is not used again")
            assert await page.ask("/b") == (200, "2 /b")


async def test_a_backend_that_has_gone_meanwhile_is_asked_again():
    async def script(writer, number, before_, _):
        if before_ == 0:
            return False
        writer.transport.abort() if number % 2 else writer.close()
        return True
    async with before(script) as (app, daemon):
        page, asked = Page(daemon), 0
        while reuses(daemon) < 8:
            asked += 1
            status, text = await page.ask(f"/{asked}")
            assert status == 200 and text.endswith(f" /{asked}"), text
            assert asked < 100
        assert len(app.heads) == asked + 8, app.heads  # those were said twice
        assert daemon.metric("wayleave_proxied_refused_total") == 0


async def test_half_an_answer_is_none():
    async def script(writer, _, before_, __):
        if before_ == 0:
            return False
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await writer.drain()
        writer.transport.abort()
        return True
    async with before(script) as (app, daemon):
        page = Page(daemon)
        try:
            for _ in range(100):
                status, text = await page.ask("/a")
                assert status == 200 and text.endswith(" /a"), text
            raise AssertionError("it looks whole")
        except (http.client.IncompleteRead, ConnectionError):
            pass
        assert reuses(daemon) == 1


if __name__ == "__main__":
    main(globals())
