#!/usr/bin/python3
"""The guarded door: bans, seats, and limits that all workers share."""
import asyncio
import http.client
import json

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
        log = daemon.log()
        assert "event=banned" in log and "too many refused requests" in log, log

        daemon.edit("routes.d/test.route", "for 1h", "for 30m")
        assert daemon.reload().returncode == 0
        assert handshake(daemon, token=daemon.token("u1"))[0].status == 403
        assert daemon.metric("wayleave_bans") == 1 and daemon.metric("wayleave_bans_total") == 1

        wrong = command(daemon, "lift", "ip 127.0.0.9")
        assert wrong.returncode == 65 and "wayleave bans" in wrong.stderr, wrong
        assert command(daemon, "lift", ban["id"]).stdout == "1 lifted\n"
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


if __name__ == "__main__":
    main(globals())
