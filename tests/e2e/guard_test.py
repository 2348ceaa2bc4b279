#!/usr/bin/python3
"""The guarded door: bans, seats, and limits that all workers share."""
import asyncio
import http.client
import json
import os
import re
import socket
import time

from client import Client
from daemon import PATIENCE, TOKEN_BLOCK, Daemon, run, wait_until
from raw import KEY
from runner import main

POLICY = TOKEN_BLOCK + """
route chat /ws {
    auth    = demo
    origins = { none }
    allow connect
    allow subscribe on room/*
    ban ip for 1h up to 2h after 4 refusals per 1m because "too many refused requests"
    limit messages to 100/s per user.sub
    message say { field n : int required allow }
}
route one /one {
    auth    = demo
    origins = { none }
    allow connect
    limit connections to 1 per user.sub on excess replace_oldest
}
route few /few {
    auth    = demo
    origins = { none }
    allow connect
    allow subscribe on room/*
    limit subscriptions to 3 per user.sub
    limit bytes to 1kb/s per user.sub burst 2000
    message blob { allow }
}
"""


def handshake(daemon, path="/ws", token=None):
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)
    fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY}
    if token:
        fields["Authorization"] = "Bearer " + token
    connection.request("GET", path, headers=fields)
    answer = connection.getresponse()
    body = b"" if answer.status == 101 else answer.read()
    connection.close()
    return answer, json.loads(body) if body else None


def bans(daemon):
    return json.loads(command(daemon, "--format", "json").stdout)["bans"]


def command(daemon, *arguments):
    return run("bans", "--config", daemon.config, *arguments)


async def close_of(client):
    messages, code = await client.closed()
    bye = messages[-1]
    assert bye["type"] == "$bye" and bye["code"] == code, bye
    return code, bye


async def test_a_ban_is_for_all_workers_survives_a_reload_and_is_lifted():
    with Daemon(POLICY, workers=2) as daemon:
        for _ in range(4):
            answer, problem = handshake(daemon, token="x.y.z")
            assert (answer.status, problem["error"]) == (401, "unauthenticated"), problem
        for _ in range(8):  # whichever worker the kernel chooses
            answer, problem = handshake(daemon, token=daemon.token("u1"))
            assert (answer.status, problem["error"]) == (403, "banned"), problem
            assert problem["detail"] == "too many refused requests"
            assert 3500 < int(answer.headers["Retry-After"]) <= 3600
        # Another route has its own.
        other = await Client.open(daemon, "/one", user="u1")
        [ban] = bans(daemon)
        assert ban["who"] == "ip 127.0.0.1" and ban["route"] == "chat" and ban["times"] == 1, ban
        text = command(daemon).stdout
        assert "ip 127.0.0.1" in text and ban["id"] in text, text
        daemon.wait_log("event=banned")
        daemon.wait_log("too many refused requests")

        daemon.edit("routes.d/test.route", "for 1h", "for 30m")
        assert daemon.reload().returncode == 0
        assert handshake(daemon, token=daemon.token("u1"))[0].status == 403
        assert daemon.metric("wayleave_bans") == 1 and daemon.metric("wayleave_bans_total") == 1

        wrong = command(daemon, "lift", "ip 127.0.0.9")
        assert wrong.returncode == 65 and "wayleave bans" in wrong.stderr, wrong
        assert run("bans", "lift", "127.0.0.1", "--config", daemon.config).stdout == "1 lifted\n"
        assert handshake(daemon, token=daemon.token("u1"))[0].status == 101
        assert bans(daemon) == []
        await other.close()


async def test_an_open_connection_that_errs_too_often_is_banned():
    with Daemon(POLICY) as daemon:
        good = await Client.open(daemon, user="u1")
        bad = await Client.open(daemon, user="u1")
        for _ in range(4):
            await bad.send("say", n="no number")
        code, bye = await close_of(bad)
        assert code == 4430 and bye["reason"] == "banned" and bye["reconnect"]["after_ms"] > 3_000_000, bye
        await good.must("say", n=1)  # who behaves goes on
        assert handshake(daemon, token=daemon.token("u1"))[0].status == 403
        await good.close()


