#!/usr/bin/python3
"""Server-Sent Events on the routes of WebSockets, and the POSTs that go with them."""
import http.client
import json
import signal
import socket
import threading
import time
import urllib.parse

from daemon import PATIENCE, TOKEN_BLOCK, Daemon, wait_until
from raw import TEXT, Raw, frame
from runner import main

ORIGIN = "https://app.example.com"
POLICY = TOKEN_BLOCK.replace('from header "Authorization"', 'from header "Authorization"\n    from query "token"\n'
                             '    from cookie "sid"') + """
channel room/** { history = 100  keep = 5m }
channel few     { history = 2    keep = 5m }

route chat /ws {
    auth    = demo
    origins = { "https://app.example.com", none }
    ping_every = 1s
    max_message = 4kb
    allow connect
    allow subscribe on room/:name
    deny  subscribe on room/secret because "not you"
    allow subscribe on few
    allow subscribe on plain
    allow publish on **
    join room/lobby
    limit messages to 20/s per user.sub burst 40
    message say {
        field text : string required
        allow
        deny if text == "darn" because "not here"
        deny if text == "drop" then drop
        deny if text == "out" then close 4403
        publish to room/lobby
    }
}
route open /open { auth = none  max_queue = 64kb  allow connect  allow subscribe on **  allow publish on ** }
route same 127.0.0.1/same { auth = none  origins = { same_host }  allow connect }
route echo /echo { auth = none  dialect = "echo"  allow connect }
"""


class Stream:
    """An EventSource made by hand: events as (id, data), heartbeats counted."""

    def __init__(self, daemon, path="/ws", *, token=None, last_id=None, accept="text/event-stream", receive_buffer=None, port=None,
                 **headers):
        self.raw = Raw(port or daemon.port, receive_buffer=receive_buffer)
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{daemon.port}", f"Accept: {accept}"]
        if token:
            lines.append("Authorization: Bearer " + token)
        if last_id is not None:
            lines.append("Last-Event-ID: " + last_id)
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.raw.send(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.status, self.fields = self.raw.read_head()
        self.last_id = self.retry = None
        self.heartbeats = 0
        self.hello = None
        if self.status == 200:
            self.hello = self.next()
            assert self.hello["type"] == "$hello", self.hello

    def _line(self):
        while b"\n" not in self.raw.buffer:
            if not self.raw._fill():
                return None
        line, self.raw.buffer = self.raw.buffer.split(b"\n", 1)
        return line.decode()

    def next(self):
        """The next event's JSON; None at the end of the stream."""
        data = []
        while True:
            line = self._line()
            if line is None:
                assert not data, "the stream ended in the middle of an event"
                return None
            if line.startswith("data: "):
                data.append(line[6:])
            elif line.startswith("id: "):
                self.last_id = line[4:]
            elif line.startswith("retry: "):
                self.retry = int(line[7:])
            elif line == ":":
                self.heartbeats += 1
            elif line == "":
                if data:
                    return json.loads("\n".join(data))
            else:
                raise AssertionError(f"no line of an event stream: {line!r}")

    def until(self, **members):
        while True:
            event = self.next()
            assert event is not None, f"the stream ended before {members}"
            if all(event.get(name) == value for name, value in members.items()):
                return event

    @property
    def session(self):
        return self.hello["session"]

    def close(self):
        self.raw.close()


def post(daemon, session, message, *, path="/ws", token=None, connection=None, **headers):
    own = connection or http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)
    fields = {"Content-Type": "application/json", "Wayleave-Session": session}
    if token:
        fields["Authorization"] = "Bearer " + token
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    body = message if isinstance(message, (bytes, str)) or hasattr(message, "__next__") else json.dumps(message)
    own.request("POST", path, body, {k: v for k, v in fields.items() if v is not None})
    answer = own.getresponse()
    text = answer.read()
    return answer.status, json.loads(text) if text else None


