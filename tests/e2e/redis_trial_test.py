#!/usr/bin/python3
"""Three nodes as an operator meets them: a node is killed, Redis stands still, the primary dies, Redis forgets everything, a
node is upgraded; and meanwhile clients roam and publish. Whoever listens has all of what was acknowledged, or was told."""
import asyncio
import os
import random
import shutil
import signal

import websockets
from client import Client
from daemon import PATIENCE, TOKEN_BLOCK, wait_until
from redis_server import ready
from runner import main
from sentinel_lab import Lab

POLICY = TOKEN_BLOCK + """
channel room/** { history = 1000  keep = 1h }
route chat /ws {
    auth    = demo
    origins = { none }
    max_subscriptions = 10
    allow connect
    allow subscribe, publish on room/:room
}
"""
ROOMS = [f"room/{n}" for n in range(4)]
LISTENERS = int(os.environ.get("TRIAL_LISTENERS", "60"))
PUBLISHERS = 6
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)


class Record:
    """What one listener has heard in one channel: never a hole of which nobody told it."""

    def __init__(self):
        self.epoch = self.last = None
        self.heard = {}
        self.gaps = 0

    def stands(self, message):
        if message.get("recovered") is True:
            assert message["epoch"] == self.epoch, f"recovered in {message}, and it was in {self.epoch}"
            return
        self.gaps += self.epoch is not None
        self.epoch, self.last = message["epoch"], message["offset"]

    def take(self, message):
        offset = message["$"]["offset"]
        assert self.epoch is not None, f"{message} before it was said where the channel stands"
        assert offset == self.last + 1, f"{message} after {self.last} of {self.epoch}, and nobody said a word"
        self.last = offset
        self.heard[self.epoch, offset] = message["text"]


class Trial:
    def __init__(self, nodes):
        self.nodes = nodes
        self.random = random.Random(SEED)
        self.records = []
        self.acknowledged = {}  # by channel, epoch and offset
        self.refused = 0
        self.roamed = 0
        self.wrong = []
        self.quiet = self.over = False  # nobody publishes any more; nobody listens

    async def connect(self, user):
        while not self.over:
            try:
                return await Client.open(self.random.choice(self.nodes), user=user)
            except (OSError, asyncio.TimeoutError, websockets.WebSocketException):
                await asyncio.sleep(0.2)
        return None

    async def listen(self, number):
        records = {room: Record() for room in ROOMS}
        self.records.append(records)
        while not self.over and (client := await self.connect(f"listener{number}")):
            try:
                await self.hear(client, records)
            except websockets.ConnectionClosed:
                self.roamed += 1
            except AssertionError as wrong:
                self.wrong.append(f"listener {number}: {wrong}")
                return

    async def hear(self, client, records):
        for room, record in records.items():
            since = {"since": {"epoch": record.epoch, "offset": record.last}} if record.epoch else {}
            await client.send("$subscribe", channel=room, more={"$id": room}, **since)
        stay = asyncio.get_running_loop().time() + self.random.uniform(5, 40)
        while not self.over and asyncio.get_running_loop().time() < stay:
            try:
                message = await asyncio.wait_for(client.next(), 1)
            except asyncio.TimeoutError:
                continue
            if message.get("type") == "$subscribed":
                records[message["channel"]].stands(message)
            elif message.get("type") == "$error" and message.get("re") in records:
                await asyncio.sleep(0.3)  # not available now
                record = records[message["re"]]
                since = {"since": {"epoch": record.epoch, "offset": record.last}} if record.epoch else {}
                await client.send("$subscribe", channel=message["re"], more={"$id": message["re"]}, **since)
            elif "text" in message:
                records[message["$"]["channel"]].take(message)
        await client.close()
        self.roamed += 1

    async def publish(self, number):
        said = 0
        while not self.quiet and (client := await self.connect(f"publisher{number}")):
            try:
                while not self.quiet:
                    said += 1
                    room, text = self.random.choice(ROOMS), f"{number}/{said}"
                    answer = await client.ask("$publish", channel=room, data={"text": text})
                    if answer["type"] == "$ok":
                        self.acknowledged[room, answer["epoch"], answer["offset"]] = text
                    else:
                        self.refused += 1
                    await asyncio.sleep(self.random.uniform(0.01, 0.1))
            except (websockets.ConnectionClosed, asyncio.TimeoutError):
                continue

    def compare(self):
        """Who stood in an epoch before a publication and after it has that one, and no other, at its place."""
        compared = 0
        for records in self.records:
            for room, record in records.items():
                for (epoch, offset), text in record.heard.items():
                    there = self.acknowledged.get((room, epoch, offset))
                    assert there in (None, text), f"{room} {epoch}:{offset} is {text} for one, and {there} was acknowledged"
                    compared += there is not None
        return compared

    def all_are_there(self):
        tops = {}
        for records in self.records:
            for room, record in records.items():
                tops.setdefault(room, set()).add((record.epoch, record.last))
        return all(len(one) == 1 for one in tops.values())


