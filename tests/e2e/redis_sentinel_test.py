#!/usr/bin/python3
"""Two daemons, a primary, a replica and three Sentinels, of which those that matter are killed."""
import asyncio
import shutil

from client import Client
from daemon import TOKEN_BLOCK, Daemon, run, wait_until
from redis_server import Redis, free_port, ready
from runner import main
from sentinel_lab import Lab

POLICY = TOKEN_BLOCK + """
channel room/** { history = 1000  keep = 1h  dedup = 10m }
route chat /ws {
    auth    = demo
    origins = { none }
    allow connect
    allow subscribe, publish, history on room/:room
}
"""


CONNECTIONS = 2  # of a node: what it asks, and what it listens to


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
    # Until a node has learnt of the new primary, it writes to the earlier one, and that is lost.
    await soon(lambda: lab.replica.ask("CLIENT", "LIST").count(b"name=wayleave") >= 2 * CONNECTIONS,
               "both nodes are at the new primary")
    await soon(lambda: ready(a) and ready(b), "both are ready again")
    news = await bob.wait_for("$subscribed", recovered=False)
    assert news["epoch"] != told["epoch"], (told, news)
    await ann.must("$publish", channel="room/1", data={"text": "last"})
    await bob.wait_for(None, text="last")
    assert a.metric("wayleave_redis_forks_total") + b.metric("wayleave_redis_forks_total") >= 1


async def test_the_primary_is_killed_and_a_sentinel_with_it():
    with Lab() as lab:
        async with lab.node(POLICY) as a, lab.node(POLICY) as b:
            def fail():
                lab.sentinels[0].kill()
                lab.primary.kill()
            await goes_on(lab, a, b, fail)


async def test_a_failover_by_hand_leaves_the_earlier_primary_alone():
    with Lab() as lab:
        async with lab.node(POLICY) as a, lab.node(POLICY) as b:
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
        async with lab.node(POLICY) as a:
            for one in lab.sentinels[:2]:
                await soon(lambda: b" sub=2 " in one.ask("CLIENT", "LIST"), "the news are subscribed to")
            await soon(lambda: ready(a), "it is ready")
            seen = await asyncio.to_thread(run, "doctor", "--config", a.config)
            assert all(f"127.0.0.1:{one.port} takes connections" in seen.stdout for one in lab.sentinels), seen
            assert b" sub=2 " not in lab.sentinels[2].ask("CLIENT", "LIST")
            assert "the Sentinels" not in a.log() and "redis-down" not in a.log(), a.log()
            ann = await Client.open(a, user="ann")
            await ann.must("$publish", channel="room/1", data={"text": "before"})
            lab.sentinels[0].ask("SENTINEL", "FAILOVER", "mymaster")
            await soon(lambda: "the Sentinels name another primary" in a.log(), "it leaves the earlier primary")
            await soon(lambda: ready(a) and b"wayleave" in lab.replica.ask("CLIENT", "LIST"), "it is at the new one")
            await ann.must("$publish", channel="room/1", data={"text": "after"})


main(globals())
