#!/usr/bin/python3
"""Publications that are answered when a replica of Redis has them: none of those is lost with the primary."""
import asyncio
import signal

from client import Client
from daemon import TOKEN_BLOCK, run, wait_until
from redis_server import Redis, ready
from runner import main
from sentinel_lab import Lab

POLICY = TOKEN_BLOCK + """
channel room/** { history = 50000  keep = 1h  dedup = 10m }
channel loud/*  { history = 0 }
route chat /ws {
    auth    = demo
    origins = { none }
    allow connect
    allow subscribe, publish, history, presence on room/:room, loud/*
}
"""

SYNC = 'sync = "replicas"'


async def soon(condition, what):
    await asyncio.to_thread(wait_until, condition, what)


def replica_of(primary):
    return ("--replicaof", "127.0.0.1", str(primary.port), "--repl-diskless-sync-delay", "0")


class Publisher:
    """Sends one message after another into a channel of its own, each until it is answered."""

    def __init__(self, client, channel):
        self.client = client
        self.channel = channel
        self.answered = []
        self.refused = set()
        self.stopped = False

    async def run(self):
        number = 0
        while not self.stopped:
            number += 1
            while not self.stopped:
                answer = await self.client.ask("$publish", channel=self.channel, dedup=f"{self.channel}-{number}",
                                               data={"text": str(number)})
                if answer["type"] == "$ok":
                    self.answered.append(number)
                    await asyncio.sleep(0.005)
                    break
                assert answer["error"] == "unavailable", answer
                self.refused.add(number)
                await asyncio.sleep(0.02)

    async def kept(self, client):
        """What the history has, in its order."""
        newest = (await client.must("$history", channel=self.channel, limit=1))["data"]
        numbers, offset = [], 0
        while True:
            page = (await client.must("$history", channel=self.channel, limit=1000,
                                      since={"epoch": newest["epoch"], "offset": offset}))["data"]
            numbers += [int(message["text"]) for message in page["messages"]]
            if not page["more"]:
                return numbers
            offset = page["messages"][-1]["$"]["offset"]


async def test_nothing_that_was_answered_is_lost_with_the_primary():
    with Lab() as lab:
        async with lab.node(POLICY, SYNC) as a, lab.node(POLICY, SYNC) as b:
            await soon(lambda: ready(a) and ready(b), "both are ready")
            publishers = [Publisher(await Client.open(node, user=f"u{i}"), f"room/{i}")
                          for i, node in enumerate([a, b, a, b, a, b])]
            tasks = [asyncio.create_task(one.run()) for one in publishers]
            await soon(lambda: all(len(one.answered) > 100 for one in publishers), "publications are answered")
            lab.primary.kill()
            await soon(lambda: lab.replica.ask("ROLE").startswith(b"*3\r\n$6\r\nmaster"), "the replica is the primary")
            # It has no replica of its own yet: what comes now is kept, and not confirmed.
            await soon(lambda: ready(a) and ready(b), "both are ready again")
            await soon(lambda: a.metric("wayleave_redis_unconfirmed_total") > 0, "publications are not confirmed")
            before = [len(one.answered) for one in publishers]
            lab.primary.options = replica_of(lab.replica)
            lab.primary.start()
            await soon(lambda: all(len(one.answered) > n + 100 for one, n in zip(publishers, before)),
                       "publications are answered again")
            for one in publishers:
                one.stopped = True
            await asyncio.gather(*tasks)
            reader = await Client.open(b, user="reader")
            for one in publishers:
                kept = await one.kept(reader)
                assert set(one.answered) <= set(kept), sorted(set(one.answered) - set(kept))
                # Sent again with their ids, those that were not answered are there once.
                assert len(kept) == len(set(kept)), kept
                assert kept == sorted(kept), kept
            assert any(one.refused for one in publishers)


async def test_while_a_replica_stands_still_all_else_goes_on():
    with Redis() as redis, Redis(*replica_of(redis)) as replica:
        await soon(lambda: b"state=online" in redis.ask("INFO", "replication"), "the replica is connected")
        async with redis.node(POLICY, settings=SYNC) as a, redis.node(POLICY, settings=SYNC) as b:
            ann, bob = await Client.open(a, user="ann"), await Client.open(b, user="bob")
            await bob.subscribe("room/1")
            await bob.subscribe("loud/1")
            sent = {}
            while sent.get("type") != "$ok":  # a replica that has just come may be late
                sent = await ann.ask("$publish", channel="room/1", dedup="0", data={"text": "before"})
            await bob.wait_for(None, text="before")
            dials = a.metric("wayleave_redis_dials_total")
            replica.process.send_signal(signal.SIGSTOP)
            said = await ann.refused("$publish", "unavailable", channel="room/1", dedup="1", data={"text": "late"})
            assert "too few replicas of Redis have it" in said["because"], said
            heard = await bob.wait_for(None, text="late")  # it is kept and delivered
            assert heard["$"]["offset"] == sent["offset"] + 1, heard
            for i in range(5):
                waiting = asyncio.create_task(
                    ann.ask("$publish", channel="room/1", dedup="2", data={"text": "later"}))
                eve = await Client.open(b, user="eve")
                page = await eve.must("$history", channel="room/1")
                assert "late" in [m["text"] for m in page["data"]["messages"]], page
                await eve.subscribe(f"room/other{i}")
                await eve.must("$publish", channel="loud/1", data={"text": f"loud {i}"})
                await bob.wait_for(None, text=f"loud {i}")
                answer = await waiting
                assert answer["type"] == "$error" and answer["error"] == "unavailable", answer
                assert ready(a) and ready(b)
            for i in range(8):  # longer than a broker that accepts nothing is waited for
                await ann.ask("$publish", channel="room/1", dedup="2", data={"text": "later"})
                await asyncio.sleep(1)
                assert ready(a) and ready(b), i
            await soon(lambda: "event=redis-replicas-missing" in a.log(), "it is said")
            assert "has 0 replicas that keep up" in a.log() and a.metric("wayleave_redis_replicas") == 0
            assert a.metric("wayleave_redis_unconfirmed_total") >= 6
            a.edit("wayleave.toml", '[admin]\naddress = "127.0.0.1:0"', f'[admin]\naddress = "127.0.0.1:{a.admin_port}"')
            seen = await asyncio.to_thread(run, "doctor", "--config", a.config)
            assert seen.returncode == 2 and "replicas of Redis that keep up: 0, and redis.replicas wants 1" in seen.stdout, seen
            replica.process.send_signal(signal.SIGCONT)

            again = {}

            async def confirmed():
                again.update(await ann.ask("$publish", channel="room/1", dedup="1", data={"text": "late"}))
                return again["type"] == "$ok"
            while not await confirmed():
                await asyncio.sleep(0.1)
            assert again["offset"] == heard["$"]["offset"] and again["duplicate"] is True, again
            await ann.ask("$publish", channel="room/1", data={"text": "after"})
            await bob.wait_for(None, text="after")
            await soon(lambda: "event=redis-replicas-back" in a.log(), "it is said again")
            assert a.metric("wayleave_redis_dials_total") == dials  # no connection was lost over it


main(globals())
