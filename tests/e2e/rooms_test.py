#!/usr/bin/python3
"""What a message block does without a backend: it subscribes its sender, replies, renames; and the API's /subscribe."""
import asyncio

from api_test import Api
from client import Client
from daemon import TOKEN_BLOCK, Daemon, run
from runner import main
from sse_test import Stream, post

ROUTES = """
token server {
    keys   = file "../keys/server.key"
    issuer = "https://app.example"
    from header "Authorization"
    claim sub : string required
}
channel kept/:x { history = 100  keep = 1h }
channel room/:x { presence = true  join_leave = true  presence_grace = 0s }
channel pair/:x { max_subscribers = 2 }
route chat /ws {
    auth    = demo
    origins = { none }
    max_subscriptions = 10
    allow connect
    join user/{user.sub}
    deny subscribe on room/locked because "locked"
    message "room:join" {
        field room : string required
        set name = user.sub
        allow
        subscribe to room/{room}
        publish to room/{room} except self as "user joined"
        reply
    }
    message "room:leave" {
        field room : string required
        allow
        unsubscribe from room/{room}
    }
    message pair { field pair : string required  allow  subscribe to pair/{pair}  publish to kept/log }
    message keep { field x : string required  allow  subscribe to kept/{x}  publish to kept/{x} }
    message fill { allow  subscribe to a, b, c, d, e, f, g, h, i, j  publish to kept/log }
    message out { allow  unsubscribe from open/a }
    allow subscribe on open/*
    message urgent { allow  publish to user/{user.sub} priority urgent }
    message low    { allow  publish to user/{user.sub} priority low }
    message "user:*" { allow  reply "below user" }
    message "user:exactly" { allow  reply "it" }
    message FRIEND_REQUEST { field to : string required  set from = user.sub  allow  publish to user/{to} }
}
api internal /api {
    auth = server
    allow publish, presence, history on **
    allow subscribe on room/*, kept/*, pair/*
    allow disconnect
}
"""


def served(routes=ROUTES, **options):
    daemon = Daemon(TOKEN_BLOCK + routes, **options)
    daemon.new_key("server.key")
    return daemon


async def test_rooms():
    async with served() as daemon:
        alice, bob = await Client.open(daemon, user="alice"), await Client.open(daemon, user="bob")
        await bob.refused("$subscribe", "forbidden", channel="room/tea")
        await bob.send("room:join", room="tea", more={"$id": 1})
        await bob.expect("$subscribed", channel="room/tea")
        said = await bob.wait_for("room:join")
        assert said == {"type": "room:join", "room": "tea", "name": bob.hello["user"], "re": 1}, said
        await alice.send("room:join", room="tea", name="not me")
        assert "re" not in await alice.wait_for("room:join")
        joined = await bob.wait_for("user joined")
        assert joined["room"] == "tea" and joined["name"] == alice.hello["user"], joined
        assert joined["$"]["channel"] == "room/tea", joined
        await alice.must("room:leave", room="tea")
        await bob.wait_for("$leave")
        await bob.send("room:join", room="tea")
        await bob.wait_for("room:join")
        await alice.quiet()
        assert daemon.metric("wayleave_ordered_subscriptions_total") == 2
        assert daemon.metric("wayleave_ordered_unsubscriptions_total") == 1


async def test_refused_it_does_nothing():
    async with served() as daemon:
        clients = [await Client.open(daemon, user=f"u{i}") for i in range(3)]
        await clients[0].must("pair", pair="x")
        await clients[1].must("pair", pair="x")
        no = await clients[2].refused("pair", "limited", pair="x")
        assert "subscribers" in no["because"], no
        no = await clients[2].refused("room:join", "forbidden", room="locked")
        assert no["because"] == "locked", no
        await clients[2].refused("fill", "limited")
        await clients[2].refused("room:join", "bad_message", room="")
        api = Api(daemon)
        assert api.ask("GET", "/history?channel=kept/log")[1]["offset"] == 2
        sessions = api.ask("GET", "/sessions?user=" + clients[2].hello["user"])[1]["sessions"]
        assert [s["channels"] for s in sessions] == [1], sessions
        await clients[0].close()
        while (await clients[2].ask("pair", pair="x"))["type"] != "$ok":
            await asyncio.sleep(0.01)


