#!/usr/bin/python3
"""What the application's own server is told of sessions: in order, at least once, also when something dies."""
import asyncio
import json
import os
import signal
import time

from backend import Backend
from client import Client
from daemon import TOKEN_BLOCK, Daemon, wait_until
from runner import main

POLICY = TOKEN_BLOCK + """
backend app { url = "%s" timeout = 1s retries = 0 break_after = 1000 allow publish, subscribe on room/** }
channel room/** { history = 10 keep = 1h }
route chat /ws/:place {
    auth = demo
    origins = { none }
    allow connect
    join user/{user.sub}
    allow subscribe on room/**
    notify app "/events/{place}" on connect, disconnect, subscribe, unsubscribe
}
route quiet /quiet { auth = none origins = any allow connect }
"""
ORDERS = {"Content-Type": "application/wayleave+json"}


def told(backend, kind=None):
    bodies = [json.loads(r.body) for r in backend.requests]
    return [b for b in bodies if kind is None or b["type"] == kind]


async def opened(daemon, user="ann"):
    return await Client.open(daemon, "/ws/here", token=daemon.token(user))


async def until(condition, what):
    await asyncio.to_thread(wait_until, condition, what)


async def test_a_life_in_order():
    with Backend(lambda r: (204, b"")) as backend:
        async with Daemon(POLICY % backend.url) as daemon:
            ann = await opened(daemon)
            for channel in ("room/a", "room/b"):
                await ann.subscribe(channel)
            await ann.must("$unsubscribe", "$unsubscribed", channel="room/a")
            again = await opened(daemon)
            await ann.close()
            await until(lambda: len(told(backend, "disconnect")) == 1, "the first end")
            await again.close()
            await until(lambda: len(told(backend, "disconnect")) == 2, "the second end")
            quiet = await Client.open(daemon, "/quiet", hello=False)
            await quiet.close()
            mine = [b for b in told(backend) if b["session"] == ann.hello["session"]]
            assert [(b["type"], b.get("channel"), b["seq"]) for b in mine] == [
                ("connect", None, 1), ("subscribe", "room/a", 2), ("subscribe", "room/b", 3),
                ("unsubscribe", "room/a", 4), ("disconnect", None, 5)], mine
            assert mine[0]["user"] == "ann" and mine[0]["channels"] == ["user/ann"] and mine[0]["ip"] == "127.0.0.1"
            assert mine[0]["captures"] == {"place": "here"} and backend.requests[0].path == "/events/here"
            assert mine[-1]["last"] is False and told(backend, "disconnect")[1]["last"] is True
            assert len({b["id"] for b in told(backend)}) == len(told(backend)) == 7
            await until(lambda: daemon.metric("wayleave_notices_waiting") == 0, "nothing to wait")
            assert daemon.metric('wayleave_notices_total{result="delivered"}') == 7
            assert daemon.metric("wayleave_noticed_sessions") == 0 and daemon.metric("wayleave_notice_bytes") == 0


async def test_the_answer_to_connect_is_the_beginning():
    orders = {"send": [{"type": "state", "tasks": [1, 2]}], "subscribe": ["room/a"],
              "publish": [{"channel": "room/a", "data": {"type": "came"}}]}

    def answer(request):
        return (200, orders, ORDERS) if json.loads(request.body)["type"] == "connect" else (204, b"")
    with Backend(answer) as backend:
        async with Daemon(POLICY % backend.url) as daemon:
            ann = await opened(daemon)
            seen = [await ann.next() for _ in range(3)]
            assert {m["type"] for m in seen} == {"$subscribed", "state", "came"}, seen
            await until(lambda: [b["channel"] for b in told(backend, "subscribe")] == ["room/a"], "the subscription to be told")
            orders.update(subscribe=["other"])
            ben = await opened(daemon, "ben")
            daemon.wait_log("orders-refused")
            await ben.quiet()


async def test_a_backend_that_is_away():
    backend = Backend(lambda r: (503, b""))
    async with Daemon(POLICY % backend.url) as daemon:
        ann, ben = await opened(daemon), await opened(daemon, "ben")
        await ann.subscribe("room/a")
        await ann.close()
        backend.wait_for(3)
        assert {b["type"] for b in told(backend)} == {"connect"}, "nothing overtakes what did not arrive"
        refused = {b["id"] for b in told(backend) if b["session"] == ann.hello["session"]}
        del backend.requests[:]
        backend.answer = lambda r: (204, b"")
        await until(lambda: len(told(backend, "disconnect")) == 1, "the end to arrive")
        mine = [b for b in told(backend) if b["session"] == ann.hello["session"]]
        assert [b["type"] for b in mine] == ["connect", "subscribe", "disconnect"] and refused == {mine[0]["id"]}
        await ben.quiet()
        backend.answer = lambda r: (410, b"")
        await ben.subscribe("room/a")
        await until(lambda: daemon.metric('wayleave_notices_total{result="refused"}') >= 1, "a no to be no reason to ask again")
    backend.close()


