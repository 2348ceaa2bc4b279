#!/usr/bin/python3
"""What daemons on one Redis know of each other, and the tokens of one use that they have in common."""
import asyncio
import json
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

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
            # Each has a canary of its own, which the other does not hear.
            canaries = [c for c in redis.ask("PUBSUB", "SHARDCHANNELS", "*canary*").split(b"\r\n") if b"$canary/" in c]
            assert len(canaries) == 2, canaries
            for one in canaries:
                assert redis.ask("PUBSUB", "SHARDNUMSUB", one.decode()).endswith(b":1\r\n"), canaries
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


# --- one question to all nodes ---

def ask_all(daemon, *words):
    asked = run(*words, "--all", "--config", daemon.config, "--format", "json")
    return asked.returncode, json.loads(asked.stdout), asked.stderr


async def test_one_question_to_all_nodes():
    with Redis() as redis:
        async with redis.node(SIMPLE, "left") as a, redis.node(SIMPLE, "right", like=a) as b:
            await asyncio.to_thread(wait_until, lambda: names(a) == names(b) == ["left", "right"], "both know both")
            here, there = await Client.open(a, user="ann"), await Client.open(b, user="ann")
            bob = await Client.open(b, user="bob")

            def look():
                code, answer, _ = ask_all(a, "status")
                assert code == 0 and answer["all"], answer
                left, right = answer["nodes"]
                assert left["self"] and not right["self"] and right["status"] == 200, answer
                assert right["answer"]["connections"] == 2 and left["answer"]["connections"] == 1, answer
                shown = run("status", "--all", "--config", a.config)
                assert shown.returncode == 0 and "left (" in shown.stdout and "right (" in shown.stdout, shown
                code, answer, _ = ask_all(a, "sessions", "--user", "ann")
                assert code == 0 and [node["answer"]["count"] for node in answer["nodes"]] == [1, 1], answer
                shown = run("sessions", "--all", "--config", b.config)
                assert shown.returncode == 0 and shown.stdout.count(" ann") == 2 and " bob" in shown.stdout, shown
                code, answer, _ = ask_all(b, "bans")
                assert code == 0 and [node["answer"]["count"] for node in answer["nodes"]] == [0, 0], answer
                wrong = run("sessions", "--all", "--ip", "nowhere", "--config", b.config)
                assert wrong.returncode == 64 and "network" in wrong.stderr, wrong
                for words in (("--all",), ()):  # all is the default
                    counted = run("kick", "ann", *words, "--dry-run", "--config", a.config)
                    assert counted.returncode == 0 and counted.stdout.count("1 connection would end") == 2, counted
                    assert run("kick", "nobody", *words, "--config", a.config).returncode == 65
                    counted = run("kick", "ann", *words, "--dry-run", "--format", "json", "--config", a.config)
                    assert [node["answer"]["sessions"] for node in json.loads(counted.stdout)["nodes"]] == [1, 1], counted
                counted = run("kick", "ann", "--here", "--dry-run", "--config", a.config)
                assert counted.stdout == "1 connection would end\n", counted
                assert run("kick", "bob", "--here", "--config", a.config).returncode == 65  # he is at the other node
                assert run("kick", "bob", "--here", "--all", "--config", a.config).returncode == 64
                kicked = run("kick", "--user", "ann", "--because", "out", "--config", a.config)
                assert kicked.returncode == 0 and kicked.stdout.count("1 connection ended") == 2, kicked
            await asyncio.to_thread(look)
            for client in (here, there):
                assert (await client.closed())[0][-1]["because"] == "out"
            await bob.quiet()
            b.wait_log("event=kicked")

            def one_is_missing():
                b.signal(signal.SIGSTOP)
                code, answer, errors = ask_all(a, "status")
                b.signal(signal.SIGCONT)
                assert code == 75 and not answer["all"], answer
                assert "right (" in errors and "has not answered in time" in errors, errors
                assert "answer" not in answer["nodes"][1], answer
                redis.process.send_signal(signal.SIGSTOP)
                wait_until(lambda: not ready(a), "/readyz is 503")
                code, answer, errors = ask_all(a, "sessions")
                assert code == 75 and "Redis is not connected" in errors, (answer, errors)
                redis.process.send_signal(signal.SIGCONT)
            await asyncio.to_thread(one_is_missing)
    with Daemon(SIMPLE) as alone:
        code, answer, _ = ask_all(alone, "status")
        assert code == 0 and len(answer["nodes"]) == 1 and answer["nodes"][0]["self"], answer