async def test_a_channel_with_a_history():
    async with served() as daemon:
        alice, bob = await Client.open(daemon, user="alice"), await Client.open(daemon, user="bob")
        await alice.must("keep", x="a", n=1)
        await bob.send("keep", x="a", n=2, more={"$id": 5})
        got = [await bob.next() for _ in range(3)]
        assert [m["type"] for m in got] == ["$subscribed", "$ok", "keep"], got
        assert got[0]["offset"] == 1 and got[2]["n"] == 2 and got[2]["$"]["offset"] == 2, got
        # What it missed it reads by a `since`, which needs no leave either.
        again = await bob.must("$subscribe", "$subscribed", channel="kept/a", since={"epoch": got[0]["epoch"], "offset": 0})
        assert again["recovered"], again
        assert [(await bob.wait_for("keep"))["n"] for _ in range(2)] == [1, 2]


async def test_types():
    async with served() as daemon:
        alice, bob = await Client.open(daemon, user="alice"), await Client.open(daemon, user="bob")
        for sent, answered in [("user:exactly", "it"), ("user:x", "below user"), ("user:exactly:x", "below user"), ("user: ü", "below user")]:
            assert (await alice.ask(sent))["type"] == answered, sent
        await alice.must("FRIEND_REQUEST", to=bob.hello["user"], **{"from": "mallory"})
        assert (await bob.wait_for("FRIEND_REQUEST"))["from"] == alice.hello["user"]
        for sent in ["user:", "user", "friend_request", "x" * 128]:
            await alice.refused(sent, "unknown_message")
        for sent in ["x" * 129, "a\nb", "\x7f", "a\x00", ""]:
            await alice.send(more={"type": sent, "$id": "t"})
            assert (await alice.next())["error"] == "bad_message", sent


def test_by_post():
    with served() as daemon:
        alice = daemon.token("alice")
        stream = Stream(daemon, token=alice)
        status, answer = post(daemon, stream.session, {"type": "room:join", "room": "tea", "re": 7}, token=alice)
        assert (status, answer) == (200, {"name": "alice", "type": "room:join", "room": "tea"})
        assert stream.until(type="$subscribed") == {"type": "$subscribed", "channel": "room/tea"}
        assert post(daemon, stream.session, {"type": "room:leave", "room": "tea"}, token=alice) == (200, {"type": "$ok"})
        stream.until(type="$unsubscribed", channel="room/tea")
        assert post(daemon, stream.session, {"type": "room:join", "room": "locked"}, token=alice)[0] == 403
        # What a POST subscribed to comes back with the stream; what a message ended does not.
        assert post(daemon, stream.session, {"type": "$subscribe", "channel": "open/a"}, token=alice)[0] == 200
        assert post(daemon, stream.session, {"type": "out", "$id": 1}, token=alice)[0] == 200
        stream.until(type="$unsubscribed", channel="open/a")
        assert post(daemon, stream.session, {"type": "user:exactly"}, token=alice) == (200, {"type": "it"})
        stream.raw.socket.settimeout(1)
        try:
            while True:
                stream.next()
        except TimeoutError:
            pass
        again = Stream(daemon, token=alice, last_id=stream.last_id)
        api = Api(daemon)
        found = api.ask("GET", "/sessions?user=alice")[1]["sessions"]
        assert {s["channels"] for s in found if s["session"] == again.session} == {1}, found


