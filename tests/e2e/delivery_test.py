#!/usr/bin/python3
"""Delivery with a real client: recovery over reconnects and restarts, mail for absent users, presence, lanes, and what
a server on the same machine may do."""
import asyncio
import json
import os

import websockets

from daemon import Daemon, run
from runner import main

POLICY = """
token session {
    keys = file "../keys/demo.key"
    issuer = "https://issuer.example"
    audience = "tests"
    from query "token"
    claim sub : string required
}
defaults { origins = none  idle_timeout = 0s  ping_every = 0s }
channel room/*   { history = 50  keep = 1h  presence = true  join_leave = true  presence_grace = 300ms }
channel mail/:u  { history = 50  keep = 1h  acks = user  dedup = 1m }
channel cursor/* { conflate = 100ms  key = required }
channel feed     { batch = 100ms }
route chat /chat {
    auth = session
    allow connect
    join mail/{user.sub}
    allow subscribe, publish, presence on room/*, cursor/*, feed
    allow history on room/* if user.sub != "eve"
    allow publish on mail/*
}
"""
SQLITE = '[broker]\nkind = "sqlite"\npath = "messages.db"\n'


def started(more=""):
    return Daemon(POLICY, more=more)


class Client:
    """A user's connection; what is no answer waits in `heard`."""

    def __init__(self, daemon, user):
        self.url = f"ws://127.0.0.1:{daemon.port}/chat?token={daemon.token(user)}"
        self.heard = []
        self.asked = 0

    async def __aenter__(self):
        self.socket = await websockets.connect(self.url)
        self.hello = json.loads(await self.socket.recv())
        assert self.hello["type"] == "$hello", self.hello
        return self

    async def __aexit__(self, *_):
        await self.socket.close()

    async def ask(self, kind, **members):
        self.asked += 1
        await self.socket.send(json.dumps({"type": kind, "$id": self.asked, **members}))
        while (message := json.loads(await asyncio.wait_for(self.socket.recv(), 20))).get("re") != self.asked:
            self.heard.append(message)
        return message

    async def publish(self, channel, n, **members):
        return await self.ask("$publish", channel=channel, data={"n": n}, **members)

    async def next(self):
        if self.heard:
            return self.heard.pop(0)
        return json.loads(await asyncio.wait_for(self.socket.recv(), 20))

    async def message(self):
        """The next that somebody published."""
        while "$" not in (message := await self.next()):
            assert message["type"] in ("$join", "$subscribed"), message
        return message

    async def numbers(self, count):
        return [(await self.message())["n"] for _ in range(count)]

    async def quiet(self):
        """Nothing is on its way: what comes first is the answer."""
        assert (await self.ask("$ping"))["type"] == "$pong"
        assert not [message for message in self.heard if "$" in message], self.heard


async def test_recovery():
    """What was missed comes once, in order, before what is new; a gap is told."""
    with started() as daemon:
        async with Client(daemon, "ann") as writer:
            async with Client(daemon, "bob") as reader:
                first = await reader.ask("$subscribe", channel="room/a")
                assert first["offset"] == 0 and "recovered" not in first, first
                await writer.publish("room/a", 1)
                at = (await reader.message())["$"]
                assert at["offset"] == 1 and at["epoch"] == first["epoch"]
            for n in range(2, 31):
                assert (await writer.publish("room/a", n))["offset"] == n
            since = {"epoch": at["epoch"], "offset": 1}
            async with Client(daemon, "bob") as reader:
                again = await reader.ask("$subscribe", channel="room/a", since=since)
                assert again["recovered"] and again["offset"] == 30, again
                await writer.publish("room/a", 31)
                assert await reader.numbers(30) == list(range(2, 32))
                await reader.quiet()
                page = (await reader.ask("$history", channel="room/a", limit=3, reverse=True))["data"]
                assert [m["n"] for m in page["messages"]] == [31, 30, 29] and page["more"], page
            for n in range(32, 90):
                await writer.publish("room/a", n)
            async with Client(daemon, "bob") as reader:
                gap = await reader.ask("$subscribe", channel="room/a", since=since)
                assert gap["recovered"] is False and gap["offset"] == 89, gap
                await reader.quiet()
            async with Client(daemon, "eve") as eve:
                assert (await eve.ask("$history", channel="room/a"))["error"] == "forbidden"


async def test_many_channels_at_once():
    """Who comes again names all channels in one message, and gets what each of them kept."""
    with started(SQLITE) as daemon:
        async with Client(daemon, "ann") as writer, Client(daemon, "bob") as reader:
            names = [f"room/{n}" for n in range(50)]
            ends = {}
            for name in names:
                for n in range(4):
                    ends[name] = await writer.publish(name, n)
            ask = [{"channel": name, "since": {"epoch": ends[name]["epoch"], "offset": 1}} for name in names]
            await reader.socket.send(json.dumps({"type": "$subscribe", "$id": 9, "channels": [*ask, "secret", "mail/x"]}))
            answers, heard = [], {name: [] for name in names}
            while len(answers) < 52 or any(len(of) < 3 for of in heard.values()):
                message = await reader.next()
                if message.get("re") == 9:
                    answers.append(message)
                elif "$" in message:
                    heard[message["$"]["channel"]].append(message["n"])
            assert all(of == [1, 2, 3] for of in heard.values()), heard
            assert all(a["recovered"] for a in answers if a["type"] == "$subscribed"), answers
            refused = [(a["channel"], a["error"]) for a in answers if a["type"] == "$error"]
            assert refused == [("secret", "forbidden"), ("mail/x", "forbidden")], refused
            await reader.socket.send(json.dumps({"type": "$unsubscribe", "$id": 10, "channels": names}))
            for name in names:
                message = await reader.next()
                while message["type"] in ("$join", "$leave"):
                    message = await reader.next()
                assert message == {"type": "$unsubscribed", "re": 10, "channel": name}, message


