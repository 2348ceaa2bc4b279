#!/usr/bin/python3
"""Who is in a channel, who has a place and who is banned, at several daemons on one Redis: nodes die, stand still and come back."""
import asyncio
import http.client
import json
import shutil
import signal

from client import Client, status_of
from daemon import PATIENCE, TOKEN_BLOCK, run, wait_until
from raw import KEY, Raw
from redis_server import Redis, ready
from runner import main

POLICY = TOKEN_BLOCK + """
channel room/:x { presence = true  join_leave = true  presence_grace = 0s }
channel slow/:x { presence = true  join_leave = true  presence_grace = 1s }
route chat /ws {
    auth    = demo
    origins = { none }
    allow connect
    allow subscribe, presence on room/:x, slow/:x
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
    limit connections to 2 per user.sub because "two are enough"
}
route door /door {
    auth    = demo
    origins = { none }
    allow connect
    ban ip for 1h up to 2h after 3 refusals per 1m because "too many refused requests"
}
"""


async def soon(condition, what):
    await asyncio.to_thread(wait_until, condition, what)


async def present(client, channel="room/1"):
    answer = await client.must("$presence", channel=channel)
    return {one["user"]: one["connections"] for one in answer["data"]["users"]}


async def until_present(client, wanted, channel="room/1"):
    while (found := await present(client, channel)) != wanted:
        await asyncio.sleep(0.1)


def kill(daemon):
    daemon.signal(signal.SIGKILL)
    daemon.process.wait()
    shutil.rmtree(daemon.root, ignore_errors=True)


async def test_join_and_leave_are_those_of_all_nodes():
    with Redis() as redis:
        async with redis.node(POLICY) as a, redis.node(POLICY) as b:
            ann = await Client.open(a, user="ann")
            await ann.send("$subscribe", channel="room/1")
            await ann.wait_for("$join", user="ann")  # as with one daemon, she hears of herself
            assert await present(ann) == {"ann": 1}
            bob, again = await Client.open(b, user="bob"), await Client.open(b, user="ann")
            await bob.subscribe("room/1")
            await ann.wait_for("$join", user="bob")
            await again.subscribe("room/1")
            await until_present(bob, {"ann": 2, "bob": 1})
            await ann.close()
            await until_present(bob, {"ann": 1, "bob": 1})
            await again.close()
            left = await bob.wait_for("$leave", user="ann")
            assert left["channel"] == "room/1"
            redis.ask("SCRIPT", "FLUSH")
            eve = await Client.open(a, user="eve")
            await eve.subscribe("room/1")
            await bob.wait_for("$join", user="eve")
            assert await present(eve) == {"bob": 1, "eve": 1}


async def test_the_users_of_a_node_that_died_are_gone():
    with Redis() as redis:
        async with redis.node(POLICY) as a:
            b = redis.node(POLICY)
            b.start()
            ann = await Client.open(a, user="ann")
            await ann.subscribe("room/1")
            await ann.subscribe("slow/1")
            bob, both = await Client.open(b, user="bob"), await Client.open(b, user="ann")
            for channel in ("room/1", "slow/1"):
                await bob.subscribe(channel)
                await both.subscribe(channel)
            await until_present(ann, {"ann": 2, "bob": 1})
            await until_present(ann, {"ann": 2, "bob": 1}, "slow/1")
            kill(b)
            for channel in ("room/1", "slow/1"):
                await ann.wait_for("$leave", user="bob", channel=channel)
                assert await present(ann, channel) == {"ann": 1}


async def test_a_node_that_stood_still_writes_its_users_anew():
    with Redis() as redis:
        async with redis.node(POLICY) as a, redis.node(POLICY) as b:
            ann, bob = await Client.open(a, user="ann"), await Client.open(b, user="bob")
            await ann.subscribe("room/1")
            await bob.subscribe("room/1")
            await ann.wait_for("$join", user="bob")
            b.signal(signal.SIGSTOP)
            await ann.wait_for("$leave", user="bob")
            b.signal(signal.SIGCONT)
            await ann.wait_for("$join", user="bob")
            await until_present(bob, {"ann": 1, "bob": 1})
            await bob.close()
            await ann.wait_for("$leave", user="bob")
            assert await present(ann) == {"ann": 1}