async def test_the_newest_connection_wins_across_workers():
    with Daemon(POLICY, workers=2) as daemon:
        clients = [await Client.open(daemon, "/one", user="u1")]
        for _ in range(12):
            clients.append(await Client.open(daemon, "/one", user="u1"))
            code, bye = await close_of(clients[-2])
            assert code == 4409 and bye["reason"] == "replaced" and bye["reconnect"] is False, bye
        daemon.wait_log("event=connection-closed")
        daemon.wait_log("a newer connection has taken the place of this one")
        daemon.wait_log(" user=u1 ip=127.0.0.1 route=one reason=replaced decision=")
        stranger = await Client.open(daemon, "/one", user="u2")
        await clients[-1].socket.ping()
        wait_until(lambda: daemon.metric("wayleave_connections") == 2, "the others are gone")
        # Who left by himself has no place any more.
        await clients[-1].close()
        again = await Client.open(daemon, "/one", user="u1")
        await asyncio.sleep(0.2)
        assert again.socket.open and stranger.socket.open
        # What is refused takes nobody's place.
        assert handshake(daemon, "/one", token="x.y.z")[0].status == 401
        assert again.socket.open
        await again.close()
        await stranger.close()


async def test_a_storm_of_newest_connections_leaves_one():
    with Daemon(POLICY, workers=2) as daemon:
        clients = await asyncio.gather(*[Client.open(daemon, "/one", user="u1") for _ in range(40)])
        wait_until(lambda: daemon.metric("wayleave_connections") == 1, "one is left")
        await asyncio.sleep(0.1)
        assert sum(1 for client in clients if client.socket.open) == 1
        for client in clients:
            await client.close()


async def test_subscriptions_and_bytes_of_a_user_are_limited_together():
    with Daemon(POLICY, workers=2) as daemon:
        a = await Client.open(daemon, "/few", user="u1")
        b = await Client.open(daemon, "/few", user="u1")
        await a.must("$subscribe", "$subscribed", channel="room/1")
        await b.must("$subscribe", "$subscribed", channel="room/1")
        await b.must("$subscribe", "$subscribed", channel="room/2")
        await a.refused("$subscribe", "limited", channel="room/3")
        await b.close()
        wait_until(lambda: daemon.metric("wayleave_connections") == 1, "b is gone")
        await a.must("$subscribe", "$subscribed", channel="room/3")
        message = await a.ask("blob", pad="x" * 1600)
        message = await a.ask("blob", pad="x" * 1600)
        assert message["error"] == "limited" and message["retry_after"] > 0, message
        await a.close()


PROXIED = """
route inside /inside { auth = none origins = { none } allow connect if ip in 203.0.113.0/24 }
route safe /safe { auth = none origins = { none } allow connect if tls }
"""


def raw_status(daemon, head, before=b"", pause=0.0):
    """The status line's number, or None if the connection was closed without an answer."""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=PATIENCE) as connection:
        try:
            for piece in before if isinstance(before, list) else [before]:
                connection.sendall(piece)
                time.sleep(pause)
            connection.sendall(head)
            answer = connection.recv(4096)
        except ConnectionError:
            return None
    return int(answer.split()[1]) if answer else None