def test_a_stream_says_what_a_websocket_hears():
    with Daemon(POLICY) as daemon:
        alice = daemon.token("alice")
        stream = Stream(daemon, token=alice)
        assert stream.status == 200
        assert stream.fields["content-type"] == "text/event-stream"
        assert stream.fields["cache-control"] == "no-store, no-transform" and stream.fields["x-accel-buffering"] == "no"
        assert stream.hello["user"] == "alice" and stream.hello["channels"][0]["channel"] == "room/lobby"
        assert stream.retry >= 500 and stream.last_id
        socket_ = Raw(daemon.port).upgrade("/ws", "Authorization: Bearer " + alice)
        socket_.read_frame()
        # A client's own line ends between the tokens of its JSON must not end the event.
        socket_.send(frame(TEXT, b'{"type":"say",\r\n\r\n"text":\n"hi \xe2\x98\x83"\r}'))
        event = stream.until(type="say")
        heard = json.loads(socket_.read_frame()[1])
        assert event == heard and event["text"] == "hi ☃", (event, heard)
        assert daemon.metric("wayleave_streams") == 1 and daemon.metric("wayleave_connections") == 2
        assert daemon.metric("wayleave_streams_opened_total") == 1 and daemon.metric("wayleave_stream_events_total") == 1
        stream.close()
        wait_until(lambda: daemon.metric("wayleave_streams") == 0, "the end of the stream")


def test_the_door_is_the_same():
    with Daemon(POLICY) as daemon:
        alice = daemon.token("alice")
        assert Stream(daemon).status == 401
        assert Stream(daemon, token="bad").status == 401
        assert Stream(daemon, token=daemon.token("alice", expires="-1h")).status == 401
        assert Stream(daemon, token=alice, Origin="https://evil.example").status == 403
        good = Stream(daemon, "/ws?token=" + alice, Origin=ORIGIN)
        assert good.status == 200 and good.fields["access-control-allow-origin"] == ORIGIN
        assert good.fields["access-control-allow-credentials"] == "true" and good.fields["vary"] == "Origin"
        assert Stream(daemon, Origin=ORIGIN, Cookie="sid=" + alice).status == 200
        refused = Stream(daemon, Origin=ORIGIN)  # a page may read why
        assert refused.status == 401 and refused.fields["access-control-allow-origin"] == ORIGIN
        assert "access-control-allow-origin" not in Stream(daemon, Origin="https://evil.example").fields
        assert Stream(daemon, "/nothing").status == 404
        assert Stream(daemon, "/echo").status == 426
        assert Stream(daemon, token=alice, accept="text/html, */*").status == 426
        assert Stream(daemon, token=alice, accept="text/html;q=0.5, Text/Event-Stream;q=0.9").status == 200
        assert Stream(daemon, "/open", Content_Length="3").status == 400
        # A browser sends no Origin to the page's own host; what it sends instead cannot be chosen by a page.
        here = f"http://127.0.0.1:{daemon.port}"
        assert Stream(daemon, "/same").status == 403
        assert Stream(daemon, "/same", Origin=here).status == 200
        assert Stream(daemon, "/same", Referer=here + "/page?x=1").status == 200
        assert Stream(daemon, "/same", Referer="https://evil.example/" + here).status == 403
        assert Stream(daemon, "/same", Sec_Fetch_Site="same-origin").status == 200
        assert Stream(daemon, "/same", Sec_Fetch_Site="cross-site").status == 403
        assert Stream(daemon, "/same", Sec_Fetch_Site="same-origin", Origin="https://evil.example").status == 403


def test_channels_of_the_query():
    with Daemon(POLICY) as daemon:
        stream = Stream(daemon, "/ws?channel=room/a&channel=room%2Fsecret&channel=plain&channel=no%20name", token=daemon.token("alice"))
        assert stream.until(type="$subscribed", channel="room/a")["offset"] == 0
        error = stream.until(type="$error", re="room/secret")
        assert error["error"] == "forbidden" and error["because"] == "not you"
        stream.until(type="$subscribed", channel="plain")
        assert stream.until(type="$error", re="no name")["error"] == "bad_message"


