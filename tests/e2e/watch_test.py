#!/usr/bin/python3
"""What a trace and a filter of the log show beside messages, and that they refuse what the policy does not have."""
import asyncio
import json

import websockets
from client import Client
from daemon import PATIENCE, TOKEN_BLOCK, Daemon, run
from runner import main
from stream_test import App, echo

POLICY = TOKEN_BLOCK + """
backend app { url = "%s" timeout = 1s }
route chat /ws {
    auth    = demo
    origins = { none }
    allow connect
    allow subscribe on room/*
    message say { allow publish to room/hall }
    stream tasks to app "/tasks/"
}
route passed /passed { auth = none  allow connect  proxy to app }
api internal /api { auth = demo  allow publish on room/* }
channel room/* { history = 10  keep = 1h }
"""
NOBODY = "http://127.0.0.1:1"


async def in_thread(daemon, *arguments):
    return await asyncio.to_thread(run, *arguments, "--config", daemon.config)


async def seen(daemon, event, act):
    """Does it again until it is told of, since the workers learn of a filter a moment after it is set."""
    def told():
        return [line for line in daemon.log().splitlines() if f" event={event} " in line]
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not told():
        assert asyncio.get_running_loop().time() < deadline, f"no {event}"
        await act()
        await asyncio.sleep(0.1)
    return told()


async def test_what_the_policy_does_not_have_is_refused():
    async with Daemon(POLICY % NOBODY) as daemon:
        for command in ("trace", "--for", "1s"), ("log", "--level", "debug"):
            for option, name, words in (
                    ("--route", "chta", "did you mean chat?"), ("--route", "nothing-like-it", "there are chat, internal, passed"),
                    ("--rule", "test.route:3", "nearest is at test.route:"), ("--rule", "other.route:3", "its files are test.route"),
                    ("--rule", "\x1b[2J", "its files are test.route")):
                done = await in_thread(daemon, command[0], option, name, *command[1:])
                assert done.returncode == 64 and words in done.stderr, (command, name, done)
                assert "\x1b" not in done.stderr, done
            line = next(n for n, text in enumerate(daemon.read("routes.d/test.route").splitlines(), 1) if "allow connect" in text)
            for option, name in (("--route", "internal"), ("--rule", f"test.route:{line}"), ("--user", "who-may-come")):
                done = await in_thread(daemon, command[0], option, name, *command[1:])
                assert done.returncode == 0, (command, name, done)
                if command[0] == "trace":  # which waits for what may happen
                    break
            await in_thread(daemon, "log", "--reset")
        # A reload brings another line.
        daemon.edit("routes.d/test.route", "route passed", "route renamed")
        assert (await in_thread(daemon, "reload")).returncode == 0
        assert (await in_thread(daemon, "trace", "--route", "renamed", "--for", "1s")).returncode == 0
        assert (await in_thread(daemon, "trace", "--route", "passed", "--for", "1s")).returncode == 64


async def test_what_is_read_out_of_a_history_is_shown():
    async with Daemon(POLICY % NOBODY) as daemon:
        ann = await Client.open(daemon, user="ann")
        for _ in range(3):
            await ann.must("say", text="TOPSECRET")
        assert (await in_thread(daemon, "log", "--user", "ann")).returncode == 0

        first = await ann.subscribe("room/hall")

        async def again():
            await ann.must("$subscribe", "$subscribed", channel="room/hall", since={"epoch": first["epoch"], "offset": 0})

        lines = await seen(daemon, "replayed", again)
        assert all(" user=ann " in line and "target=room/hall" in line and " offset=" in line and " bytes=" in line
                   for line in lines), lines
        assert "TOPSECRET" not in daemon.log()
        await ann.close()


async def test_streams_and_what_a_proxied_connection_moved():
    async with App(echo) as app, Daemon(POLICY % app.url) as daemon:
        ann = await Client.open(daemon, user="ann")
        assert (await in_thread(daemon, "log", "--user", "ann")).returncode == 0

        async def say():
            await ann.send(stream="tasks", payload={"text": "TOPSECRET"})

        lines = await seen(daemon, "streamed", say)
        assert all(" user=ann " in line and "target=tasks" in line and " bytes=" in line for line in lines), lines
        assert "TOPSECRET" not in daemon.log()
        await ann.close()

        page = await websockets.connect(f"ws://127.0.0.1:{daemon.port}/passed", open_timeout=PATIENCE, compression=None)
        await page.send("x" * 5000)
        assert await asyncio.wait_for(page.recv(), PATIENCE) == "x" * 5000
        await page.close()
        await asyncio.to_thread(daemon.wait_log, "route=passed reason=")
        closed = [line for line in daemon.log().splitlines() if "event=connection-closed" in line and "route=passed" in line][0]
        moved = {name: int(value) for name, value in (word.split("=", 1) for word in closed.split() if word.startswith("bytes_"))}
        assert moved["bytes_in"] >= 5000 and moved["bytes_out"] >= 5000, closed



async def test_busiest_types_are_counted_and_shown():
    async with Daemon(POLICY % NOBODY) as daemon:
        ann = await Client.open(daemon, user="ann")
        for _ in range(3):
            await ann.must("say")
        await ann.refused("unheard-of", "unknown_message")

        def counted(kind):
            return daemon.metric(f'wayleave_messages_by_type_total{{route="chat",type="{kind}"}}')

        assert await asyncio.to_thread(counted, "say") == 3
        assert await asyncio.to_thread(counted, "(other)") == 1
        top = asyncio.ensure_future(in_thread(daemon, "top", "--format", "json", "--every", "2s"))
        while not top.done():
            await ann.must("say")
            await asyncio.sleep(0.01)
        frame = json.loads((await top).stdout)
        assert [(one["route"], one["type"]) for one in frame["types"]] == [("chat", "say")], frame
        assert frame["types"][0]["messages_per_second"] > 0, frame
        await ann.close()


if __name__ == "__main__":
    main(globals())