def upgrade(path, fields=""):
    return (f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{fields}\r\n").encode()


def test_trusted_proxies_say_who_is_behind_them():
    with Daemon(PROXIED, top='trusted_proxies = ["127.0.0.0/8"]', workers=1) as daemon:
        assert raw_status(daemon, upgrade("/inside")) == 403
        assert raw_status(daemon, upgrade("/inside", "X-Forwarded-For: 203.0.113.7\r\n")) == 101
        assert raw_status(daemon, upgrade("/inside", "X-Forwarded-For: 203.0.113.7, 198.51.100.1\r\n")) == 403
        assert raw_status(daemon, upgrade("/inside", "Forwarded: for=203.0.113.7\r\n")) == 403
        daemon.wait_log("ip=198.51.100.1 route=inside action=connect")  # the log names the client, not the proxy
        assert raw_status(daemon, b"GET /inside HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n") == 426
        daemon.wait_log("event=request-refused ip=203.0.113.9 route=inside action=request target=/inside")
        assert raw_status(daemon, upgrade("/inside", "X-Forwarded-For: 203.0.113.7, unknown\r\n")) == 403
        daemon.wait_log("event=client-unknown")
        assert daemon.metric("wayleave_unknown_clients_total") == 1
        daemon.edit("wayleave.toml", "trusted_proxies", 'forwarded = "forwarded"\ntrusted_proxies')
        assert daemon.reload().returncode == 0
        assert raw_status(daemon, upgrade("/inside", "X-Forwarded-For: 203.0.113.7\r\n")) == 403
        assert raw_status(daemon, upgrade("/inside", "Forwarded: for=203.0.113.7\r\n")) == 101
        assert raw_status(daemon, upgrade("/safe", "Forwarded: for=203.0.113.7;proto=https\r\n")) == 101
        assert raw_status(daemon, upgrade("/safe", "Forwarded: for=203.0.113.7;proto=http\r\n")) == 403
    with Daemon(PROXIED, top='trusted_proxies = ["10.0.0.0/8"]', workers=1) as daemon:
        assert raw_status(daemon, upgrade("/inside", "X-Forwarded-For: 203.0.113.7\r\n")) == 403


V2 = b"\r\n\r\n\0\r\nQUIT\n"
V2_V4 = b"\x21\x11\x00\x0c" + bytes([203, 0, 113, 7, 10, 0, 0, 1, 1, 2, 3, 4])


def test_a_unix_socket_as_listener():
    def ask(daemon, data):
        raw = socket.socket(socket.AF_UNIX)
        raw.settimeout(PATIENCE)
        raw.connect(daemon.path("run/ws.sock"))
        raw.sendall(data)
        answer = raw.recv(4096)
        raw.close()
        return int(answer.split(b" ")[1])

    more = '[[listen]]\naddress = "unix:run/ws.sock"\nmode = "0600"\n'
    inside = upgrade("/inside", "X-Forwarded-For: 203.0.113.7\r\n")
    with Daemon(PROXIED, top='trusted_proxies = ["unix"]', more=more) as daemon:
        path = daemon.path("run/ws.sock")
        assert os.stat(path).st_mode & 0o7777 == 0o600
        daemon.wait_log("listening on unix:" + path)
        for _ in range(8):
            assert ask(daemon, inside) == 101
        assert ask(daemon, upgrade("/inside")) == 403, "its peers have no address"
        assert raw_status(daemon, inside) == 403, "TCP is not trusted with it"
        # A second daemon does not take it away.
        daemon.write("second.toml", re.sub("127.0.0.1:[0-9]+|control.sock", lambda m: "127.0.0.1:0" if ":" in m.group() else
                                           "second.sock", daemon.read("wayleave.toml")))
        second = run("serve", "--config", daemon.path("second.toml"))
        assert second.returncode == 69 and "another daemon answers there" in second.stderr, second.stderr
        assert ask(daemon, inside) == 101
    with Daemon(PROXIED, more=more) as daemon:
        assert ask(daemon, inside) == 403, "nobody trusts it"
        daemon.process.kill()
        daemon.process.wait()
        assert os.path.exists(daemon.path("run/ws.sock"))
        daemon.start()  # a file that nobody answers at is replaced
        assert ask(daemon, inside) == 403
        daemon.stop()
        assert not os.path.exists(daemon.path("run/ws.sock"))
    daemon = Daemon(PROXIED, more=more.replace('mode = "0600"', 'group = "no-such-group"'))
    daemon.start(wait=False)
    daemon.check_end(78)
    assert "there is no group no-such-group" in daemon.log() and not os.path.exists(daemon.path("run/ws.sock"))


def test_the_proxy_protocol():
    with Daemon(PROXIED, top='trusted_proxies = ["127.0.0.1"]', tls="proxy_protocol = true", workers=1,
                limits='handshake_timeout = "1s"') as daemon:
        inside = upgrade("/inside")
        first = b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n"
        assert raw_status(daemon, inside, first) == 101
        assert raw_status(daemon, inside, V2 + V2_V4) == 101
        assert raw_status(daemon, inside, first.replace(b"203", b"198")) == 403
        assert raw_status(daemon, inside, b"PROXY UNKNOWN\r\n") == 403  # nobody's address
        assert raw_status(daemon, inside, [first[:20], first[20:]], 0.2) == 101
        before = daemon.cpu_seconds()
        assert raw_status(daemon, inside, [first[i:i + 3] for i in range(0, len(first), 3)], 0.03) == 101
        assert daemon.cpu_seconds() - before < 0.3, "a header that drips in keeps the loop spinning"
        # Nothing, a client that comes without the proxy, and headers that are none.
        refused = daemon.metric("wayleave_proxy_refused_total")
        for bad in (b"", b"PROXY TCP4 1.2.3.4\r\n", V2 + b"\x31\x11\x00\x00", V2[:5] + b"x", first[:-1] + b"x" * 120):
            assert raw_status(daemon, inside, bad) is None, bad
            assert raw_status(daemon, inside, first) == 101
        assert daemon.metric("wayleave_proxy_refused_total") == refused + 5
        daemon.wait_log("event=proxy-refused")
        # Half a header is not waited for, for ever.
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=PATIENCE) as slow:
            slow.sendall(first[:10])
            try:
                assert slow.recv(1) == b""
            except ConnectionResetError:
                pass
        wait_until(lambda: daemon.metric("wayleave_sockets") == 0, "nobody is left")
    with Daemon(PROXIED, top='trusted_proxies = ["10.0.0.0/8"]', tls="proxy_protocol = true", workers=1) as daemon:
        assert raw_status(daemon, inside, first) is None  # not from there