def test_last_event_id_recovers_everything():
    with Daemon(POLICY) as daemon:
        alice = daemon.token("alice")
        path = "/ws?channel=room/a&channel=room/b"
        stream = Stream(daemon, path, token=alice)
        for channel in ("room/a", "room/b"):
            stream.until(type="$subscribed", channel=channel)
        speaker = Stream(daemon, token=daemon.token("bob"))

        def say(channel, number):
            status, answer = post(daemon, speaker.session, {"type": "$publish", "channel": channel, "data": {"n": number}},
                                  token=daemon.token("bob"))
            assert (status, answer["type"]) == (200, "$ok"), answer

        say("room/a", 1)
        say("room/b", 2)
        stream.until(n=1)
        stream.until(n=2)
        before = stream.last_id
        stream.close()
        for number, channel in enumerate(("room/a", "room/lobby", "room/b", "room/a"), 3):
            say(channel, number)
        again = Stream(daemon, path, token=alice, last_id=before)
        assert again.hello["channels"][0]["recovered"] is True, again.hello
        heard = []
        while len(heard) < 4:
            event = again.next()
            if "n" in event:
                heard.append(event["n"])
            else:
                assert event["type"] == "$subscribed" and event["recovered"] is True, event
        assert sorted(heard) == [3, 4, 5, 6], heard
        assert heard.index(3) < heard.index(6), "a channel's order"
        # As a parameter, for programs that cannot set the header.
        third = Stream(daemon, path + "&last_event_id=" + before, token=alice)
        assert third.hello["channels"][0]["recovered"] is True
        # Recovered at once after each event: nothing comes twice.
        fourth = Stream(daemon, path, token=alice, last_id=again.last_id)
        fourth.until(type="$subscribed", channel="room/b")
        say("room/b", 7)
        assert fourth.until(n=7)["$"]["channel"] == "room/b"


def test_ids_that_say_nothing():
    with Daemon(POLICY) as daemon:
        alice = daemon.token("alice")
        for last_id in ("42", "", "1", "x" * 3000, "1AAAA", "not%20ours", "é"):
            stream = Stream(daemon, "/ws?channel=few", token=alice, last_id=last_id)
            assert stream.status == 200 and stream.hello["channels"][0]["recovered"] is False, (last_id, stream.hello)
            assert stream.until(type="$subscribed", channel="few")["recovered"] is False
        first = Stream(daemon, token=alice)
        assert "recovered" not in first.hello["channels"][0]
        # More is missing than the history holds.
        stream = Stream(daemon, "/ws?channel=few", token=alice)
        stream.until(type="$subscribed", channel="few")
        before = stream.last_id
        for number in range(4):
            post(daemon, first.session, {"type": "$publish", "channel": "few", "data": {"n": number}}, token=alice)
        again = Stream(daemon, "/ws?channel=few", token=alice, last_id=before)
        assert again.until(type="$subscribed", channel="few")["recovered"] is False


