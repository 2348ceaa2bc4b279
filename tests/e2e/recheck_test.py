#!/usr/bin/python3
"""`recheck`: the backend that knows a cookie changes its mind while its user is connected."""
import asyncio

from backend import Backend
from client import Client, status_of
from daemon import Daemon, wait_until
from runner import main

POLICY = """
backend app { url = "%s" timeout = 300ms retries = 0 break_after = 1000 }
token cookie {
    check   = app "/whoami"
    recheck = 1s
    from cookie "sid"
    claim sub   : string required
    claim staff : bool else false
}
route chat /ws {
    auth    = cookie
    origins = { none }
    allow connect
    join user/{user.sub}
    allow subscribe on staff if user.staff
    allow subscribe on news
    allow subscribe on room/:room by app "/rooms/{room}"
}
"""


class App:
    """Who is logged in; what it was asked about whom."""

    def __init__(self):
        self.logins = {"ann-1": {"sub": "ann", "staff": True}, "ben-1": {"sub": "ben"}}
        self.away = False
        self.rooms = 200

    def __call__(self, request):
        if self.away:
            return 503, b""
        if request.path.startswith("/rooms/"):
            return self.rooms, {"for": 3600} if self.rooms == 200 else {}, {"Content-Type": "application/json"}
        claims = self.logins.get(request.headers["Cookie"].removeprefix("sid="))
        return (200, claims) if claims else (401, b"")


def sid(name):
    return {"extra_headers": {"Cookie": f"sid={name}"}, "subprotocols": ["wayleave.v1"]}


def about(backend, cookie):
    return [request for request in list(backend.requests) if request.headers.get("Cookie") == f"sid={cookie}"]


async def test_a_log_out_closes_what_it_opened():
    app = App()
    with Backend(app) as backend:
        async with Daemon(POLICY % backend.url, workers=2) as daemon:
            anns = [await Client.open(daemon, **sid("ann-1")) for _ in range(4)]
            ben = await Client.open(daemon, **sid("ben-1"))
            before = len(about(backend, "ann-1"))
            wait_until(lambda: len(about(backend, "ann-1")) >= before + 2, "it is asked again and again")
            del app.logins["ann-1"]
            for ann in anns:
                messages, code = await ann.closed()
                assert code == 4401 and messages[-1]["reason"] == "unauthenticated", (messages, code)
            await ben.subscribe("news")
            assert await status_of(daemon, **sid("ann-1")) == 401
            assert daemon.metric("wayleave_rechecks_ended_total") == 4
            wait_until(lambda: daemon.log().count("event=connection-closed") == 4, "each end is a line")
            lines = [line for line in daemon.log().splitlines() if "event=connection-closed" in line]
            assert all("reason=unauthenticated" in line and "decision=" in line and "user=ann" in line for line in lines), lines
            assert "ann-1" not in daemon.log(), "the cookie is nobody's to read"


async def test_connections_of_one_cookie_are_one_question():
    app = App()
    with Backend(app) as backend:
        async with Daemon(POLICY % backend.url, workers=2) as daemon:
            anns = [await Client.open(daemon, **sid("ann-1")) for _ in range(6)]
            begun = daemon.metric("wayleave_rechecks_total")
            asked = len(about(backend, "ann-1"))
            wait_until(lambda: daemon.metric("wayleave_rechecks_total") >= begun + 18, "three times for each")
            # Three rounds, and perhaps the beginning of a fourth.
            assert len(about(backend, "ann-1")) - asked <= (daemon.metric("wayleave_rechecks_total") - begun) // 6 + 1
            for ann in anns:
                await ann.quiet()


async def test_a_backend_that_is_away_ends_nobody():
    app = App()
    with Backend(app) as backend:
        async with Daemon(POLICY % backend.url, workers=1) as daemon:
            ann = await Client.open(daemon, **sid("ann-1"))
            ben = await Client.open(daemon, **sid("ben-1"))
            app.away = True
            wait_until(lambda: daemon.metric("wayleave_recheck_failures_total") >= 6, "both are asked about")
            failures = daemon.metric("wayleave_recheck_failures_total")
            lines = daemon.log().count("event=recheck-failed")
            assert 1 <= lines <= failures / 2 + 1, (lines, failures)
            for client in (ann, ben):
                await client.subscribe("news")
            app.away = False
            app.logins.clear()
            for client in (ann, ben):
                _, code = await client.closed()
                assert code == 4401, code


async def test_other_claims_end_what_they_do_not_allow():
    app = App()
    with Backend(app) as backend:
        async with Daemon(POLICY % backend.url) as daemon:
            ann = await Client.open(daemon, **sid("ann-1"))
            for channel in ("staff", "news", "room/a", "room/b"):
                await ann.subscribe(channel)
            asked = [request.path for request in backend.requests].count("/rooms/a")
            assert asked == 1
            app.rooms = 403
            app.logins["ann-1"] = {"sub": "ann"}
            ended = {(await ann.expect("$unsubscribed"))["channel"] for _ in range(3)}
            assert ended == {"staff", "room/a", "room/b"}, ended
            await ann.refused("$subscribe", "forbidden", channel="staff")
            assert daemon.metric("wayleave_rechecks_changed_total") == 1
            app.logins["ann-1"] = {"sub": "eve"}
            _, code = await ann.closed()
            assert code == 4401, "the cookie is another user's now"


async def test_a_stream_ends_too():
    app = App()
    with Backend(app) as backend:
        async with Daemon(POLICY % backend.url) as daemon:
            reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
            writer.write(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nCookie: sid=ann-1\r\n\r\n")
            got = await reader.readuntil(b"$hello")
            del app.logins["ann-1"]
            got = await asyncio.wait_for(reader.read(), 30)
            assert b"unauthenticated" in got, got
            writer.close()


async def test_a_reload_brings_and_takes_it():
    app = App()
    with Backend(app) as backend:
        async with Daemon(POLICY % backend.url) as daemon:
            ann = await Client.open(daemon, **sid("ann-1"))
            daemon.edit("routes.d/test.route", "recheck = 1s", "cache = 1s")
            assert daemon.reload().returncode == 0
            wait_until(lambda: daemon.metric("wayleave_recheck_bytes") == 0, "nothing is kept")
            asked = len(about(backend, "ann-1"))
            daemon.edit("routes.d/test.route", "cache = 1s", "recheck = 1s")
            assert daemon.reload().returncode == 0
            app.logins["ann-1"]["staff"] = False
            await asyncio.sleep(1.5)
            assert len(about(backend, "ann-1")) == asked, "nobody has kept what she brought"
            await ann.must("$auth", token="ann-1")
            del app.logins["ann-1"]
            _, code = await ann.closed()
            assert code == 4401


if __name__ == "__main__":
    main(globals())