def test_what_another_node_answers_is_hostile():
    with Redis() as redis, redis.node(SIMPLE, "left") as a:
        wait_until(lambda: names(a) == ["left"], "it knows itself")
        key = "wayleave:1:{" + first_tag() + "}:"
        eve = "aaaaaaaaaaaa"
        redis.ask("HSET", key + "node", eve, json.dumps({"v": 1, "name": "\x1b[2Jeve", "version": "9"}))
        redis.ask("ZADD", key + "nodes", "9000000000000", eve)
        wait_until(lambda: len(names(a)) == 2, "the other is listed")
        with socket.create_connection(("127.0.0.1", redis.port), PATIENCE) as ear:
            ear.sendall(f"*2\r\n$10\r\nSSUBSCRIBE\r\n${len(key) + 3}\r\n{key}ctl\r\n".encode())

            def answered(text, *words):
                """What is shown where the other node says this."""
                with ThreadPoolExecutor(1) as pool:
                    asked = pool.submit(run, *words, "--config", a.config)
                    heard = b""
                    while b"GET /" not in heard and b"POST /" not in heard:
                        heard += ear.recv(65536)
                    who, number = re.search(rb"Q([0-9a-f]{12}):(\d+):", heard).groups()
                    channel = next(c for c in redis.ask("PUBSUB", "SHARDCHANNELS", "*").decode().split("\r\n")
                                   if c.endswith(":ctl:" + who.decode()))
                    redis.ask("SPUBLISH", channel, f"A{eve}:{number.decode()}:{text}")
                    return asked.result()
            session = {"session": "\x1b]0;x", "route": "\u202ex", "ip": "\x9b", "user": "\x07", "age_ms": -1, "channels": "x"}
            shown = answered("200\n" + json.dumps({"sessions": [session], "count": 1, "more": True}), "sessions", "--all")
            assert shown.returncode == 0 and not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown.stdout + shown.stderr), shown
            shown = answered("200\n" + json.dumps({"a\x1b": {"b": ["\x1b[2J"]}}), "status", "--all")
            assert shown.returncode == 0 and "\x1b" not in shown.stdout + shown.stderr, shown
            shown = answered("200\n" + json.dumps({"sessions": "many", "all": 7}), "kick", "ann", "--all")
            assert shown.returncode == 75, shown
            shown = answered("404\n" + json.dumps({"detail": "\x1b[2Jno"}), "bans", "--all")
            assert shown.returncode == 75 and "no" in shown.stderr and "\x1b" not in shown.stderr, shown
            for wrong in ("", "200", "200\n", "200\n[]", "200\n{", "x\n{}", "99\n{}", '200\n{"a":1}{"nodes":[]}', "200\n" + "[" * 5000):
                shown = answered(wrong or " ", "bans", "--all", "--format", "json")
                assert shown.returncode == 75, (wrong, shown)
                assert len(json.loads(shown.stdout)["nodes"]) == 2, shown
        # Questions that nobody may ask this way change nothing.
        log = a.log()
        for question in ("POST /reload\n", "POST /drain\n{}", "POST /take-over\n", "GET /status", "", "\n", "POST /kick\n{}"):
            redis.ask("SPUBLISH", key + "ctl", f"Q{eve}:1:{question}")
        assert ready(a) and "event=reload" not in a.log()[len(log):]


main(globals())
