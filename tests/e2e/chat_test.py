#!/usr/bin/python3
"""What goes over the wire between clients that behave."""
import asyncio
import re
import signal
import time

import websockets
from client import Client
from daemon import PATIENCE, TOKEN_BLOCK, Daemon, wait_until
from runner import main

POLICY = TOKEN_BLOCK + """
route chat /ws {
    auth       = demo
    origins    = { none }
    ping_every = 20s
    allow connect
    join user/{user.sub}
    allow subscribe on room/:room
    allow publish on room/:room

    message chat.say {
        field from : string required
        field room : string required
        allow
        deny if from != user.name because "that is not your name"
        publish to room/{room}
    }
    message chat.here {
        field room : string required
        allow
        publish to room/{room} except self
    }
    message chat.whisper {
        field to : string required
        allow
        publish to user/{to}
    }
}
"""


async def on_all_workers(daemon, workers, room):
    """Opens clients until each worker has one in the room; the kernel spreads them as it likes."""
    clients = []
    while daemon.metric("wayleave_channels") < 2 * workers - 0.5 or len(clients) < 4:
        assert len(clients) < 200, "200 connections, and all on one worker"
        client = await Client.open(daemon, user="alice")
        await client.subscribe("room/" + room)
        clients.append(client)
        await asyncio.sleep(0)
    return clients


async def test_hello():
    async with Daemon(POLICY) as daemon:
        client = await Client.open(daemon, user="alice")
        hello = client.hello
        assert re.fullmatch(r"[0-9a-f]{16}", hello["session"]), hello
        assert hello["user"] == "alice" and hello["ping_every"] == 20_000 and hello["max_message"] == 65536, hello
        assert hello["channels"] == [{"channel": "user/alice"}], hello
        assert 0 < hello["reconnect"]["min"] < hello["reconnect"]["max"], hello
        assert client.socket.subprotocol == "wayleave.v1", "the answer echoes the name and never the token"
        by_header = await Client.open(daemon, extra_headers={"Authorization": "Bearer " + daemon.token("bob")})
        assert by_header.hello["user"] == "bob" and by_header.socket.subprotocol is None
        assert by_header.hello["session"] != hello["session"]


async def test_messages_cross_workers():
    async with Daemon(POLICY) as daemon:
        clients = await on_all_workers(daemon, 2, "lobby")
        bob = await Client.open(daemon, user="bob")
        await bob.must("chat.say", room="lobby", **{"from": "bob"}, text="hello, äöü ☃")
        ids = set()
        for client in clients:
            message = await client.expect("chat.say", room="lobby", text="hello, äöü ☃")
            ids.add(message["$"]["id"])
        assert len(ids) == 1, f"one publication has one id, not {ids}"
        await bob.quiet()  # he did not subscribe


async def test_publication_is_the_message_and_one_member():
    async with Daemon(POLICY) as daemon:
        alice = await Client.open(daemon, user="alice")
        await alice.subscribe("room/a")
        before = time.time() * 1000
        await alice.raw('{"type":"chat.say", "from":"alice","room":"a","$id":"x","n":1.50,"deep":{"b":[1,{"c":null}]}}')
        message, answer = await alice.next(), await alice.next()
        if message["type"] == "$ok":
            message, answer = answer, message
        assert answer == {"type": "$ok", "re": "x"}, answer
        mark = message.pop("$")
        assert message == {"type": "chat.say", "from": "alice", "room": "a", "n": 1.5, "deep": {"b": [1, {"c": None}]}}
        assert mark["channel"] == "room/a" and mark["id"] and before - 1 <= mark["at"] <= time.time() * 1000 + 1, mark


async def test_except_self_and_presence():
    async with Daemon(POLICY) as daemon:
        alice, bob = await Client.open(daemon, user="alice"), await Client.open(daemon, user="bob")
        for one in (alice, bob):
            await one.subscribe("room/lobby")
        await alice.must("chat.here", room="lobby")
        await bob.expect("chat.here", room="lobby")
        await alice.quiet()  # not to herself


async def test_joined_channel_and_whisper():
    async with Daemon(POLICY) as daemon:
        alice, bob = await Client.open(daemon, user="alice"), await Client.open(daemon, user="bob")
        await alice.must("chat.whisper", to="bob", text="psst")
        await bob.expect("chat.whisper", text="psst")
        await alice.quiet()
        # Any value is one segment, and only its own user's.
        await alice.must("chat.whisper", to="bob/x", text="psst")
        await bob.quiet()
        refusal = await alice.refused("chat.whisper", "bad_message", to="")
        assert "channel" in refusal["because"], refusal


async def test_publish_by_name():
    async with Daemon(POLICY) as daemon:
        alice, bob = await Client.open(daemon, user="alice"), await Client.open(daemon, user="bob")
        await bob.subscribe("room/a")
        await alice.must("$publish", channel="room/a", data={"type": "note", "text": "by name"})
        message = await bob.expect("note", text="by name")
        assert message["$"]["channel"] == "room/a"
        await alice.refused("$publish", "forbidden", channel="user/bob", data={})
        await alice.refused("$publish", "bad_message", channel="room/a", data=[1])
        await alice.refused("$publish", "bad_message", channel="room/a", data={"$": 1})