def test_posts():
    with Daemon(POLICY, workers=4) as daemon:
        alice = daemon.token("alice")
        stream = Stream(daemon, token=alice)

        def say(message, **more):
            return post(daemon, stream.session, message, token=alice, **more)

        assert say({"type": "say", "text": "hello", "$id": "c1"}) == (200, {"type": "$ok", "re": "c1", "epoch": stream.until(
            type="say")["$"]["epoch"], "offset": 1})
        assert say({"type": "$ping"}) == (200, {"type": "$pong"})
        assert say({"type": "say", "text": "x"})[1]["type"] == "$ok", "a POST is answered also without $id"
        status, answer = say({"type": "say", "text": "darn", "$id": 7})
        assert status == 403 and answer["re"] == 7 and answer["because"] == "not here", answer
        assert say({"type": "nonsense"})[0] == 404 and say("[]")[0] == 400 and say("{")[0] == 400
        status, answer = say({"type": "$subscribe", "channel": "room/b", "$id": "s"})
        assert status == 200 and answer["type"] == "$subscribed" and answer["re"] == "s" and answer["channel"] == "room/b"
        assert say({"type": "$publish", "channel": "room/b", "data": {"n": 1}})[0] == 200
        assert stream.until(n=1)
        assert say({"type": "$auth", "token": daemon.token("alice", expires="2h")})[1]["type"] == "$ok"
        assert say({"type": "$auth", "token": daemon.token("bob")})[0] == 403
        # The worker that takes the POST is seldom the one that has the stream.
        for number in range(12):
            assert say({"type": "say", "text": f"hop {number}"})[0] == 200
            stream.until(text=f"hop {number}")
        assert daemon.metric("wayleave_posts_total") >= 20
        # Several on one connection.
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)
        for number in range(3):
            assert say({"type": "$ping", "$id": number}, connection=connection) == (200, {"type": "$pong", "re": number})


def test_a_post_of_several_channels():
    with Daemon(POLICY) as daemon:
        alice = daemon.token("alice")
        stream = Stream(daemon, token=alice)
        status, answer = post(daemon, stream.session, {"type": "$subscribe", "$id": 1, "channels": [
            "room/a", {"channel": "room/secret"}, "plain"]}, token=alice)
        assert status == 200 and [(a["type"], a["channel"], a["re"]) for a in answer] == [
            ("$subscribed", "room/a", 1), ("$error", "room/secret", 1), ("$subscribed", "plain", 1)], (status, answer)
        post(daemon, stream.session, {"type": "$publish", "channel": "room/a", "data": {"n": 1}}, token=alice)
        stream.until(n=1)
        # The browser comes again, with the last id alone.
        again = Stream(daemon, token=alice, last_id=stream.last_id)
        again.until(type="$subscribed", channel="room/a")
        status, answer = post(daemon, again.session, {"type": "$unsubscribe", "channels": ["room/a", "room/x"]}, token=alice)
        assert status == 200 and [a["type"] for a in answer] == ["$unsubscribed", "$error"], (status, answer)
        for bad in ([], [7], "room/a"):
            status, answer = post(daemon, again.session, {"type": "$subscribe", "channels": bad}, token=alice)
            assert status == 400 and answer["error"] == "bad_message", (status, answer)


def test_a_cookie_that_no_page_can_read_renews_the_session():
    with Daemon(POLICY, workers=4) as daemon:
        short, long = daemon.token("alice", expires="3s"), daemon.token("alice", expires="1h")
        socket_ = Raw(daemon.port).upgrade("/ws", "Origin: " + ORIGIN, "Cookie: sid=" + short)
        hello = json.loads(socket_.read_frame()[1])
        stream = Stream(daemon, Origin=ORIGIN, Cookie="sid=" + short)
        for session in (hello["session"], stream.session):
            status, answer = post(daemon, session, {"type": "$auth", "$id": 1}, Origin=ORIGIN, Cookie="sid=" + long)
            assert status == 200 and answer["type"] == "$ok" and answer["re"] == 1 and answer["expires"], answer
            bob = post(daemon, session, {"type": "$auth"}, Origin=ORIGIN, Cookie="sid=" + daemon.token("bob"))
            assert bob[0] == 404, bob
            assert post(daemon, session, {"type": "$auth"}, Origin="https://evil.example", Cookie="sid=" + long)[0] == 403
        time.sleep(4)  # the first cookie has run out meanwhile
        assert post(daemon, stream.session, {"type": "say", "text": "still here"}, Origin=ORIGIN, Cookie="sid=" + long)[0] == 200
        stream.until(text="still here")
        socket_.send(frame(TEXT, b'{"type":"$ping","$id":9}'))
        while True:
            message = socket_.read_frame()
            assert message is not None and message[0] != 8, "the WebSocket ended with its first cookie"
            if message[1] == b'{"type":"$pong","re":9}':
                break


