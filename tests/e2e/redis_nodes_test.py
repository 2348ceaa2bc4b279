#!/usr/bin/python3
"""What daemons on one Redis know of each other, and the tokens of one use that they have in common."""
import asyncio
import json
import signal
import time

from client import Client, status_of
from daemon import PATIENCE, TOKEN_BLOCK, Daemon, run, wait_until
from raw import Raw
from redis_server import Redis, first_tag, ready
from runner import main

ONCE = TOKEN_BLOCK.replace("issuer ", "single_use = true\n    issuer ")
POLICY = ONCE + """
token badge {
    keys     = file "../keys/demo.key"
    issuer   = "https://issuer.example"
    audience = "badges"
    single_use = true
    claim sub  : string required
    claim room : string required
}
channel room/** { history = 100  keep = 1h }
route chat /ws {
    auth    = demo
    origins = { none }
    allow connect
    allow subscribe on room/open
    allow subscribe on room/:room with badge if badge.room == room
}
"""
SIMPLE = TOKEN_BLOCK + """
route chat /ws { auth = demo  origins = { none }  allow connect }
"""


def nodes_of(daemon):
    asked = run("nodes", "--config", daemon.config, "--format", "json")
    assert asked.returncode == 0, asked
    return json.loads(asked.stdout)


def names(daemon):
    return [node["name"] for node in nodes_of(daemon)["nodes"]]


def test_nodes_know_each_other():
    with Redis() as redis:
        with redis.node(SIMPLE, "left") as a, redis.node(SIMPLE, "right") as b:
            wait_until(lambda: names(a) == names(b) == ["left", "right"], "both know both")
            wait_until(lambda: len({node["policy"] for node in nodes_of(a)["nodes"]} - {""}) == 1, "the policies")
            shown = run("nodes", "--config", a.config)
            assert shown.returncode == 0 and shown.stderr == "", shown
            left, right = shown.stdout.splitlines()
            assert left.startswith("* ") and right.startswith("  ") and " left " in left and " right " in right, shown.stdout
            assert a.metric("wayleave_redis_nodes") == 2 and a.metric("wayleave_policy_skew") == 0
            ids = {node["id"] for node in nodes_of(a)["nodes"]}
            # Another policy at one: both see it.
            b.write("routes.d/more.route", "route more /more { auth = none allow connect }\n")
            assert b.reload().returncode == 0
            wait_until(lambda: nodes_of(a)["policy_skew_ms"] > 0, "the policies differ")
            assert "the nodes have different policies" in run("nodes", "--config", a.config).stderr
            # Who ends says so, and need not be waited for.
            b.signal(signal.SIGTERM)
            b.process.wait(PATIENCE)
            wait_until(lambda: names(a) == ["left"], "only left is left")
            wait_until(lambda: nodes_of(a)["policy_skew_ms"] == 0, "one has one policy")
            with redis.node(SIMPLE, "right") as again:
                wait_until(lambda: names(a) == ["left", "right"], "it is back")
                assert {node["id"] for node in nodes_of(again)["nodes"]} != ids, "another start is another id"


def test_who_stands_still_is_buried_and_registers_anew():
    with Redis() as redis:
        with redis.node(SIMPLE, "left") as a, redis.node(SIMPLE, "right") as b:
            wait_until(lambda: names(a) == names(b) == ["left", "right"], "both know both")
            before = {node["name"]: node["id"] for node in nodes_of(a)["nodes"]}
            b.signal(signal.SIGSTOP)
            wait_until(lambda: names(a) == ["left"], "right is buried")
            b.signal(signal.SIGCONT)
            b.wait_log("event=node-buried")
            wait_until(lambda: names(a) == names(b) == ["left", "right"], "it is back")
            after = {node["name"]: node["id"] for node in nodes_of(a)["nodes"]}
            assert after["left"] == before["left"] and after["right"] != before["right"], (before, after)
            assert b.metric("wayleave_redis_buried_total") == 1 and a.metric("wayleave_redis_buried_total") == 0
            # A Redis that is away buries nobody.
            redis.process.send_signal(signal.SIGSTOP)
            wait_until(lambda: not ready(a), "/readyz is 503")
            asked = run("nodes", "--config", a.config)
            assert asked.returncode == 0 and "Redis at 127.0.0.1" in asked.stderr, asked
            time.sleep(12)
            redis.process.send_signal(signal.SIGCONT)
            wait_until(lambda: ready(a) and ready(b), "both are ready")
            wait_until(lambda: nodes_of(a)["redis"] == "up" and names(a) == names(b) == ["left", "right"], "both are there")
            # Nor does one that has lost all.
            redis.ask("FLUSHALL")
            wait_until(lambda: names(a) == names(b) == ["left", "right"] and nodes_of(a)["age_ms"] < 2000, "both again")
            assert b.metric("wayleave_redis_buried_total") == 1 and a.metric("wayleave_redis_buried_total") == 0