CROSS = TOKEN_BLOCK + """
token page { keys = file "../keys/demo.key" from cookie "sid" claim sub : string required }
route shop app.example.com/shop { auth = page  origins = { "https://shop.example.com", same_host } allow connect }
route open app.example.com/open { auth = demo  origins = { same_host, none } allow connect }
"""


def test_what_is_refused_is_told_once_and_counted():
    with Daemon(POLICY, workers=1) as daemon:
        for path in ("/a", "/b", "/c"):
            raw_status(daemon, upgrade(path))
        raw_status(daemon, upgrade("/ws").replace(b"Version: 13", b"Version: 8"))
        raw_status(daemon, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        daemon.wait_log("event=request-refused", 2)
        daemon.wait_log("no route has this address; this is one of 2 more")
        daemon.wait_log("event=request-refused ip=127.0.0.1 action=request reason=bad_request")
        log = daemon.log()
        assert log.count("reason=unknown_route") == 2, log


def test_preflight_follows_from_the_origins():
    def ask(path, origin, method="POST"):
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)
        connection.request("OPTIONS", path, headers={"Host": "app.example.com", "Origin": origin,
                                                     "Access-Control-Request-Method": method})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get("Access-Control-Allow-Origin"), \
            answer.headers.get("Access-Control-Allow-Credentials")

    with Daemon(CROSS, workers=1) as daemon:
        assert ask("/shop", "https://shop.example.com") == (204, "https://shop.example.com", "true")
        assert ask("/shop", "https://app.example.com") == (204, "https://app.example.com", "true")
        assert ask("/open", "http://app.example.com") == (204, "http://app.example.com", None)
        assert ask("/shop", "https://evil.example.com") == (403, None, None)
        assert ask("/open", "https://app.example.com.evil.com") == (403, None, None)
        daemon.wait_log("ip=127.0.0.1 route=shop action=request target=/shop reason=forbidden decision=")
        assert ask("/nothing", "https://shop.example.com") == (404, None, None)


if __name__ == "__main__":
    main(globals())