def test_posts_of_others():
    with Daemon(POLICY) as daemon:
        alice, bob = daemon.token("alice"), daemon.token("bob")
        stream = Stream(daemon, token=alice)
        message = {"type": "say", "text": "forged"}
        assert post(daemon, stream.session, message)[0] == 401
        assert post(daemon, stream.session, message, token="bad")[0] == 401
        foreign, unknown = post(daemon, stream.session, message, token=bob), post(daemon, "0123456789abcd00", message, token=bob)
        assert foreign == unknown and foreign[0] == 404 and foreign[1]["error"] == "unknown_session", (foreign, unknown)
        assert post(daemon, "ffffffffffffffff", message, token=bob)[0] == 404, "no such worker"
        assert post(daemon, stream.session, message, path="/open")[0] == 404, "another route"
        assert post(daemon, stream.session, message, token=alice, Origin="https://evil.example")[0] == 403
        socket_ = Raw(daemon.port).upgrade("/ws", "Authorization: Bearer " + alice)
        session = json.loads(socket_.read_frame()[1])["session"]
        assert post(daemon, session, message, token=alice)[0] == 404, "a WebSocket speaks for itself"
        stream.close()
        wait_until(lambda: post(daemon, stream.session, message, token=alice)[0] == 404, "the session is gone")
        mine = Stream(daemon, "/open")
        assert post(daemon, mine.session, {"type": "$ping"}, path="/open")[0] == 200


def test_requests_that_are_no_post():
    with Daemon(POLICY) as daemon:
        stream = Stream(daemon, "/open")

        def ask(*lines, body=b"", drop=()):
            fields = {"Host": "a", "Content-Type": "application/json", "Wayleave-Session": stream.session,
                      "Content-Length": str(len(body))}
            head = ["POST /open HTTP/1.1"] + [f"{k}: {v}" for k, v in fields.items() if k not in drop] + list(lines)
            raw = Raw(daemon.port).send_anyway(("\r\n".join(head) + "\r\n\r\n").encode() + body)
            return raw

        def status(*lines, **more):
            return ask(*lines, **more).read_head()[0]

        ping = b'{"type":"$ping"}'
        chunks = b"5\r\n" + ping[:5] + b"\r\nb;x=y\r\n" + ping[5:] + b"\r\n0\r\n\r\n"
        assert status(body=ping) == 200
        assert status("Transfer-Encoding: chunked", body=chunks, drop=["Content-Length"]) == 200
        assert status("Transfer-Encoding: chunked", body=chunks) == 400, "both a length and chunks"
        assert status("Transfer-Encoding: gzip, chunked", body=chunks, drop=["Content-Length"]) == 501
        assert status("Transfer-Encoding: chunked", body=b"5\n" + chunks[3:], drop=["Content-Length"]) == 400
        assert status("Transfer-Encoding: chunked", body=b"FFFFFFF\r\n", drop=["Content-Length"]) == 413
        assert status("Transfer-Encoding: chunked", body=b"0\r\nX: y\r\n\r\n", drop=["Content-Length"]) == 400
        assert status(drop=["Content-Length"]) == 411
        assert status(body=b"x" * 70_000) == 413
        assert status("Content-Type: text/plain", body=ping, drop=["Content-Type"]) == 415
        assert status("Content-Type: application/json; charset=utf-8", body=ping, drop=["Content-Type"]) == 200
        assert status("Wayleave-Session: me", body=ping, drop=["Wayleave-Session"]) == 400
        assert status("Wayleave-Session: " + stream.session, body=ping) == 400, "twice"
        assert status("Expect: 200-maybe", body=ping) == 417
        assert status(body=b"") == 400
        # 100-continue: the body comes when it is asked for.
        raw = Raw(daemon.port).send(f"POST /open HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nWayleave-Session: {stream.session}"
                                    f"\r\nContent-Length: {len(ping)}\r\nExpect: 100-continue\r\n\r\n".encode())
        assert raw.read_head()[0] == 100
        assert raw.send(ping).read_answer()[2] == b'{"type":"$pong"}'
        # Two in one write, split anywhere, and what follows the body is the next request.
        one = f"POST /open HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nWayleave-Session: {stream.session}\r\n"
        both = (one + f"Content-Length: {len(ping)}\r\n\r\n").encode() + ping + (one + "Transfer-Encoding: chunked\r\n\r\n").encode() + chunks
        for cut in range(1, len(both), 41):  # pings are few for each session
            raw = Raw(daemon.port).send(both[:cut]).send(both[cut:])
            assert [raw.read_answer()[0] for _ in range(2)] == [200, 200], cut
        # Who speaks on the stream itself is cut off.
        stream.raw.send(b"GET / HTTP/1.1\r\n\r\n")
        assert stream.next() is None


