#!/usr/bin/python3
"""Rules with `by`: the application says who may subscribe."""
import json
import time

from backend import Backend
from client import Client
from daemon import TOKEN_BLOCK, wait_until
from forward_test import daemon_for, verify
from runner import main

POLICY = TOKEN_BLOCK + """
backend app {
    url = "%s"
    timeout = 500ms
    retries = 1
    sign = file "../keys/app.whsec"
}
route chat /ws {
    auth = demo
    origins = { none }
    allow connect
    allow subscribe on room/:room by app "/rooms/{room}/may-join"
    allow publish on **
}
"""
PLAIN = {"Content-Type": "application/json"}


async def test_a_yes_and_a_no():
    with Backend(lambda r: (200, {"for": 60}, PLAIN) if "/rooms/a/" in r.path else (403, {"detail": "ask the owner"}, PLAIN)) as backend:
        async with daemon_for(backend, POLICY, workers=1) as daemon:
            ann = await Client.open(daemon, user="ann")
            await ann.subscribe("room/a")
            refused = await ann.ask("$subscribe", channel="room/b")
            assert refused["error"] == "forbidden" and refused["because"] == "ask the owner", refused
            asked = backend.requests[0]
            assert asked.path == "/rooms/a/may-join" and verify(asked)
            body = json.loads(asked.body)
            assert body["type"] == "subscribe" and body["channel"] == "room/a" and body["user"] == "ann", body
            assert body["id"] == asked.headers["webhook-id"]
            again = await Client.open(daemon, user="ann")
            await again.subscribe("room/a")
            ben = await Client.open(daemon, user="ben")
            await ben.subscribe("room/a")
            assert [r.path for r in backend.requests].count("/rooms/a/may-join") == 2, "once for each user"
            assert daemon.metric("wayleave_rulings_refused_total") == 1


async def test_a_backend_that_is_slow_and_one_that_does_not_answer():
    def answer(request):
        if "/rooms/slow/" in request.path:
            time.sleep(0.3)
        if "/rooms/dead/" in request.path:
            time.sleep(1)
        return (500, b"") if "/rooms/broken/" in request.path else (200, b"")
    with Backend(answer) as backend:
        daemon = daemon_for(backend, POLICY)
        async with daemon:
            ann = await Client.open(daemon, user="ann")
            await ann.send("$subscribe", channel="room/slow")
            await ann.send("$publish", channel="room/slow", data={"type": "own"})
            await ann.must("$publish", channel="elsewhere", data={"type": "x"})  # does not wait
            await ann.expect("$subscribed", channel="room/slow")
            await ann.expect("own")
            await ann.refused("$subscribe", "unavailable", channel="room/broken")
            assert [r.path for r in backend.requests].count("/rooms/broken/may-join") == 2, "it is tried again"
            daemon.wait_log("ruling-failed")
            line = next(line for line in daemon.log().splitlines() if "ruling-failed" in line)
            assert "rule=" in line and "test.route:" in line and "decision=" in line and "reason=unavailable" in line, line
            await ann.refused("$subscribe", "unavailable", channel="room/dead")
            assert daemon.metric("wayleave_ruling_failures_total") == 2


async def test_a_page_of_html_lets_nobody_in():
    with Backend(lambda r: (200, b"<html>log in</html>", {"Content-Type": "text/html"})) as backend:
        async with daemon_for(backend, POLICY) as daemon:
            ann = await Client.open(daemon, user="ann")
            await ann.refused("$subscribe", "unavailable", channel="room/a")


async def test_a_reload_asks_again():
    said = {"status": 200}
    with Backend(lambda r: (said["status"], b"")) as backend:
        async with daemon_for(backend, POLICY) as daemon:
            ann = await Client.open(daemon, user="ann")
            await ann.subscribe("room/a")
            said["status"] = 403
            daemon.edit("routes.d/test.route", "allow publish on **", "allow publish on **\n    allow history on x")
            daemon.reload()
            await ann.expect("$unsubscribed", channel="room/a", reason="forbidden")
            wait_until(lambda: daemon.metric("wayleave_vouched") == 0, "the subscription is gone")


if __name__ == "__main__":
    main(globals())
