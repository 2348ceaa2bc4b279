#!/usr/bin/python3
"""The example `saas`: each of its features on one connection, and what is left of them when one of the two dies."""
import asyncio
import os
import signal

from client import Client, status_of
from daemon import PATIENCE, wait_until
from runner import main
from saas import Saas


async def in_thread(act, *arguments):
    return await asyncio.to_thread(act, *arguments)


async def test_each_feature_on_one_connection():
    with Saas() as saas:
        script = await in_thread(saas.run)
        assert await status_of(saas, origin=saas.origin) == 401, "nobody without a login"
        assert await status_of(saas, origin=saas.origin, extra_headers={"Cookie": "sid=" + "0" * 32}) == 401
        cookies = {name: await in_thread(saas.login, name) for name in ("ann", "ben", "cat")}
        ann, cat = await saas.page(cookies["ann"]), await saas.page(cookies["cat"])
        assert ann.state["user"] == "ann" and ann.state["rooms"] == ["lobby", "board"], ann.state

        ben = await saas.page(cookies["ben"])
        assert set(ben.state["here"]) == {"ann", "ben"}, "the initial state has who is there, of the own company"
        await ann.wait_for("presence", user="ben", here=True)

        assert (await in_thread(saas.post, "/remind", {"to": "ben"}, cookies["ann"])).status == 200
        await ben.wait_for("notification", text="ann reminds you")

        await ann.must("friend.request", to="ben")
        await ben.wait_for("friend.requested", **{"from": "ann"})
        await ann.refused("friend.request", "no_such_user", to="dora")
        await ben.must("friend.answer", more={"from": "ann"}, yes=True)
        await ann.wait_for("friend.answered", yes=True, **{"from": "ben"})
        await ben.refused("friend.answer", "no_request", more={"from": "ann"}, yes=True)

        await ann.must("task.add", text="write the manual")
        task = (await ben.wait_for("task"))["task"]
        await ben.must("task.done", id=task["id"], done=True)
        assert (await ann.wait_for("task", task={**task, "done": True}))["$"]["channel"] == "company/acme"
        await cat.refused("task.done", "no_such_task", id=task["id"], done=False)

        answer = await ann.must("form.submit", email="nonsense", text="")
        assert set(answer["data"]["mistakes"]) == {"email", "text"}, answer
        assert (await ann.must("form.submit", email="a@example.com", text="hello"))["data"] == {"saved": True, "mistakes": {}}

        parts = bytes(40 * 65536)
        assert (await in_thread(lambda: saas.post("/upload", parts, cookies["ann"], **{"Upload-Name": "a%20file"}))).status == 200
        percents = []
        while not percents or percents[-1] != 100:
            progress = await ann.wait_for("upload")
            assert progress["name"] == "a file"
            percents.append(progress["percent"])
        assert percents == sorted(percents) and len(percents) <= 40, percents

        await ben.refused("room.join", "forbidden", room="board")
        await ben.refused("room.say", "forbidden", room="board", text="let me in")
        await ben.refused("$subscribe", "forbidden", channel="room/board")
        await ann.must("room.join", room="board")
        await ann.must("room.invite", room="board", who="ben")
        await ben.wait_for("room.invited", room="board", **{"from": "ann"})
        await ben.must("room.join", room="board")
        await ben.must("room.say", room="board", text="thank you")
        await ann.wait_for("room.said", text="thank you", **{"from": "ben"})
        assert [one["text"] for one in (await ann.must("room.read", room="board"))["data"]["said"]] == ["thank you"]

        assert (await ann.must("call", answer="call.ringing", to="ben"))["from"] == "ann"
        assert (await ben.wait_for("call"))["from"] == "ann"
        await cat.must("$ping", "$pong")
        assert {m["type"] for m in cat.kept} <= {"presence"}, f"she is of another company: {cat.kept}"

        again = await saas.page(cookies["ben"])
        assert again.state["friends"] == ["ann"] and again.state["tasks"] == [{**task, "done": True}], again.state
        assert (await in_thread(saas.post, "/logout", {}, cookies["ben"])).status == 200
        for page in (ben, again):
            assert (await page.closed())[1] == 4403, "a log-out ends what the login opened"
        await ann.wait_for("presence", user="ben", here=False)
        assert await status_of(saas, origin=saas.origin, extra_headers={"Cookie": cookies["ben"]}) == 401

        # Ctrl-C goes to all that the terminal runs.
        os.killpg(script.pid, signal.SIGINT)
        assert (await ann.closed())[1] == 1001
        assert await in_thread(script.wait, PATIENCE) in (0, 130), saas.log()
        assert not saas.answers(saas.port) and not saas.answers(saas.app_port), "both end"
        assert "event=stopped" in saas.log() and "ending at once" not in saas.log(), saas.log()


