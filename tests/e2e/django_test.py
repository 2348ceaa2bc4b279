#!/usr/bin/python3
"""A Django application that knows nothing of wayleave: two consumers, untouched, on one connection."""
import asyncio
import json
import os
import urllib.error
import urllib.parse
import urllib.request

import websockets
from daemon import PATIENCE, run, wait_until
from runner import main
from saas import Saas


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def login(example, user):
    opener = urllib.request.build_opener(NoRedirect)
    try:
        opener.open(f"{example.origin}/login?user={user}", timeout=PATIENCE)
    except urllib.error.HTTPError as answer:
        return answer.headers["Set-Cookie"].split(";")[0]
    raise AssertionError("no redirect")


def say(example, user, text):
    urllib.request.urlopen(f"{example.origin}/notify?user={user}&text={urllib.parse.quote(text)}", timeout=PATIENCE).read()


async def connect(port, path, cookie, origin):
    return await websockets.connect(f"ws://127.0.0.1:{port}{path}", origin=origin, extra_headers={"Cookie": cookie},
                                    open_timeout=PATIENCE, ping_interval=None)


async def next_of(socket):
    return json.loads(await asyncio.wait_for(socket.recv(), PATIENCE))


async def folded(example, user):
    socket = await connect(example.port, "/ws/app", login(example, user), example.origin)
    seen = [await next_of(socket) for _ in range(4)]
    assert seen[0]["type"] == "$hello", seen
    assert {m["stream"] for m in seen[1:] if m.get("state") == "open"} == {"notifications", "friends"}, seen
    assert {"stream": "notifications", "payload": {"unread": 0}} in seen, seen
    return socket


def sockets_of(port):
    """Established connections to that port of 127.0.0.1, as the server has them."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return sum(row[1] == f"0100007F:{port:04X}" and row[3] == "01" for row in rows)


async def test_two_sockets_before_and_one_after():
    with Saas("django") as example:
        example.run()
        cookie = login(example, "ann")
        before = [await connect(example.app_port, path, cookie, example.origin)
                  for path in ("/ws/notifications/", "/ws/friend-requests/")]
        wait_until(lambda: sockets_of(example.app_port) == 2 and sockets_of(example.port) == 0, "two sockets of one user")
        for one in before:
            await one.close()
        ann, ben = await folded(example, "ann"), await folded(example, "ben")
        wait_until(lambda: sockets_of(example.port) == 2, "one socket each")

        say(example, "ann", "one")
        say(example, "ann", "two")
        assert await next_of(ann) == {"stream": "notifications", "payload": {"notification": "one"}}
        assert await next_of(ann) == {"stream": "notifications", "payload": {"notification": "two"}}
        await ann.send(json.dumps({"stream": "friends", "payload": {"to": "ben"}}))
        assert await next_of(ann) == {"stream": "friends", "payload": {"sent": "ben"}}
        assert await next_of(ben) == {"stream": "friends", "payload": {"from": "ann", "request": True}}

        # The old pages.
        old = await connect(example.port, "/ws/notifications/", cookie, example.origin)
        assert await next_of(old) == {"unread": 0}
        await old.send('{"read": true}')
        assert await next_of(old) == {"unread": 0}
        say(example, "ann", "three")
        assert await next_of(old) == {"notification": "three"}
        assert await next_of(ann) == {"stream": "notifications", "payload": {"notification": "three"}}
        assert example.metric("wayleave_alias_handshakes_total") == 1
        await old.close()

        # Without a log-in nobody comes in, and from another page neither.
        for options in ({"cookie": "sessionid=forged"}, {"origin": "https://evil.example"}):
            try:
                await connect(example.port, "/ws/app", **{"cookie": cookie, "origin": example.origin, **options})
                raise AssertionError(options)
            except websockets.InvalidStatusCode as refusal:
                assert refusal.status_code in (401, 403), refusal.status_code


async def test_moving_step_by_step_while_the_page_stays():
    with Saas("django") as example:
        example.run()
        ann = await folded(example, "ann")
        policy = os.path.join(os.path.dirname(example.config), "routes.d/app.route")
        with open(policy, encoding="utf-8") as file:
            before = file.read()

        def reload(text):
            with open(policy, "w", encoding="utf-8") as file:
                file.write(text)
            done = run("reload", "--config", example.config)
            assert done.returncode == 0, done

        alias = "    alias /ws/notifications/ stream notifications until 2027-12-31\n"
        test = '    expect allow connect "/ws/notifications/"\n'
        without = before.replace(alias, "").replace(test, "")
        assert without != before
        reload(without)
        # One stream becomes messages that wayleave publishes by itself.
        moved = without.replace('    stream friends to django "/ws/friend-requests/"\n',
                                "    join friends/{user.sub}\n    message ask { field to : string required set from = user.sub"
                                " allow publish to friends/{to} }\n")
        moved = moved.replace("    alias /ws/friend-requests/ stream friends until 2027-12-31\n", "")
        reload(moved)
        seen = {message["type"]: message for message in [await next_of(ann), await next_of(ann)]}
        assert seen["$stream"]["stream"] == "friends" and seen["$stream"]["reason"] == "policy_changed", seen
        assert seen["$subscribed"]["channel"] == "friends/ann", seen
        await ann.send(json.dumps({"type": "ask", "to": "ann"}))
        assert (await next_of(ann))["from"] == "ann"
        say(example, "ann", "still here")
        assert await next_of(ann) == {"stream": "notifications", "payload": {"notification": "still here"}}
        # And back.
        reload(before)
        seen = [await next_of(ann) for _ in range(2)]
        assert {"type": "$stream", "stream": "friends", "state": "open"} in seen, seen
        await ann.send(json.dumps({"stream": "friends", "payload": {"to": "x"}}))
        assert await next_of(ann) == {"stream": "friends", "payload": {"sent": "x"}}


async def test_wayleave_stands_alone_before_its_pages():
    with Saas("django") as example:
        example.run()
        front = f"http://127.0.0.1:{example.port}"
        opener = urllib.request.build_opener(NoRedirect)
        try:
            opener.open(f"{front}/login?user=ann", timeout=PATIENCE)
            raise AssertionError("no redirect")
        except urllib.error.HTTPError as answer:
            assert answer.code == 302 and answer.headers["Location"] == "/", answer.headers
            cookie = answer.headers["Set-Cookie"].split(";")[0]

        def get(path, status=200):
            try:
                answer = urllib.request.urlopen(urllib.request.Request(front + path, headers={"Cookie": cookie}), timeout=PATIENCE)
            except urllib.error.HTTPError as error:
                answer = error
            assert answer.status == status, (path, answer.status)
            return answer.read()
        assert b"Two consumers" in await asyncio.to_thread(get, "/")
        assert json.loads(await asyncio.to_thread(get, "/whoami"))["sub"] == "ann"
        await asyncio.to_thread(get, "/nothing/here", 404)
        socket = await connect(example.port, "/ws/app", cookie, front)
        seen = [await next_of(socket) for _ in range(4)]
        assert {m["stream"] for m in seen[1:] if m.get("state") == "open"} == {"notifications", "friends"}, seen
        await asyncio.to_thread(get, "/notify?user=ann&text=hello")
        assert await next_of(socket) == {"stream": "notifications", "payload": {"notification": "hello"}}
        await socket.close()
        assert b"Two consumers" in await asyncio.to_thread(get, "/logout")


if __name__ == "__main__":
    main(globals())
