#!/usr/bin/python3
"""Messages in an SQLite database: what was answered is there after kill -9, a stop and a full disk. --kills N."""
import asyncio
import contextlib
import os
import random
import resource
import shutil
import signal
import sqlite3
import sys
import time

import websockets
from client import Client
from daemon import TOKEN_BLOCK, Daemon, run, wait_until
from runner import main

KILLS = 20
if "--kills" in sys.argv:
    at = sys.argv.index("--kills")
    KILLS = int(sys.argv[at + 1])
    del sys.argv[at:at + 2]

POLICY = TOKEN_BLOCK + """
channel room/** { history = 100000  keep = 1h  dedup = 10m }
channel mail/:u { history = 1000  keep = 1h  acks = user }
channel loud/*  { history = 0 }
route chat /ws {
    auth       = demo
    origins    = { none }
    ping_every = 20s
    allow connect
    join mail/{user.sub}
    allow subscribe, publish, history on room/:room, mail/:u, loud/*
}
"""

BROKER = """
[broker]
kind = "sqlite"
path = "messages.db"
sync = "%s"
"""


def stored(sync="full", **options):
    return Daemon(POLICY, more=BROKER % sync, **options)


def kill(daemon):
    daemon.signal(signal.SIGKILL)
    daemon.process.wait()


async def publish(client, channel, text, **more):
    return await client.ask("$publish", channel=channel, data={"text": text}, **more)


async def everything(daemon, channel, epoch):
    """All that is kept, as who was away since the beginning gets it."""
    client = await Client.open(daemon, user="reader")
    await client.send("$subscribe", channel=channel, since={"epoch": epoch, "offset": 0}, more={"$id": "all"})
    messages = []
    top = None
    while top is None or not messages or messages[-1]["$"]["offset"] < top:
        message = await client.next()
        if message.get("re") == "all":
            assert message["type"] == "$subscribed" and message["recovered"], message
            top = message["offset"]
            if top == 0:
                break
        elif message.get("$", {}).get("channel") == channel:
            messages.append(message)
    await client.quiet()
    await client.close()
    return messages


def check(messages, answered):
    offsets = [message["$"]["offset"] for message in messages]
    assert offsets == list(range(1, len(offsets) + 1)), "the offsets are dense and in order"
    texts = [message["text"] for message in messages]
    assert len(set(texts)) == len(texts), "no message is there twice"
    by_offset = dict(zip(offsets, texts))
    for text, offset in answered.items():
        assert by_offset.get(offset) == text, f"{text!r} was answered {offset}, where {by_offset.get(offset)!r} stands"


class Publisher:
    """Sends one message at a time, and the same again until it is answered."""

    def __init__(self, name, answered):
        self.name = name
        self.answered = answered
        self.sent = 0
        self.client = None
        self.epoch = None

    async def serve(self, daemon):
        try:
            self.client = await Client.open(daemon, user=self.name)
            while True:
                text = f"{self.name}-{self.sent}"
                answer = await publish(self.client, "room/a", text, dedup=text)
                assert answer["type"] == "$ok", answer
                assert self.epoch in (None, answer["epoch"]), "the numbering goes on"
                self.epoch = answer["epoch"]
                self.answered[text] = answer["offset"]
                self.sent += 1
        except (websockets.ConnectionClosed, OSError, asyncio.IncompleteReadError, websockets.InvalidHandshake):
            pass  # the daemon was killed


async def killed_while_publishing(sync, kills):
    seed = int(time.time())
    print(f"      {kills} kills, seed {seed}", flush=True)
    random.seed(seed)
    answered = {}
    publishers = [Publisher(f"p{i}", answered) for i in range(8)]
    daemon = stored(sync)
    try:
        daemon.start()
        for _ in range(kills):
            for publisher in publishers:
                daemon.token(publisher.name, name=publisher.name)
            tasks = [asyncio.create_task(publisher.serve(daemon)) for publisher in publishers]
            before = len(answered)
            while len(answered) == before:
                await asyncio.sleep(0.001)
            await asyncio.sleep(random.uniform(0, 0.15))
            kill(daemon)
            await asyncio.gather(*tasks)
            await asyncio.to_thread(daemon.start)
        epoch = publishers[0].epoch or next(p.epoch for p in publishers if p.epoch)
        messages = await everything(daemon, "room/a", epoch)
        check(messages, answered)
        print(f"      {len(answered)} answered, {len(messages)} kept", flush=True)
        assert len(messages) - len(answered) <= len(publishers), "what nobody sent is not there"
        await asyncio.to_thread(daemon.stop)
        with contextlib.closing(sqlite3.connect(daemon.path("messages.db"))) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        if daemon.process.poll() is None:
            kill(daemon)
        shutil.rmtree(daemon.root, ignore_errors=True)


async def test_killed_while_publishing():
    await killed_while_publishing("full", KILLS)