async def test_another_numbering():
    """The memory of a daemon that has ended is lost, and who comes back is told so."""
    with started() as daemon:
        async with Client(daemon, "ann") as client:
            at = await client.publish("room/a", 1)
        daemon.stop()
        daemon.start()
        async with Client(daemon, "ann") as client:
            back = await client.ask("$subscribe", channel="room/a",
                                    since={"epoch": at["epoch"], "offset": at["offset"]})
            assert back["recovered"] is False and back["epoch"] != at["epoch"], back


async def mail(daemon, restart):
    async with Client(daemon, "bob") as bob:
        for n in range(1, 4):
            assert (await bob.publish("mail/ann", n))["offset"] == n
        async with Client(daemon, "ann") as phone:
            assert phone.hello["channels"][0]["channel"] == "mail/ann"
            assert await phone.numbers(3) == [1, 2, 3]
            assert (await phone.ask("$ack", channel="mail/ann", offset=2))["type"] == "$ok"
    restart()
    async with Client(daemon, "bob") as bob:
        assert (await bob.publish("mail/ann", 4, dedup="four"))["offset"] == 4
        again = await bob.publish("mail/ann", 4, dedup="four")
        assert again["offset"] == 4 and again["duplicate"], again
    restart()
    async with Client(daemon, "ann") as laptop:
        assert await laptop.numbers(2) == [3, 4]
        await laptop.quiet()
        told = json.loads(run("progress", "mail/ann", "ann", "--config", daemon.config).stdout)
        assert (told["offset"], told["delivered"], told["acknowledged"]) == (4, 4, 2), told


async def test_mail():
    with started() as daemon:
        await mail(daemon, lambda: None)


async def test_mail_survives_kills():
    """The lid is closed, others write, the daemon is killed, and she comes back on another device."""
    with started(SQLITE) as daemon:
        def restart():
            daemon.process.kill()
            daemon.process.wait()
            daemon.start()
        await mail(daemon, restart)


async def test_presence():
    with started() as daemon:
        async with Client(daemon, "ann") as ann:
            await ann.ask("$subscribe", channel="room/a")
            assert (await ann.next())["type"] == "$join"  # her own
            async with Client(daemon, "bob") as bob:
                await bob.ask("$subscribe", channel="room/a")
                assert await ann.next() == {"type": "$join", "channel": "room/a", "user": "bob"}
                who = (await bob.ask("$presence", channel="room/a"))["data"]
                assert [one["user"] for one in who["users"]] == ["ann", "bob"] and who["total"] == 2, who
            assert await ann.next() == {"type": "$leave", "channel": "room/a", "user": "bob"}
            who = (await ann.ask("$presence", channel="room/a"))["data"]
            assert [one["user"] for one in who["users"]] == ["ann"], who


async def test_gathering():
    """Conflation gives the newest of each key, a batch gives all, later."""
    with started() as daemon:
        async with Client(daemon, "ann") as ann, Client(daemon, "bob") as bob:
            await ann.ask("$subscribe", channel="cursor/1")
            await ann.ask("$subscribe", channel="feed")
            for n in range(20):  # none waits for the answer to another
                await bob.socket.send(json.dumps({"type": "$publish", "channel": "cursor/1", "data": {"n": n}, "key": "x"}))
            heard = []
            while not heard or heard[-1] != 19:
                heard += await ann.numbers(1)
            assert heard[0] == 0 and len(heard) < 20, heard
            assert daemon.metric("wayleave_conflated_total") == 20 - len(heard)
            for n in range(3):
                await bob.publish("feed", n)
            assert await ann.numbers(3) == [0, 1, 2]


async def test_server():
    """What an application's server on the same machine does over the control socket."""
    with started() as daemon:
        def publish(channel, data, *more):
            return run("publish", channel, data, "--config", daemon.config, *more)
        async with Client(daemon, "ann") as ann:
            told = json.loads(publish("mail/ann", '{"n": 1}', "--dedup", "a").stdout)
            assert told["offset"] == 1 and not told["duplicate"], told
            assert json.loads(publish("mail/ann", '{"n": 1}', "--dedup", "a").stdout)["duplicate"]
            assert await ann.numbers(1) == [1]
            await ann.quiet()
            assert "receivers" not in told
        # Nobody is there: that is said, and of a name that no block knows more is said.
        told = json.loads(publish("mail/nobody", '{"n": 1}').stdout)
        assert told["receivers"] == 0 and "note" not in told, told
        told = json.loads(publish("mial/ann", '{"n": 1}').stdout)
        assert told["receivers"] == 0 and "no channel block" in told["note"], told
        # Without its socket the daemon makes another.
        os.unlink(daemon.path("run/control.sock"))
        daemon.wait_log("event=control-remade")
        assert publish("mail/ann", '{"n": 1}').returncode == 0
        for wrong, words in (
                (publish("mail//ann", "{}"), "a segment of it is empty"),
                (publish("$canary", "{}"), "character 1 is `$`"),
                (publish("cursor/1", "{}"), "this channel needs `key`"),
                (publish("mail/ann", "[1]"), "no JSON object"),
                (publish("mail/ann", '{"$": 1}'), "begin with `$`"),
                (publish("mail/ann", '{"type": "$bye"}'), "begin with `$`"),
                (publish("room/a", "{}", "--dedup", "a"), "has no `dedup`"),
                (run("progress", "room/a", "ann", "--config", daemon.config), "has no `acks`")):
            assert wrong.returncode == 65 and words in wrong.stderr, wrong


if __name__ == "__main__":
    main(globals())