def test_a_body_that_never_ends():
    with Daemon(POLICY, limits='handshake_timeout = "1s"') as daemon:
        stream = Stream(daemon, "/open")
        raw = Raw(daemon.port).send(f"POST /open HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nWayleave-Session: {stream.session}"
                                    "\r\nContent-Length: 10\r\n\r\n{".encode())
        assert raw.read_head()[0] == 408 and raw.ended()


def test_preflight_and_posts_of_pages():
    with Daemon(POLICY) as daemon:
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)
        connection.request("OPTIONS", "/ws", headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST",
                                                      "Access-Control-Request-Headers": "wayleave-session"})
        answer = connection.getresponse()
        assert answer.status == 204 and "Wayleave-Session" in answer.getheader("Access-Control-Allow-Headers")
        alice = daemon.token("alice")
        stream = Stream(daemon, token=alice, Origin=ORIGIN)
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)
        connection.request("POST", "/ws", '{"type":"$ping"}', {"Origin": ORIGIN, "Content-Type": "application/json",
                                                               "Wayleave-Session": stream.session, "Cookie": "sid=" + alice})
        answer = connection.getresponse()
        assert answer.status == 200 and answer.getheader("Access-Control-Allow-Origin") == ORIGIN


def test_outcomes_of_posts():
    with Daemon(POLICY) as daemon:
        alice = daemon.token("alice")
        stream = Stream(daemon, token=alice)
        try:
            post(daemon, stream.session, {"type": "say", "text": "drop"}, token=alice)
            raise AssertionError("a dropped message was answered")
        except (http.client.RemoteDisconnected, ConnectionError):
            pass
        status, answer = post(daemon, stream.session, {"type": "say", "text": "out"}, token=alice)
        assert status == 410 and answer["error"] == "unknown_session", answer
        bye = stream.until(type="$bye")
        assert bye["code"] == 4403 and bye["reconnect"] is False and stream.last_id == "end"
        assert stream.next() is None
        # A browser comes again all the same, and is told to stop.
        assert Stream(daemon, token=alice, last_id="end").status == 204
        flood = Stream(daemon, token=alice)
        answers = [post(daemon, flood.session, {"type": "say", "text": "flood"}, token=alice)[0] for _ in range(60)]
        assert 429 in answers and set(answers) == {200, 429}, answers


def test_heartbeats_and_deadlines():
    policy = POLICY.replace("ping_every = 1s", "ping_every = 1s  idle_timeout = 2s  max_lifetime = 4s")
    with Daemon(policy) as daemon:
        stream = Stream(daemon, token=daemon.token("alice"))
        bye = stream.until(type="$bye")
        assert bye["code"] == 1001 and bye["reason"] == "max_lifetime", "silence is no reason to end a stream"
        assert stream.heartbeats >= 2 and stream.retry == bye["reconnect"]["after_ms"]
        assert stream.next() is None and stream.last_id != "end"
        short = Stream(daemon, token=daemon.token("alice", expires="-57s"))
        assert short.status == 200, "within the leeway"


