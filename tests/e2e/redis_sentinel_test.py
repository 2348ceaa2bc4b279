#!/usr/bin/python3
"""Two daemons, a primary, a replica and three Sentinels, of which those that matter are killed."""
import asyncio
import os
import shutil
import subprocess

from client import Client
from daemon import TOKEN_BLOCK, Daemon, run, wait_until
from redis_server import Redis, free_port, ready
from runner import main

POLICY = TOKEN_BLOCK + """
channel room/** { history = 1000  keep = 1h  dedup = 10m }
route chat /ws {
    auth    = demo
    origins = { none }
    allow connect
    allow subscribe, publish, history on room/:room
}
"""


class Sentinel(Redis):
    def start(self):
        path = os.path.join(self.directory, "sentinel.conf")
        if not os.path.exists(path):
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"port {self.port}\nbind 127.0.0.1\ndir {self.directory}\n"
                           f"logfile {self.directory}/log\n"
                           f"sentinel monitor mymaster 127.0.0.1 {self.options[0]} 2\n"
                           "sentinel down-after-milliseconds mymaster 1000\n"
                           "sentinel failover-timeout mymaster 10000\n")
        self.process = subprocess.Popen(["redis-server", path, "--sentinel"], stdin=subprocess.DEVNULL)
        try:
            wait_until(lambda: self.ask("PING").startswith(b"+PONG"), "the Sentinel")
        except BaseException:
            self.kill()
            raise
        return self


class Lab:
    """A primary, its replica, and three Sentinels that know both."""

    def __enter__(self):
        self.primary = Redis().start()
        self.replica = Redis("--replicaof", "127.0.0.1", str(self.primary.port), "--repl-diskless-sync-delay", "0").start()
        self.sentinels = [Sentinel(str(self.primary.port)).start() for _ in range(3)]
        wait_until(lambda: b"state=online" in self.primary.ask("INFO", "replication"), "the replica is connected")
        for one in self.sentinels:
            wait_until(lambda: self.known(one, "num-slaves") == "1" and self.known(one, "num-other-sentinels") == "2",
                       "a Sentinel knows the others")
        return self

    @staticmethod
    def known(sentinel, name):
        parts = sentinel.ask("SENTINEL", "MASTER", "mymaster").decode().split("\r\n")
        return parts[parts.index(name) + 2] if name in parts else None

    def __exit__(self, *_):
        for one in (*self.sentinels, self.replica, self.primary):
            one.__exit__()

    def node(self):
        names = ", ".join(f'"127.0.0.1:{one.port}"' for one in self.sentinels)
        return Daemon(POLICY, more=f'\n[broker]\nkind = "redis"\n[redis]\nsentinels = [{names}]\nprimary = "mymaster"\n')


async def soon(condition, what):
    await asyncio.to_thread(wait_until, condition, what)


async def goes_on(lab, a, b, fail):
    """Publications before and after; nobody who listens misses one without a word."""
    await soon(lambda: ready(a) and ready(b), "both are ready")
    ann, bob = await Client.open(a, user="ann"), await Client.open(b, user="bob")
    told = await bob.subscribe("room/1")
    await ann.must("$publish", channel="room/1", data={"text": "before"})
    await bob.wait_for(None, text="before")
    fail()
    await soon(lambda: lab.replica.ask("ROLE").startswith(b"*3\r\n$6\r\nmaster"), "the replica is the primary")

    async def published():
        return (await ann.ask("$publish", channel="room/1", data={"text": "after"}))["type"] == "$ok"
    for _ in range(600):
        if b"connected_clients" in lab.replica.ask("INFO", "clients") and await published():
            if b"wayleave" in lab.replica.ask("CLIENT", "LIST"):
                break
        await asyncio.sleep(0.1)
    else:
        raise AssertionError("nothing was published at the new primary")
    await soon(lambda: ready(a) and ready(b), "both are ready again")
    news = await bob.wait_for("$subscribed", recovered=False)
    assert news["epoch"] != told["epoch"], (told, news)
    await ann.must("$publish", channel="room/1", data={"text": "last"})
    await bob.wait_for(None, text="last")
    assert a.metric("wayleave_redis_forks_total") + b.metric("wayleave_redis_forks_total") >= 1


async def test_the_primary_is_killed_and_a_sentinel_with_it():
    with Lab() as lab:
        async with lab.node() as a, lab.node() as b:
            def fail():
                lab.sentinels[0].kill()
                lab.primary.kill()
            await goes_on(lab, a, b, fail)


async def test_a_failover_by_hand_leaves_the_earlier_primary_alone():
    with Lab() as lab:
        async with lab.node() as a, lab.node() as b:
            # It stays up, and would go on to take what is written.
            await goes_on(lab, a, b, lambda: lab.sentinels[1].ask("SENTINEL", "FAILOVER", "mymaster"))
            assert b"wayleave" not in lab.primary.ask("CLIENT", "LIST")


def test_sentinels_that_know_nothing_are_said():
    sentinel = free_port()
    with Daemon(POLICY, more=f'\n[broker]\nkind = "redis"\n[redis]\nsentinels = ["127.0.0.1:{sentinel}"]\nprimary = "gone"\n') as a:
        assert not ready(a)
        wait_until(lambda: f"127.0.0.1:{sentinel} Connection refused" in a.admin("/readyz")[1], "why is said")
        assert "no Sentinel names a primary gone" in a.admin("/readyz")[1]
    with Redis() as redis:
        with Daemon(POLICY, more=f'\n[broker]\nkind = "redis"\n[redis]\nsentinels = ["127.0.0.1:{redis.port}"]\nprimary = "gone"\n') as a:
            wait_until(lambda: "it is no Sentinel but a master" in a.admin("/readyz")[1], "a server is no Sentinel")
    wrong = Daemon(POLICY, more='\n[broker]\nkind = "redis"\n[redis]\nsentinels = ["127.0.0.1:1"]\n')
    refused = run("serve", "--config", wrong.config)
    assert refused.returncode == 78 and "write primary" in refused.stderr, refused
    shutil.rmtree(wrong.root, ignore_errors=True)


async def test_nodes_hear_of_a_switch_where_they_may():
    with Lab() as lab:
        # One forbids it, with the rights that asking needs.
        rights = "+role +ping +sentinel|master +sentinel|get-master-addr-by-name"
        assert lab.sentinels[2].ask("ACL", "SETUSER", "default", "-@all", "+acl", "+client", *rights.split()).startswith(b"+OK")
        async with lab.node() as a:
            for one in lab.sentinels[:2]:
                await soon(lambda: b" sub=2 " in one.ask("CLIENT", "LIST"), "the news are subscribed to")
            await soon(lambda: ready(a), "it is ready")
            assert b" sub=2 " not in lab.sentinels[2].ask("CLIENT", "LIST")
            assert "the Sentinels" not in a.log()
            ann = await Client.open(a, user="ann")
            await ann.must("$publish", channel="room/1", data={"text": "before"})
            lab.sentinels[0].ask("SENTINEL", "FAILOVER", "mymaster")
            await soon(lambda: "the Sentinels name another primary" in a.log(), "it leaves the earlier primary")
            await soon(lambda: ready(a) and b"wayleave" in lab.replica.ask("CLIENT", "LIST"), "it is at the new one")
            await ann.must("$publish", channel="room/1", data={"text": "after"})


main(globals())
