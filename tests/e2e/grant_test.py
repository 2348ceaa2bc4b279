#!/usr/bin/python3
"""Grants: a token that a client brings with `$subscribe`, for one channel."""
import asyncio
import threading
import time

from backend import Backend
from client import Client, status_of
from daemon import TOKEN_BLOCK, Daemon, run, wait_until
from runner import main
from sse_test import Stream, post

POLICY = TOKEN_BLOCK + """
token grant {
    keys     = file "../keys/grants.key"
    issuer   = "https://issuer.example"
    audience = "channels"
    claim sub  : string required
    claim room : string required
}
token once {
    keys       = file "../keys/once.key"
    issuer     = "https://issuer.example"
    audience   = "channels"
    single_use = true
    claim room : string required
}
channel kept/* { history = 10  keep = 1h }
route chat /ws {
    auth    = demo
    origins = { none }
    allow connect
    allow subscribe on open
    allow subscribe on room/:room, kept/:room with grant if grant.room == room and grant.sub == user.sub
    allow subscribe on once/{once.room} with once
    allow publish on **
}
test "a grant is for its user and its room" at "/ws" {
    as demo { sub = "ann" }
    expect allow subscribe "room/a" with grant { sub = "ann" room = "a" }
    expect deny subscribe "room/b" with grant { sub = "ann" room = "a" }
    expect deny subscribe "room/a" with grant { sub = "bob" room = "a" }
    expect deny subscribe "room/a"
}
"""


def granting(policy=POLICY, **options):
    daemon = Daemon(policy, **options)
    daemon.new_key("grants.key")
    daemon.new_key("once.key")
    return daemon


def grant(daemon, room, *, subject="ann", expires="1h", key="grants.key", **options):
    return daemon.token(subject, key=key, audience=options.pop("audience", "channels"), expires=expires, room=room, **options)


async def test_a_grant_opens_its_channel_alone():
    async with granting() as daemon:
        ann = await Client.open(daemon, user="ann")
        bob = await Client.open(daemon, user="bob")
        mine = grant(daemon, "a")
        await ann.refused("$subscribe", "forbidden", channel="room/a")
        answer = await ann.must("$subscribe", "$subscribed", channel="room/a", token=mine)
        assert time.time() < answer["expires"] < time.time() + 7200, answer
        await ann.refused("$subscribe", "forbidden", channel="room/b", token=mine)
        await bob.refused("$subscribe", "forbidden", channel="room/a", token=mine)  # it leaked, and is worth nothing
        await bob.must("$publish", channel="room/a", data={"type": "news"})
        await ann.expect("news")
        await ann.must("$unsubscribe", "$unsubscribed", channel="room/a")
        await ann.refused("$subscribe", "forbidden", channel="room/a")


async def test_what_is_no_grant():
    async with granting() as daemon:
        ann = await Client.open(daemon, user="ann")
        for text in ("x", "x.y.z", daemon.token("ann", name="ann", room="a"),  # the session's own key and audience
                     daemon.token("ann", audience="channels", room="a"),  # the session's key
                     grant(daemon, "a", audience="tests"), grant(daemon, "a", issuer="https://other.example"),
                     grant(daemon, "a", expires="-1h"), grant(daemon, "a")[:-2], grant(daemon, "a") + "." + "x" * 9000):
            await ann.refused("$subscribe", "forbidden", channel="room/a", token=text)
        await ann.refused("$subscribe", "bad_message", channel="room/a", token={"a": 1})
        await ann.refused("$publish", "bad_message", channel="room/a", data=7, token=grant(daemon, "a"))
        # And no grant is an identity: at the door, nor later.
        for path in ("/ws", "/ws?token=" + grant(daemon, "a")):
            assert await status_of(daemon, path, token=grant(daemon, "a")) == 401
        await ann.refused("$auth", "unauthenticated", token=grant(daemon, "a"))
        await ann.quiet()
        assert ann.hello["user"] == "ann" and daemon.metric("wayleave_grants") == 0
        assert grant(daemon, "a") not in daemon.log()


async def test_one_use():
    async with granting() as daemon:
        clients = [await Client.open(daemon, user=f"u{i}") for i in range(8)]
        token = grant(daemon, "a", key="once.key", claims=['jti="1"'])
        await clients[0].refused("$subscribe", "forbidden", channel="once/b", token=token)
        answers = await asyncio.gather(*[one.ask("$subscribe", channel="once/a", token=token) for one in clients])
        assert sorted(answer["type"] for answer in answers) == ["$error"] * 7 + ["$subscribed"], answers


async def test_it_ends_with_its_grant_or_goes_on_with_a_fresh_one():
    async with granting() as daemon:
        ann = await Client.open(daemon, user="ann")
        await ann.must("$subscribe", "$subscribed", channel="room/a", token=grant(daemon, "a", expires="3s"))
        await ann.must("$subscribe", "$subscribed", channel="kept/b", token=grant(daemon, "b", expires="3s"))
        wait_until(lambda: daemon.metric("wayleave_grants") == 2, "both grants in the metrics")
        answer = await ann.must("$subscribe", "$subscribed", channel="kept/b", token=grant(daemon, "b"))
        assert answer["expires"] > time.time() + 3000, answer
        ended = await ann.wait_for("$unsubscribed")
        assert (ended["channel"], ended["reason"]) == ("room/a", "expired"), ended
        await ann.must("$publish", channel="kept/b", data={"type": "still"})
        await ann.must("$publish", channel="room/a", data={"type": "gone"})
        wait_until(lambda: daemon.metric("wayleave_grants_expired_total") == 1, "the end of one in the metrics")