async def until_done(page, type, **members):
    """As a page does that asks again; every no before the yes is that the application is away."""
    seen = []
    while True:
        answer = await page.ask(type, **members)
        if answer["type"] != "$error":
            return seen
        assert answer["error"] == "unavailable", answer
        seen.append(answer["error"])
        await asyncio.sleep(0.2)


async def test_one_of_the_two_dies():
    with Saas() as saas:
        script = await in_thread(saas.run)
        os.killpg(script.pid, signal.SIGTERM)
        await in_thread(script.wait, PATIENCE)
        app, daemon = await in_thread(saas.start_app), await in_thread(saas.start_daemon)
        cookie = {name: await in_thread(saas.login, name) for name in ("ann", "ben", "cat")}
        ann, ben = await saas.page(cookie["ann"]), await saas.page(cookie["ben"])
        await ann.must("task.add", text="before")

        # The application dies: what needs it is unavailable, what does not goes on, and no connection ends.
        app.kill()
        app.wait()
        await ann.refused("task.add", "unavailable", text="lost")
        await ann.must("call", answer="call.ringing", to="ben")
        await ben.wait_for("call")
        assert await status_of(saas, origin=saas.origin, extra_headers={"Cookie": cookie["ann"]}) == 503, "nobody comes in unasked"
        await ben.close()  # told later

        app = await in_thread(saas.start_app)
        await until_done(ann, "task.add", text="after")
        await ann.wait_for("presence", user="ben", here=False)
        ben = await saas.page(cookie["ben"])
        assert [task["text"] for task in ben.state["tasks"]] == ["before", "after"], ben.state

        # It dies in the middle of a message: the message is told as unavailable, or was done once.
        asking = asyncio.create_task(ann.ask("task.add", text="in the middle"))
        await asyncio.sleep(0)
        app.kill()
        app.wait()
        answer = await asking
        assert answer["type"] == "$ok" or answer["error"] == "unavailable", answer
        app = await in_thread(saas.start_app)
        await until_done(ann, "room.join", room="lobby")
        again = await saas.page(cookie["ann"])
        assert [task["text"] for task in again.state["tasks"]].count("in the middle") <= 1
        await again.close()

        # The daemon dies: the application's own words wait for it, and its sessions are told as lost.
        daemon.kill()
        daemon.wait()
        await ann.closed()
        reminder = asyncio.create_task(in_thread(saas.post, "/remind", {"to": "ben"}, cookie["ann"]))
        daemon = await in_thread(saas.start_daemon)
        assert (await reminder).status == 200
        ann = await saas.page(cookie["ann"])
        assert "ann" in ann.state["here"]
        await ann.wait_for("presence", user="ben", here=False)  # he did not come back
        ben = await saas.page(cookie["ben"])
        await ann.wait_for("presence", user="ben", here=True)
        for page in (ann, ben):
            await page.must("room.join", room="lobby")
        await ann.must("room.say", room="lobby", text="all is well")
        await ben.wait_for("room.said", text="all is well")

        # Both at once.
        for process in (daemon, app):
            process.kill()
            process.wait()
        await in_thread(saas.start_app)
        await in_thread(saas.start_daemon)
        ann, ben = await saas.page(cookie["ann"]), await saas.page(cookie["ben"])
        await ben.must("friend.request", to="ann")
        await ann.wait_for("friend.requested", **{"from": "ben"})


async def test_what_is_not_signed_is_not_believed():
    with Saas() as saas:
        await in_thread(saas.run)
        cookie = await in_thread(saas.login, "ann")
        for headers in ({}, {"webhook-id": "1", "webhook-timestamp": "²", "webhook-signature": "v1,x"},
                        {"webhook-id": "1", "webhook-timestamp": "1", "webhook-signature": "v1,x"}):
            headers = {name: text.encode() for name, text in headers.items()}
            answer = await in_thread(lambda: saas.post("/hooks", {"id": "1", "type": "connect", "user": "ann"}, cookie, **headers))
            assert answer.status == 401, answer.status
        assert saas.post("/login", {"name": "dora"}).status == 403
        assert saas.post("/login", b"name=ann", **{"Content-Type": "application/x-www-form-urlencoded"}).status == 415
        assert saas.post("/remind", {"to": "ben"}).status == 403
        wait_until(lambda: saas.answers(saas.port), "the daemon")


if __name__ == "__main__":
    main(globals())
