#!/usr/bin/python3
"""Two daemons and one Redis: publish at one, hear at the other; each of the three is killed, stopped or empty in turn."""
import asyncio
import os
import shutil
import signal

from client import Client
from daemon import PATIENCE, TOKEN_BLOCK, run, wait_until
from redis_server import Redis, first_tag, free_port, ready
from runner import main

POLICY = TOKEN_BLOCK + """
channel room/** { history = 1000  keep = 1h  dedup = 10m }
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


def node(redis, **options):
    return redis.node(POLICY, **options)


async def test_publish_at_one_and_hear_at_the_other():
    with Redis() as redis:
        async with node(redis) as a, node(redis) as b:
            ann, bob = await Client.open(a, user="ann"), await Client.open(b, user="bob")
            told = await bob.subscribe("room/1")
            sent = await ann.must("$publish", channel="room/1", data={"text": "hello"})
            assert sent["epoch"] == told["epoch"] and sent["offset"] == 1, (told, sent)
            heard = await bob.wait_for(None, text="hello")
            assert heard["$"]["offset"] == 1, heard
            # Ann goes on at the other node, where she left.
            await ann.must("$publish", channel="room/1", data={"text": "again"})
            again = await Client.open(b, user="ann")
            back = await again.must("$subscribe", "$subscribed", channel="room/1",
                                    since={"epoch": sent["epoch"], "offset": 1})
            assert back["recovered"] is True, back
            await again.wait_for(None, text="again")
            # Her mail waits for her, whoever writes it and wherever she is.
            await bob.must("$publish", channel="mail/ann", data={"text": "mail"})
            mail = await again.wait_for(None, text="mail")
            await again.must("$ack", channel="mail/ann", epoch=mail["$"]["epoch"], offset=mail["$"]["offset"])
            third = await Client.open(a, user="ann")
            # Where the channel stands may be told behind `$hello`, and nothing else is.
            await third.send("$ping", more={"$id": "quiet"})
            while (message := await third.next()).get("type") != "$pong":
                assert message.get("type") == "$subscribed", message
            # Without history, too.
            await bob.subscribe("loud/1")
            await asyncio.sleep(0.2)
            await ann.must("$publish", channel="loud/1", data={"text": "loud"})
            assert (await bob.wait_for(None, text="loud"))["$"].get("offset") is None
            assert a.metric("wayleave_redis_up") == 1 and b.metric("wayleave_redis_received_total") > 0


async def test_a_node_is_killed_and_its_clients_go_on_at_the_other():
    with Redis() as redis:
        async with node(redis) as a:
            b = node(redis)
            b.start()
            ann, bob = await Client.open(a, user="ann"), await Client.open(b, user="bob")
            told = await bob.subscribe("room/1")
            first = await bob.must("$publish", channel="room/1", data={"text": "1"})
            b.signal(signal.SIGKILL)
            b.process.wait()
            shutil.rmtree(b.root, ignore_errors=True)
            await ann.must("$publish", channel="room/1", data={"text": "2"})
            bob = await Client.open(a, user="bob")
            back = await bob.must("$subscribe", "$subscribed", channel="room/1",
                                  since={"epoch": told["epoch"], "offset": first["offset"]})
            assert back["recovered"] is True, back
            await bob.wait_for(None, text="2")


async def test_redis_stands_still_and_all_is_back_afterwards():
    with Redis() as redis:
        async with node(redis) as a, node(redis) as b:
            ann, bob = await Client.open(a, user="ann"), await Client.open(b, user="bob")
            await bob.subscribe("room/1")
            sent = await ann.must("$publish", channel="room/1", data={"text": "before"})
            await bob.wait_for(None, text="before")
            redis.process.send_signal(signal.SIGSTOP)
            await ann.refused("$publish", "unavailable", channel="room/1", data={"text": "lost"})
            await asyncio.to_thread(wait_until, lambda: not ready(a) and not ready(b), "/readyz is 503 at both")
            status, text = a.admin("/readyz")
            assert "Redis at 127.0.0.1" in text, text
            assert a.admin("/healthz")[0] == 200
            await ann.quiet()  # connections stay
            await asyncio.sleep(5)
            redis.process.send_signal(signal.SIGCONT)
            await asyncio.to_thread(wait_until, lambda: ready(a) and ready(b), "/readyz is 200 at both")
            again = await ann.must("$publish", channel="room/1", data={"text": "after"})
            assert again["epoch"] == sent["epoch"], (sent, again)  # it has lost nothing
            heard = await bob.wait_for(None, text="after")
            assert heard["$"]["offset"] == again["offset"]
            assert a.log().count("event=redis-down") <= 5, a.log()


async def test_a_redis_that_has_lost_everything_begins_new_epochs():
    with Redis() as redis:
        async with node(redis) as a, node(redis) as b:
            ann, bob = await Client.open(a, user="ann"), await Client.open(b, user="bob")
            await bob.subscribe("room/quiet")
            told = await bob.subscribe("room/1")
            await ann.must("$publish", channel="room/1", data={"text": "before"})
            redis.kill()
            await asyncio.to_thread(wait_until, lambda: not ready(a), "/readyz is 503")
            redis.start()
            await asyncio.to_thread(wait_until, lambda: ready(a) and ready(b), "/readyz is 200 at both")
            # Who listens is told, though nobody says anything.
            news = {}
            while not {"room/1", "room/quiet"} <= set(news):  # and perhaps his mail's
                message = await bob.wait_for("$subscribed", recovered=False)
                news[message["channel"]] = message
            assert news["room/1"]["epoch"] != told["epoch"]
            sent = await ann.must("$publish", channel="room/1", data={"text": "after"})
            assert sent["epoch"] == news["room/1"]["epoch"] and sent["offset"] == 1


class Address:
    """One at which two servers can be reached, one at a time, as behind a load balancer."""

    def __init__(self, *servers):
        self.servers, self.chosen, self.port = servers, servers[0], free_port()
        self.open = set()

    async def __aenter__(self):
        self.listener = await asyncio.start_server(self.pass_on, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_):
        self.listener.close()
        self.switch(None)

    def switch(self, server):
        self.chosen = server
        for writer in self.open:
            writer.transport.abort()

    async def pass_on(self, reader, writer):
        if self.chosen is None:
            return writer.transport.abort()
        there, back = await asyncio.open_connection("127.0.0.1", self.chosen.port)
        self.open |= {writer, back}

        async def copy(source, sink):
            try:
                while data := await source.read(65536):
                    sink.write(data)
            except OSError:
                pass
            sink.transport.abort()
        await asyncio.gather(copy(reader, back), copy(there, writer))
        self.open -= {writer, back}

    def node(self, policy, like=None):
        return Redis.node(self, policy, like=like)


async def test_back_at_a_server_that_never_heard_of_the_other():
    with Redis() as first, Redis() as second:
        async with Address(first, second) as address:
            a = address.node(POLICY)
            async with a, address.node(POLICY, like=a) as b:
                await asyncio.to_thread(wait_until, lambda: ready(a) and ready(b), "/readyz is 200 at both")
                ann, bob = await Client.open(a, user="ann"), await Client.open(b, user="bob")
                epochs = {(await bob.subscribe("room/1"))["epoch"]}
                for number, server in enumerate((first, second, first, second)):
                    if number > 0:
                        forks = a.metric("wayleave_redis_forks_total") + b.metric("wayleave_redis_forks_total")
                        address.switch(server)
                        await asyncio.to_thread(wait_until, lambda: a.metric("wayleave_redis_forks_total") +
                                                b.metric("wayleave_redis_forks_total") > forks, "a new generation")
                        news = await bob.wait_for("$subscribed", recovered=False, channel="room/1")
                        assert news["epoch"] not in epochs, (epochs, news)
                        epochs.add(news["epoch"])
                    await asyncio.to_thread(wait_until, lambda: ready(a) and ready(b), "/readyz is 200 at both")
                    for text in (f"{number}a", f"{number}b"):
                        await ann.must("$publish", channel="room/1", data={"text": text})
                        await bob.wait_for(None, text=text)


def test_redis_may_come_later():
    redis = Redis()
    with node(redis) as a:
        assert not ready(a)
        assert a.admin("/healthz")[0] == 200
        assert "event=redis-down" in a.log()
        with redis:
            wait_until(lambda: ready(a), "/readyz is 200")
            a.wait_log("event=redis-connected")


def test_a_redis_that_is_of_no_use_is_said():
    with Redis("--maxmemory-policy", "allkeys-lru") as redis:
        with node(redis) as a:
            assert "set maxmemory-policy noeviction" in a.admin("/readyz")[1]
            redis.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
            wait_until(lambda: ready(a), "/readyz is 200")
    with Redis() as redis:
        redis.ask("SET", "wayleave:1:{" + first_tag() + "}:schema", "9")
        a = node(redis)
        a.start(wait=False)
        assert a.process.wait(PATIENCE) == 78, a.log()
        assert "schema 9" in a.log(), a.log()
        shutil.rmtree(a.root, ignore_errors=True)


def test_a_password_stands_in_a_file_of_its_own():
    with Redis("--requirepass", "s3cret") as redis:
        a = node(redis)
        a.edit("wayleave.toml", "[redis]", '[redis]\npassword_file = "redis.password"')
        a.write("redis.password", "s3cret\n")
        refused = run("serve", "--config", a.config)
        assert refused.returncode == 78 and "chmod 0600" in refused.stderr, refused
        os.chmod(a.path("redis.password"), 0o600)
        with a:
            wait_until(lambda: ready(a), "/readyz is 200")
            assert "s3cret" not in a.log()


main(globals())