async def test_a_daemon_that_is_killed():
    backend = Backend(lambda r: (503, b""))
    daemon = Daemon(POLICY % backend.url)
    daemon.edit("wayleave.toml", "[broker]", "[broker]") if "[broker]" in daemon.read("wayleave.toml") else \
        daemon.write("wayleave.toml", daemon.read("wayleave.toml") + f'\n[broker]\nkind = "sqlite"\npath = "{daemon.path("broker.db")}"\n')
    async with daemon:
        ann, ben = await opened(daemon), await opened(daemon, "ben")
        await ben.close()
        backend.wait_for(2)
        await until(lambda: daemon.metric("wayleave_notices_waiting") == 3, "three to wait")
        assert os.stat(daemon.path("broker.db.notices")).st_mode & 0o777 == 0o600
        daemon.process.send_signal(signal.SIGKILL)
        daemon.process.wait()
        backend.answer = lambda r: (204, b"")
        daemon.process = None
        daemon.start()
        await until(lambda: len(told(backend, "disconnect")) == 1, "what was written down to arrive")
        assert told(backend, "disconnect")[0]["session"] == ben.hello["session"]
        again = await opened(daemon)
        backend.wait_for(1)
        deadline = time.monotonic() + 60
        while len(told(backend, "disconnect")) < 2:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)
        lost = told(backend, "disconnect")[1]
        assert lost["session"] == ann.hello["session"] and lost["reason"] == "lost" and lost["seq"] is None
        assert lost["last"] is False, "she is here again"
        await again.close()
        await until(lambda: len(told(backend, "disconnect")) == 3, "the end of the last")
        assert told(backend, "disconnect")[2]["last"] is True


async def test_a_beginning_behind_what_is_on_disk():
    """What waits from before a kill does not cost a new session its first state."""
    backend = Backend(lambda r: (503, b""))
    daemon = Daemon(POLICY % backend.url)
    daemon.write("wayleave.toml", daemon.read("wayleave.toml") + f'\n[broker]\nkind = "sqlite"\npath = "{daemon.path("broker.db")}"\n')
    async with daemon:
        for name in ("ann", "ben"):
            await (await opened(daemon, name)).close()
        await until(lambda: daemon.metric("wayleave_notices_waiting") == 4, "four to wait")
        daemon.process.send_signal(signal.SIGKILL)
        daemon.process.wait()

        def answer(request):
            orders = {"send": [{"type": "state"}], "subscribe": ["room/a"]}
            return (200, orders, ORDERS) if json.loads(request.body)["type"] == "connect" else (204, b"")
        backend.answer = answer
        daemon.process = None
        daemon.start()
        cat, dora = await opened(daemon, "cat"), await opened(daemon, "dora")
        await until(lambda: daemon.metric('wayleave_notices_total{result="delivered"}') >= 6, "all to be told")
        for client in (cat, dora):
            assert {(await client.next())["type"] for _ in range(2)} == {"$subscribed", "state"}
    backend.close()


async def test_a_user_who_comes_back():
    with Backend(lambda r: (204, b"")) as backend:
        async with Daemon(POLICY.replace("subscribe, unsubscribe", "subscribe, unsubscribe after 1s") % backend.url) as daemon:
            ann = await opened(daemon)
            await ann.close()
            again = await opened(daemon)
            await until(lambda: len(told(backend, "disconnect")) == 1, "the end")
            assert told(backend, "disconnect")[0]["last"] is False
            await again.close()
            await until(lambda: len(told(backend, "disconnect")) == 2, "the second end")
            assert told(backend, "disconnect")[1]["last"] is True


async def test_a_stop_tells_of_all_ends():
    with Backend(lambda r: (204, b"")) as backend:
        async with Daemon(POLICY % backend.url) as daemon:
            for n in range(20):
                await opened(daemon, f"u{n}")
        assert len(told(backend, "disconnect")) == 20


async def test_a_reload_begins_to_tell():
    with Backend(lambda r: (204, b"")) as backend:
        policy = POLICY % backend.url
        line = '    notify app "/events/{place}" on connect, disconnect, subscribe, unsubscribe\n'
        assert line in policy
        async with Daemon(policy.replace(line, "")) as daemon:
            ann = await opened(daemon)
            daemon.write("routes.d/test.route", policy)
            assert daemon.reload().returncode == 0
            await until(lambda: daemon.metric("wayleave_noticed_sessions") == 1, "the session to be known")
            await ann.subscribe("room/a")
            await ann.close()
            await until(lambda: len(told(backend)) == 2, "the end")
            assert [b["type"] for b in told(backend)] == ["subscribe", "disconnect"]
            assert told(backend)[1]["last"] is True


if __name__ == "__main__":
    main(globals())