async def test_redis_has_lost_who_is_there_and_nobody_is_told():
    with Redis() as redis:
        async with redis.node(POLICY) as a, redis.node(POLICY) as b:
            ann, bob = await Client.open(a, user="ann"), await Client.open(b, user="bob")
            await ann.subscribe("room/1")
            await bob.subscribe("room/1")
            await ann.wait_for("$join", user="bob")
            redis.kill()
            await soon(lambda: not ready(a) and not ready(b), "/readyz is 503 at both")
            refused = await ann.ask("$presence", channel="room/1")
            assert refused["error"] == "unavailable", refused
            redis.start()
            await soon(lambda: ready(a) and ready(b), "/readyz is 200 at both")
            await until_present(ann, {"ann": 1, "bob": 1})
            await until_present(bob, {"ann": 1, "bob": 1})
            await ann.send("$ping", more={"$id": "quiet"})
            while (message := await ann.next()).get("type") != "$pong":
                assert message["type"] not in ("$join", "$leave"), message
            await bob.close()
            await ann.wait_for("$leave", user="bob")


async def test_the_oldest_connection_gives_way_at_whichever_node():
    with Redis() as redis:
        async with redis.node(POLICY) as a, redis.node(POLICY, like=a) as b:
            first = await Client.open(a, "/one", user="ann")
            await soon(lambda: redis.count("s") == 1, "she has a place")
            second = await Client.open(b, "/one", user="ann")
            bye = (await first.closed())[0][-1]
            assert bye["type"] == "$bye" and bye["reason"] == "replaced", bye
            third = await Client.open(a, "/one", user="ann")
            assert (await second.closed())[0][-1]["reason"] == "replaced"
            await third.quiet()
            await third.close()
            await soon(lambda: redis.count("s") == 0, "the place is free")
            # Without Redis each node counts its own.
            fourth = await Client.open(a, "/one", user="ann")
            await soon(lambda: redis.count("s") == 1, "she has a place again")
            redis.process.send_signal(signal.SIGSTOP)
            await soon(lambda: not ready(a) and not ready(b), "/readyz is 503 at both")
            fifth = await Client.open(b, "/one", user="ann")
            sixth = await Client.open(b, "/one", user="ann")
            assert (await fifth.closed())[0][-1]["reason"] == "replaced"
            await fourth.quiet()
            redis.process.send_signal(signal.SIGCONT)
            # And when it is back one is left.
            assert (await fourth.closed())[0][-1]["reason"] == "replaced"
            await sixth.quiet()


def stream(daemon, user):
    """The status of a request for a stream of events, and the connection."""
    raw = Raw(daemon.port)
    raw.send(f"GET /few HTTP/1.1\r\nHost: 127.0.0.1:{daemon.port}\r\nAccept: text/event-stream\r\n"
             f"Authorization: Bearer {daemon.token(user)}\r\n\r\n".encode())
    return raw.read_head()[0], raw


async def test_one_more_than_the_limit_is_refused_at_whichever_node():
    with Redis() as redis:
        async with redis.node(POLICY) as a, redis.node(POLICY, like=a) as b:
            first = await Client.open(a, "/few", user="ann")
            second = await Client.open(b, "/few", user="ann")
            assert await status_of(a, "/few", user="ann") == 429
            assert await status_of(b, "/few", user="ann") == 429
            assert stream(b, "ann")[0] == 429
            assert await status_of(b, "/few", user="bob") == 101, "another user"
            await second.close()
            for _ in range(300):
                status, kept = await asyncio.to_thread(stream, b, "ann")
                if status == 200:
                    break
                await asyncio.sleep(0.1)  # until what was given back is known
            assert status == 200
            assert await status_of(a, "/few", user="ann") == 429
            kept.close()
            await first.close()
            await soon(lambda: redis.count("o") == 0, "nobody has a place")
            answers = await asyncio.gather(*[status_of(node, "/few", user="max") for node in (a, b) for _ in range(5)])
            assert 101 in answers and set(answers) <= {101, 429}, answers
            await soon(lambda: redis.count("o") == 0, "nobody has a place")