def test_a_daemon_alone_and_what_others_write():
    with Daemon(SIMPLE) as alone:
        asked = run("nodes", "--config", alone.config)
        assert asked.returncode == 65 and "MANY MACHINES" in asked.stderr, asked
    with Redis() as redis, redis.node(SIMPLE, "left") as a:
        wait_until(lambda: names(a) == ["left"], "it knows itself")
        key = "wayleave:1:{" + first_tag() + "}:"
        for node, said in {"aaaaaaaaaaaa": json.dumps({"v": 1, "name": "\x1b[2Jeve\u202e", "version": "9"}),
                           "bbbbbbbbbbbb": "no JSON", "cccccccccccc": "[" * 5000, "dd\x1b": "{}",
                           "eeeeeeeeeeee": json.dumps({"v": 7, "name": "later"})}.items():
            redis.ask("HSET", key + "node", node, said)
            redis.ask("ZADD", key + "nodes", "9000000000000", node)
        wait_until(lambda: len(names(a)) == 2, "the one that can be read is listed")
        shown = run("nodes", "--config", a.config).stdout
        assert "\x1b" not in shown and "\u202e" not in shown and "eve" in shown, shown
        assert a.metric("wayleave_redis_malformed_total") > 0
        redis.ask("DEL", key + "nodes")
        redis.ask("SET", key + "nodes", "of another type")
        wait_until(lambda: nodes_of(a)["because"] != "", "it says so")
        redis.ask("DEL", key + "nodes")
        wait_until(lambda: nodes_of(a)["because"] == "" and "left" in names(a), "it is registered again")


# --- tokens of one use ---

async def test_a_token_is_used_once_at_all_nodes():
    with Redis() as redis:
        async with redis.node(POLICY, "left") as a, redis.node(POLICY, "right", like=a) as b:
            once = a.token("ann", claims=['jti="one"'])
            answers = await asyncio.gather(*[status_of(node, token=once) for node in (a, b) for _ in range(10)])
            assert sorted(answers) == [101] + [401] * 19, answers
            redis.ask("SCRIPT", "FLUSH")
            # A new one on a connection that is open, and what is brought with a subscription.
            ann = await Client.open(a, token=a.token("ann", claims=['jti="two"']))
            fresh = a.token("ann", claims=['jti="three"'])
            await ann.must("$auth", token=fresh)
            await ann.refused("$auth", "unauthenticated", token=fresh)
            assert await status_of(b, token=fresh) == 401
            badge = a.token("ann", audience="badges", room="blue", claims=['jti="four"'])
            await ann.must("$subscribe", "$subscribed", channel="room/blue", token=badge)
            bob = await Client.open(b, token=b.token("bob", claims=['jti="five"']))
            await bob.refused("$subscribe", "forbidden", channel="room/blue", token=badge)
            # What is refused for another reason uses up nothing.
            red = a.token("ann", audience="badges", room="red", claims=['jti="six"'])
            await bob.refused("$subscribe", "forbidden", channel="room/blue", token=red)
            await ann.must("$subscribe", "$subscribed", channel="room/red", token=red)
            # Event streams come the same way.
            six = b.token("ann", claims=['jti="seven"'])
            assert events(b, six) == 200 and events(a, six) == 401


def events(daemon, token):
    raw = Raw(daemon.port)
    raw.send(f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{daemon.port}\r\nAccept: text/event-stream\r\n"
             f"Authorization: Bearer {token}\r\n\r\n".encode())
    return raw.read_head()[0]


async def test_without_redis_no_token_is_good():
    with Redis() as redis:
        async with redis.node(POLICY) as a, redis.node(POLICY, like=a) as b:
            ann = await Client.open(a, token=a.token("ann", claims=['jti="one"']))
            redis.process.send_signal(signal.SIGSTOP)
            # While nobody has noticed it yet, and afterwards.
            two, three = (a.token("ann", claims=[f'jti="{name}"']) for name in ("two", "three"))
            assert await status_of(a, token=two) == 503
            await asyncio.to_thread(wait_until, lambda: not ready(a), "/readyz is 503")
            assert await status_of(a, token=three) == 503
            await ann.refused("$auth", "unavailable", token=three)
            await ann.quiet()
            redis.process.send_signal(signal.SIGCONT)
            await asyncio.to_thread(wait_until, lambda: ready(a) and ready(b), "both are ready")
            assert await status_of(b, token=three) == 101
            assert await status_of(a, token=three) == 401
            assert await status_of(b, token=a.token("ann", claims=['jti="one"'])) == 401, "Redis has forgotten nothing"


main(globals())