async def test_the_api():
    async with served(workers=2) as daemon:
        alice = [await Client.open(daemon, user="alice") for _ in range(8)]
        bob = await Client.open(daemon, user="bob")
        user = alice[0].hello["user"]
        api = Api(daemon)
        assert api.ask("POST", "/subscribe", {"user": user, "channel": "room/tea"}) == (200, {"sessions": 8})
        for client in alice:
            await client.wait_for("$subscribed", channel="room/tea")
        assert api.ask("GET", "/presence?channel=room/tea")[1]["users"] == [{"user": user, "connections": 8}]
        api.publish({"channel": "room/tea", "data": {"type": "tea"}})
        for client in alice:
            await client.wait_for("tea")
        assert api.ask("POST", "/unsubscribe", {"session": alice[3].hello["session"], "channel": "room/tea"}) == (200, {"sessions": 1})
        await alice[3].wait_for("$unsubscribed", channel="room/tea")
        assert api.ask("POST", "/unsubscribe", {"user": user, "channel": "room/tea"}) == (200, {"sessions": 7})
        assert api.ask("POST", "/unsubscribe", {"user": user, "channel": "room/tea"}) == (200, {"sessions": 0})
        # The routes of the sessions have their say, and the api's own policy.
        assert api.ask("POST", "/subscribe", {"user": user, "channel": "pair/x"}) == (200, {"sessions": 2, "refused": 6})
        status, problem = api.ask("POST", "/subscribe", {"user": bob.hello["user"], "channel": "pair/x"})
        assert status == 429 and "subscribers" in problem["detail"], problem
        status, problem = api.ask("POST", "/subscribe", {"user": user, "channel": "room/locked"})
        assert status == 403 and problem["detail"] == "locked", problem
        assert api.ask("POST", "/subscribe", {"user": user, "channel": "other"})[0] == 403
        for body in [{}, [], {"user": user}, {"channel": "room/a"}, {"user": user, "channel": "room/"}, {"user": user, "channel": 1},
                     {"user": user, "session": bob.hello["session"], "channel": "room/a"}, {"user": user, "channel": "room/a", "x": 1}]:
            assert api.ask("POST", "/subscribe", body)[0] == 400, body
            assert not Api.description.request_fits("/subscribe", "POST", body) or "room/" in str(body), body
        assert api.ask("POST", "/subscribe", {"user": "nobody", "channel": "room/a"}) == (200, {"sessions": 0})
        await bob.quiet()


async def test_a_reload():
    async with served() as daemon:
        alice = await Client.open(daemon, user="alice")
        api = Api(daemon)
        await alice.must("room:join", "room:join", room="tea")
        assert api.ask("POST", "/subscribe", {"user": alice.hello["user"], "channel": "kept/a"}) == (200, {"sessions": 1})
        def change(old, new):
            daemon.write("routes.d/test.route", TOKEN_BLOCK + ROUTES.replace(old, new))
            assert daemon.reload().returncode == 0

        change("max_subscriptions = 10", "max_subscriptions = 11")
        await alice.must("room:leave", room="nowhere")
        assert api.ask("GET", "/presence?channel=room/tea")[1]["total"] == 1
        change("room/locked because", "room/tea because")
        gone = await alice.wait_for("$unsubscribed")
        assert gone["channel"] == "room/tea" and gone["reason"] == "policy_changed" and gone["because"] == "locked", gone
        api.publish({"channel": "kept/a", "data": {"type": "still"}})
        await alice.wait_for("still")


async def test_explain():
    async with served() as daemon:
        alice = await Client.open(daemon, user="alice")
        asked = run("explain", "--config", daemon.config, "--live", alice.hello["session"], "message", "room:join", '{"room":"tea"}')
        assert asked.returncode == 0, asked.stderr
        for line in ["subscribes to room/tea", "publishes to room/tea except self as `user joined`", "replies with `room:join`"]:
            assert line in asked.stdout, asked.stdout


if __name__ == "__main__":
    main(globals())