async def test_killed_while_publishing_without_sync():
    await killed_while_publishing("normal", max(3, KILLS // 4))


async def test_stopped_while_publishing():
    answered = {}
    publishers = [Publisher(f"p{i}", answered) for i in range(8)]
    daemon = stored()
    try:
        daemon.start()
        for _ in range(3):
            for publisher in publishers:
                daemon.token(publisher.name, name=publisher.name)
            tasks = [asyncio.create_task(publisher.serve(daemon)) for publisher in publishers]
            await asyncio.sleep(random.uniform(0.05, 0.3))
            await asyncio.to_thread(daemon.stop)
            await asyncio.gather(*tasks)
            assert not os.path.exists(daemon.path("messages.db-wal")), "a clean stop leaves one file"
            await asyncio.to_thread(daemon.start)
        check(await everything(daemon, "room/a", next(p.epoch for p in publishers if p.epoch)), answered)
        await asyncio.to_thread(daemon.stop)
    finally:
        if daemon.process.poll() is None:
            kill(daemon)
        shutil.rmtree(daemon.root, ignore_errors=True)


async def test_acknowledgements_outlive_the_daemon():
    async with stored() as daemon:
        writer = await Client.open(daemon, user="bob")
        offsets = [(await publish(writer, "mail/ann", str(i)))["offset"] for i in range(5)]
        assert offsets == [1, 2, 3, 4, 5], offsets
        ann = await Client.open(daemon, user="ann")
        messages = [await ann.wait_for(None, text=str(i)) for i in range(5)]
        await ann.must("$ack", channel="mail/ann", epoch=messages[0]["$"]["epoch"], offset=3)
        kill(daemon)
        await asyncio.to_thread(daemon.start)
        ann = await Client.open(daemon, user="ann")
        for i in (3, 4):
            message = await ann.wait_for(None, text=str(i))
            assert message["$"]["epoch"] == messages[0]["$"]["epoch"], message
        await ann.quiet()


async def test_ids_outlive_the_daemon():
    async with stored() as daemon:
        client = await Client.open(daemon, user="bob")
        first = await publish(client, "room/a", "one", dedup="x")
        kill(daemon)
        await asyncio.to_thread(daemon.start)
        client = await Client.open(daemon, user="bob")
        again = await publish(client, "room/a", "two", dedup="x")
        assert (again["epoch"], again["offset"]) == (first["epoch"], first["offset"]), again
        assert len(await everything(daemon, "room/a", first["epoch"])) == 1


async def test_a_full_disk():
    async with stored() as daemon:
        client = await Client.open(daemon, user="bob")
        listener = await Client.open(daemon, user="ann")
        await listener.subscribe("room/a")
        await listener.subscribe("loud/a")
        first = await publish(client, "room/a", "x" * 50_000)
        for _ in range(20):
            await publish(client, "room/a", "x" * 50_000)
        size = os.path.getsize(daemon.path("messages.db-wal"))
        before = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        # The log of the database is written from its beginning again now and then.
        failed = None
        sent = 0
        while failed is None:
            answer = await publish(client, "room/a", f"{sent}" + "y" * 50_000)
            sent += 1
            if answer["type"] == "$error":
                failed = answer
            assert sent < 200, "the disk is never full"
        assert failed["error"] == "unavailable", failed
        daemon.wait_log("event=broker-failed")
        assert daemon.metric("wayleave_broker_failures_total") >= 1
        assert daemon.metric("wayleave_broker_failing") == 1
        wait_until(lambda: "messages cannot be stored" in daemon.log() and daemon.admin("/readyz")[0] == 503, "unreadiness")
        assert daemon.admin("/healthz")[0] == 200
        await client.must("$publish", channel="loud/a", data={"text": "still here"})  # it serves on
        await listener.wait_for(None, text="still here")
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, before)
        daemon.wait_log("event=broker-recovered")
        wait_until(lambda: daemon.admin("/readyz")[0] == 200, "readiness")
        after = await publish(client, "room/a", "after")
        assert after["offset"] == 20 + sent + 1 and after["epoch"] == first["epoch"], after
        await listener.wait_for(None, text="after")


async def test_metrics_show_the_group_commit():
    async with stored() as daemon:
        clients = [await Client.open(daemon, user=f"p{i}") for i in range(16)]
        for round_ in range(20):
            await asyncio.gather(*(publish(client, "room/a", f"{round_}") for client in clients))
        committed = daemon.metric("wayleave_broker_committed_total")
        assert committed >= 320, committed  # and the canary's
        assert 0 < daemon.metric("wayleave_broker_commits_total") <= committed
        assert daemon.metric("wayleave_broker_database_bytes") > 0
        assert daemon.metric("wayleave_broker_failures_total") == 0


def test_one_daemon_at_a_time():
    with stored() as daemon, stored() as other:
        other.stop()
        other.edit("wayleave.toml", 'path = "messages.db"', f'path = "{daemon.path("messages.db")}"')
        ended = run("serve", "--config", other.config)
        assert ended.returncode == 69 and "another wayleave works on this database" in ended.stderr, ended
        other.edit("wayleave.toml", f'path = "{daemon.path("messages.db")}"', 'path = "messages.db"')
        other.start()


def test_what_is_refused_at_the_start():
    with stored() as daemon:
        daemon.stop()
        path = daemon.path("messages.db")
        assert os.stat(path).st_mode & 0o777 == 0o600
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA user_version = 7")
        ended = run("serve", "--config", daemon.config)
        assert ended.returncode == 78 and "was written by a newer wayleave (version 7" in ended.stderr, ended
        daemon.write("messages.db", "this is a letter\n" * 100)
        ended = run("serve", "--config", daemon.config)
        assert ended.returncode == 78 and "not an SQLite database; move it away" in ended.stderr, ended
        daemon.edit("wayleave.toml", 'path = "messages.db"', 'path = "none/messages.db"')
        ended = run("serve", "--config", daemon.config)
        assert ended.returncode == 78 and "does not exist; make it" in ended.stderr, ended
        daemon.edit("wayleave.toml", 'path = "none/messages.db"', 'path = "other.db"')
        daemon.start()


def test_a_reload_says_what_needs_a_restart():
    with stored() as daemon:
        daemon.edit("wayleave.toml", 'sync = "full"', 'sync = "normal"')
        report = daemon.reload()
        assert report.returncode == 0 and "broker.sync" in report.stdout + report.stderr, report


if __name__ == "__main__":
    main(globals())