async def test_places_of_a_node_that_died_and_without_redis():
    with Redis() as redis:
        async with redis.node(POLICY) as a:
            b = redis.node(POLICY, like=a)
            b.start()
            ann = [await Client.open(b, "/few", user="ann") for _ in range(2)]
            assert await status_of(a, "/few", user="ann") == 429
            kill(b)
            for _ in range(600):
                if await status_of(a, "/few", user="ann") == 101:
                    break
                await asyncio.sleep(0.1)
            else:
                raise AssertionError("the places of the dead are not free")
            del ann
            # Without Redis each node counts its own, and tells of it later.
            async with redis.node(POLICY, like=a) as c:
                one = await Client.open(a, "/few", user="bob")
                redis.process.send_signal(signal.SIGSTOP)
                await soon(lambda: not ready(a) and not ready(c), "/readyz is 503 at both")
                two, three = await Client.open(a, "/few", user="bob"), await Client.open(c, "/few", user="bob")
                assert await status_of(a, "/few", user="bob") == 429
                redis.process.send_signal(signal.SIGCONT)
                await soon(lambda: ready(a) and ready(c), "/readyz is 200 at both")
                for client in (one, two, three):
                    await client.quiet()
                for _ in range(600):
                    if await status_of(c, "/few", user="bob") == 429:
                        break
                    await asyncio.sleep(0.1)
                else:
                    raise AssertionError("what was counted without Redis is not known")


def handshake(daemon):
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)
    connection.request("GET", "/door", headers={"Upgrade": "websocket", "Connection": "Upgrade",
                                                "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def bans(daemon):
    asked = run("bans", "--config", daemon.config, "--format", "json")
    assert asked.returncode == 0, asked
    return json.loads(asked.stdout)["bans"]


def test_who_is_banned_at_one_node_is_banned_at_all():
    with Redis() as redis:
        with redis.node(POLICY) as a, redis.node(POLICY) as b:
            assert [handshake(a) for _ in range(3)] == [401] * 3
            wait_until(lambda: handshake(a) == 403 or bans(a), "the ban")
            wait_until(lambda: bans(b), "the other node has it")
            assert handshake(b) == handshake(a) != 401
            here, there = bans(a)[0], bans(b)[0]
            for one in (here, there):
                one["left_ms"] = 0
            assert here == there and here["who"] == "ip 127.0.0.1", (here, there)
            with redis.node(POLICY) as c:
                wait_until(lambda: bans(c), "one that comes later has it")
                # Lifted at one, lifted at all.
                lifted = run("bans", "lift", "127.0.0.1", "--config", c.config)
                assert lifted.returncode == 0 and lifted.stdout == "1 lifted\n", lifted
                wait_until(lambda: not bans(a) and not bans(b), "nobody has it")
                assert handshake(b) == handshake(a) == 401
            wait_until(lambda: redis.count("b") == 0, "nor has Redis")
            # What is lifted while Redis is away is lifted at the others when it is back.
            assert [handshake(a) for _ in range(2)] == [401] * 2
            wait_until(lambda: bans(b), "banned again")
            redis.process.send_signal(signal.SIGSTOP)
            wait_until(lambda: not ready(a), "/readyz is 503")
            assert run("bans", "lift", "127.0.0.1", "--config", a.config).returncode == 0
            assert bans(b)
            redis.process.send_signal(signal.SIGCONT)
            wait_until(lambda: not bans(b), "lifted there, too")


main(globals())