def test_drain_and_restart():
    with Daemon(POLICY) as daemon:
        alice = daemon.token("alice")
        stream = Stream(daemon, token=alice)
        daemon.signal(signal.SIGTERM)
        bye = stream.until(type="$bye")
        assert bye["code"] == 1001 and stream.retry == bye["reconnect"]["after_ms"]
        assert stream.next() is None
        daemon.check_end()
        daemon.start()
        again = Stream(daemon, token=alice, last_id=stream.last_id)
        assert again.hello["channels"][0]["recovered"] is False, "the numbering is new"


def test_reload():
    with Daemon(POLICY) as daemon:
        alice, bob = Stream(daemon, token=daemon.token("alice")), Stream(daemon, token=daemon.token("bob"))
        daemon.edit("routes.d/test.route", "    allow connect\n    allow subscribe on room",
                    '    allow connect\n    deny connect if user.sub == "bob"\n    allow subscribe on room')
        daemon.reload()
        bye = bob.until(type="$bye")
        assert bye["code"] == 4403 and bob.next() is None
        assert post(daemon, alice.session, {"type": "$ping"}, token=daemon.token("alice"))[0] == 200
        assert Stream(daemon, token=daemon.token("bob")).status == 403


def test_replaced():
    policy = POLICY.replace("    allow connect\n    allow subscribe on room",
                            "    limit connections to 1 per user.sub on excess replace_oldest\n    allow connect\n    allow subscribe on room")
    with Daemon(policy) as daemon:
        alice = daemon.token("alice")
        first = Stream(daemon, token=alice)
        second = Stream(daemon, token=alice)
        assert first.until(type="$bye")["code"] == 4409 and first.next() is None
        assert first.last_id == "end" and Stream(daemon, token=alice, last_id="end").status == 204
        assert post(daemon, second.session, {"type": "$ping"}, token=alice)[0] == 200


def test_slow_reader():
    with Daemon(POLICY, limits='max_queue_age = "2s"', workers=1) as daemon:
        slow = Stream(daemon, "/open?channel=big", receive_buffer=4096)
        quick = Stream(daemon, "/open?channel=big")
        speaker = Stream(daemon, "/open")
        done = threading.Event()

        def speak():
            connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)
            while not done.is_set():
                post(daemon, speaker.session, {"type": "$publish", "channel": "big", "data": {"x": "y" * 30_000}}, path="/open",
                     connection=connection)

        thread = threading.Thread(target=speak)
        thread.start()
        try:
            for _ in range(50):
                quick.until(x="y" * 30_000)
            while daemon.refusals("slow") == 0:  # the others do not wait
                quick.until(x="y" * 30_000)
        finally:
            done.set()
            thread.join()
        slow.raw.read_all()
        assert quick.raw.socket.fileno() >= 0


class BufferingProxy:
    """Passes requests on at once, and answers only in blocks of 4 kB, unless X-Accel-Buffering says no, as nginx does."""

    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    @staticmethod
    def _pump(source, sink, buffers):
        held, headed, waits = b"", not buffers, buffers
        while data := source.recv(65536):
            held += data
            if not headed and b"\r\n\r\n" in held:
                headed, waits = True, b"x-accel-buffering: no" not in held.lower()
            if not waits or len(held) >= 4096:
                sink.sendall(held)
                held = b""
        sink.sendall(held)
        sink.shutdown(socket.SHUT_WR)


def test_through_a_proxy_that_buffers():
    with Daemon(POLICY) as daemon:
        proxy = BufferingProxy(daemon.port)
        alice = daemon.token("alice")
        stream = Stream(daemon, token=alice, port=proxy.port)
        assert stream.status == 200
        assert post(daemon, stream.session, {"type": "say", "text": "through"}, token=alice)[0] == 200
        stream.until(text="through")


if __name__ == "__main__":
    main(globals())