async def soon(condition, what):
    await asyncio.to_thread(wait_until, condition, what)


async def all_ready(nodes):
    await soon(lambda: all(ready(one) for one in nodes), "all nodes are ready")


async def kill_a_node(nodes, _):
    nodes[2].signal(signal.SIGKILL)
    nodes[2].process.wait()
    await asyncio.sleep(2)
    await asyncio.to_thread(nodes[2].start)


async def redis_stands_still(nodes, lab):
    # Longer than a Sentinel waits, so that it would fail over: it is told to wait.
    for one in lab.sentinels:
        one.ask("SENTINEL", "SET", "mymaster", "down-after-milliseconds", "60000")
    lab.primary.process.send_signal(signal.SIGSTOP)
    await soon(lambda: not any(ready(one) for one in nodes), "the balancers are told")
    await asyncio.sleep(7)
    lab.primary.process.send_signal(signal.SIGCONT)
    await all_ready(nodes)
    for one in lab.sentinels:
        one.ask("SENTINEL", "SET", "mymaster", "down-after-milliseconds", "1000")


async def the_primary_dies(nodes, lab):
    lab.primary.kill()
    await soon(lambda: lab.replica.ask("ROLE").startswith(b"*3\r\n$6\r\nmaster"), "the replica is the primary")


async def redis_forgets(nodes, lab):
    lab.replica.kill()
    await soon(lambda: not any(ready(one) for one in nodes), "the balancers are told")
    lab.replica.options = ()
    lab.replica.start()


async def upgrade_a_node(nodes, _):
    nodes[1].signal(signal.SIGTERM)
    await asyncio.to_thread(nodes[1].process.wait, PATIENCE)
    await asyncio.to_thread(nodes[1].start)


async def test_an_operators_day():
    print(f"      SEED={SEED}")
    with Lab() as lab:
        nodes = [lab.node(POLICY, f'node_name = "node{n}"') for n in range(3)]
        for other in nodes[1:]:
            shutil.copy(nodes[0].path("keys/demo.key"), other.path("keys/demo.key"))
        trial = Trial(nodes)
        try:
            for one in nodes:
                await asyncio.to_thread(one.start)
            await all_ready(nodes)
            tasks = [asyncio.create_task(trial.listen(n)) for n in range(LISTENERS)]
            tasks += [asyncio.create_task(trial.publish(n)) for n in range(PUBLISHERS)]
            for fault in (kill_a_node, redis_stands_still, the_primary_dies, redis_forgets, upgrade_a_node):
                await asyncio.sleep(3)
                began, before = asyncio.get_running_loop().time(), len(trial.acknowledged)
                await fault(nodes, lab)
                await all_ready(nodes)
                back = asyncio.get_running_loop().time() - began
                now = len(trial.acknowledged)
                await soon(lambda: len(trial.acknowledged) > now + 20 or trial.wrong, f"publications after {fault.__name__}")
                assert not trial.wrong, trial.wrong[:3]
                gaps = sum(record.gaps for records in trial.records for record in records.values())
                print(f"      {fault.__name__}: all nodes ready after {back:.1f} s, {now - before} acknowledged meanwhile, "
                      f"{trial.refused} refused and {gaps} gaps told so far")
            trial.quiet = True
            await asyncio.gather(*tasks[LISTENERS:])
            await soon(lambda: trial.all_are_there() or trial.wrong, "all listeners stand at the same place")
            trial.over = True
            await asyncio.gather(*tasks[:LISTENERS])
            assert not trial.wrong, trial.wrong[:3]
            compared = trial.compare()
            print(f"      {len(trial.acknowledged)} acknowledged, {compared} deliveries compared, {trial.roamed} roamed")
            assert compared > len(trial.acknowledged)
            for one in nodes:
                assert one.log().count("event=bug") == 0
        finally:
            trial.quiet = trial.over = True
            for one in nodes:
                one.stop()


main(globals())