async def test_by_post_on_a_stream():
    async with granting() as daemon:
        def talk():
            stream = Stream(daemon, token=daemon.token("ann", name="ann"))
            say = lambda message: post(daemon, stream.session, message, token=daemon.token("ann", name="ann"))
            status, answer = say({"type": "$subscribe", "channel": "room/a", "token": grant(daemon, "b")})
            assert (status, answer["error"]) == (403, "forbidden"), (status, answer)
            status, answer = say({"type": "$subscribe", "channel": "room/a", "token": grant(daemon, "a", expires="3s")})
            assert status == 200 and answer["type"] == "$subscribed" and answer["expires"], (status, answer)
            assert say({"type": "$publish", "channel": "room/a", "data": {"type": "news"}})[0] == 200
            assert stream.until(type="news")
            assert stream.until(type="$unsubscribed", channel="room/a")["reason"] == "expired"
            stream.close()
        await asyncio.to_thread(talk)


async def test_a_reload_judges_what_was_granted():
    async with granting() as daemon:
        ann = await Client.open(daemon, user="ann")
        for room in "ab":
            await ann.must("$subscribe", "$subscribed", channel="room/" + room, token=grant(daemon, room))
        daemon.edit("routes.d/test.route", "and grant.sub == user.sub", 'and grant.sub == user.sub and room != "b"')
        assert daemon.reload().returncode == 0
        await ann.expect("$unsubscribed", channel="room/b", reason="policy_changed")
        await ann.must("$publish", channel="room/a", data={"type": "news"})
        daemon.new_key("grants2.key")
        daemon.edit("routes.d/test.route", "grants.key", "grants2.key")
        assert daemon.reload().returncode == 0
        await ann.wait_for("$unsubscribed", channel="room/a")
        wait_until(lambda: daemon.metric("wayleave_grants") == 0, "no grant in the metrics")


async def test_a_backend_is_asked_and_nobody_waits_for_it():
    go = threading.Event()

    def answer(request):
        if request.headers.get("Authorization") == "Bearer slow":
            go.wait(30)
        good = request.headers.get("Authorization", "").startswith("Bearer ") and request.path == "/grants"
        return (200, {"sub": "ann", "room": "a"}) if good and "no" not in request.headers["Authorization"] else (401, {})

    with Backend(answer) as backend:
        policy = f'backend app {{ url = "{backend.url}" timeout = 30s }}\n' + POLICY.replace(
            'keys     = file "../keys/grants.key"\n    issuer   = "https://issuer.example"\n    audience = "channels"',
            'check = app "/grants"')
        async with granting(policy) as daemon:
            ann = await Client.open(daemon, user="ann")
            await ann.must("$subscribe", "$subscribed", channel="room/a", token="quick")
            await ann.refused("$subscribe", "forbidden", channel="room/b", token="quick")
            await ann.refused("$subscribe", "forbidden", channel="room/a", token="no")
            await ann.refused("$subscribe", "forbidden", channel="room/a", token="two words")
            await ann.send("$subscribe", channel="kept/a", token="slow", more={"$id": "s"})
            await ann.must("$publish", channel="room/a", data={"type": "meanwhile"})
            go.set()
            await ann.wait_for("$subscribed", re="s")
            assert all(request.path == "/grants" for request in backend.requests)
            assert "slow" not in [part for line in daemon.log().splitlines() for part in line.split()]


async def test_the_tools_know_grants():
    daemon = granting()
    async with daemon:
        for command in (["lint"], ["test"]):
            made = run(*command, "--config", daemon.config)
            assert made.returncode == 0, made.stdout + made.stderr
        ask = ["explain", "--config", daemon.config, "--at", "/ws", "--as", "demo", '{"sub":"ann"}', "subscribe", "room/a"]
        assert run(*ask).returncode == 1
        allowed = run(*ask, "--with", "grant", '{"sub":"ann","room":"a"}')
        assert allowed.returncode == 0 and 'grant.room is "a"' in allowed.stdout, allowed
        denied = run(*ask, "--with", "grant", '{"sub":"ann","room":"b"}')
        assert denied.returncode == 1, denied
        assert run(*ask, "--with", "grnt", "{}").returncode == 2
        assert run(*ask, "--with", "demo", '{"sub":"ann"}').returncode == 1
        daemon.write("other/test.route", POLICY.replace("and grant.sub == user.sub", ""))
        lint = run("lint", daemon.path("other"))
        assert "W315" in lint.stdout + lint.stderr, lint
        diff = run("diff", daemon.path("routes.d"), daemon.path("other"))
        assert diff.returncode == 1 and "with grant" in diff.stdout, diff
        ann = await Client.open(daemon, user="ann")
        await ann.must("$subscribe", "$subscribed", channel="room/a", token=grant(daemon, "a"))
        live = run("explain", "--config", daemon.config, "--live", ann.hello["session"], "subscribe", "room/a")
        assert live.returncode == 0 and "with grant" in live.stdout, live


if __name__ == "__main__":
    main(globals())