async def test_unsubscribe():
    async with Daemon(POLICY) as daemon:
        alice = await Client.open(daemon, user="alice")
        answer = await alice.must("$subscribe", "$subscribed", channel="room/a", since={"epoch": "e", "offset": 3})
        assert answer["channel"] == "room/a" and answer["recovered"] is False, answer
        await alice.subscribe("room/a")  # again is no mistake
        await alice.must("$publish", channel="room/a", data={"type": "once"})
        answer = await alice.must("$unsubscribe", "$unsubscribed", channel="room/a")
        assert answer["channel"] == "room/a"
        await alice.must("$publish", channel="room/a", data={"type": "unheard"})
        await alice.quiet()
        await alice.refused("$unsubscribe", "bad_message", channel="room/a")


async def test_twice_subscribed_hears_once():
    async with Daemon(POLICY) as daemon:
        alice = await Client.open(daemon, user="alice")
        await alice.subscribe("room/a")
        await alice.subscribe("room/a")
        await alice.send("$publish", channel="room/a", data={"type": "once"})
        await alice.expect("once")
        await alice.quiet()


async def test_ids_and_ping():
    async with Daemon(POLICY) as daemon:
        alice = await Client.open(daemon, user="alice")
        for name in ("c1", 7, -1, "quo\"te\\ \u2603"):
            await alice.send("chat.here", room="a", more={"$id": name})
            await alice.expect("$ok", re=name)
            await alice.send("$ping", more={"$id": name})
            await alice.expect("$pong", re=name)
        await alice.send("chat.here", room="a")  # without an id there is no answer
        await alice.send("$ping")
        assert await alice.next() == {"type": "$pong"}
        await asyncio.wait_for(await alice.socket.ping(b"payload"), PATIENCE)


async def test_many_subscribers_all_hear_in_order():
    async with Daemon(POLICY) as daemon:
        clients = [await Client.open(daemon, user="alice") for _ in range(40)]
        for client in clients:
            await client.subscribe("room/a")
        bob = await Client.open(daemon, user="bob")
        for number in range(100):
            await bob.send("chat.here", room="a", number=number)

        async def all_in_order(client):
            for number in range(100):
                await client.expect("chat.here", number=number)

        await asyncio.gather(*map(all_in_order, clients))
        # Nobody is left in a channel when all are gone.
        await asyncio.gather(*(client.close() for client in clients + [bob]))
        wait_until(lambda: daemon.metric("wayleave_channels") == 0, "an empty table of channels")
        assert daemon.metric("wayleave_subscriptions") == 0


async def test_bye_on_sigterm():
    async with Daemon(POLICY) as daemon:
        clients = await on_all_workers(daemon, 2, "lobby")
        daemon.signal(signal.SIGTERM)
        for client in clients:
            messages, code = await client.closed()
            bye = messages[-1]
            assert bye["type"] == "$bye" and bye["code"] == 1001 and bye["reconnect"]["after_ms"] >= 0, messages
            assert code == 1001, code
        daemon.check_end()
        assert "STOPPING=1" in "\n".join(daemon.manager.messages)
        try:
            await Client.open(daemon, user="alice")
            assert False, "connected to a daemon that has ended"
        except OSError:
            pass


async def test_second_sigterm_ends_at_once():
    # 150 connections are closed over ten minutes; the second signal does not wait for it.
    async with Daemon(POLICY, workers=1, limits='drain = "10m"') as daemon:
        clients = await asyncio.gather(*(Client.open(daemon, user="alice") for _ in range(150)))
        daemon.signal(signal.SIGTERM)
        daemon.manager.wait_for("STOPPING=1")
        assert daemon.process.poll() is None, "the drain ended at once"
        assert daemon.admin("/readyz")[0] == 503 and daemon.admin("/healthz")[0] == 200
        daemon.signal(signal.SIGTERM)
        daemon.check_end()
        codes = [(await client.closed())[1] for client in clients]
        assert set(codes) <= {1001, 1006} and 1006 in codes, codes


async def test_anonymous_route_and_host_without_token():
    policy = "route open /open { auth = none  allow connect  allow subscribe on x }"
    async with Daemon(policy) as daemon:
        client = await Client.open(daemon, "/open")
        assert client.hello["user"] is None and client.hello["channels"] == [], client.hello
        await client.subscribe("x")
        client = await Client.open(daemon, "/open", subprotocols=["other", "wayleave.v1"])
        assert client.socket.subprotocol == "wayleave.v1"
        try:
            await Client.open(daemon, "/open", compression="deflate")
        except websockets.InvalidHandshake as error:
            assert False, f"a client that offers compression is served without it: {error}"


if __name__ == "__main__":
    main(globals())
