#!/usr/bin/python3
"""What an operator asks of a running daemon: why, channels, kick, drain, trace, log, reopen."""
import asyncio
import json
import os
import resource
import signal
import subprocess

import websockets
from client import Client
from daemon import BINARY, PATIENCE, TOKEN_BLOCK, Daemon, run, wait_until
from runner import main

POLICY = TOKEN_BLOCK + """
route chat /ws {
    auth    = demo
    origins = { none }
    allow connect
    deny connect if user.name == "mallory" because "not you"
    join user/{user.sub}
    allow subscribe on room/*
    deny subscribe on room/secret because "this room is closed"
    message say { field text : string required  allow  publish to room/hall }
}
channel room/* { history = 10  keep = 1h }
"""


async def ended(client):
    try:
        while True:
            await asyncio.wait_for(client.socket.recv(), PATIENCE)
    except websockets.ConnectionClosed:
        return client.socket.close_code


def ask(daemon, command, *arguments):
    return run(command, *arguments, "--config", daemon.config)


def objects(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


async def connect(daemon, user, name="nobody"):
    return await Client.open(daemon, token=daemon.token(user, name=name))


async def in_thread(daemon, command, *arguments):
    return await asyncio.to_thread(ask, daemon, command, *arguments)


async def test_why_tells_what_was_refused_to_whom_and_by_which_line():
    async with Daemon(POLICY) as daemon:
        nothing = await in_thread(daemon, "why")
        assert nothing.returncode == 65 and "nothing was refused" in nothing.stderr, nothing
        ann = await connect(daemon, "ann")
        await ann.refused("$subscribe", "forbidden", channel="room/secret")
        for about in ("ann", ann.hello["session"], "test.route:19", "chat"):
            found = objects(await in_thread(daemon, "why", about, "--format", "json"))
            assert len(found) == 1 and found[0]["user"] == "ann" and found[0]["target"] == "room/secret", (about, found)
            assert found[0]["rule_text"].startswith("deny subscribe on room/secret"), found
            assert 'user.name is "nobody"' in found[0]["facts"] and "ip is 127.0.0.1" in found[0]["facts"], found
        decision = found[0]["decision"]
        text = (await in_thread(daemon, "why", decision)).stdout
        assert "by:       user ann from 127.0.0.1" in text and "the line: deny subscribe on room/secret" in text, text
        # A handshake that was refused, and a user of whom nothing is known.
        try:
            await connect(daemon, "eve", "mallory")
            raise AssertionError("mallory came in")
        except websockets.InvalidStatusCode as refused:
            assert refused.status_code == 403
        text = (await in_thread(daemon, "why", "eve")).stdout
        assert "not you" in text and '        holds: user.name == "mallory": user.name is "mallory"\n' in text, text
        # What he has chosen himself is no word of the daemon's.
        liar = 'a from 10.9.9.9, session deadbeef user=root'
        sly = await connect(daemon, liar)
        await sly.refused("$subscribe", "forbidden", channel="room/secret")
        text = (await in_thread(daemon, "why", liar)).stdout
        assert "by:       user \"a from 10.9.9.9, session deadbeef user\\x3Droot\" from 127.0.0.1" in text, text
        await sly.close()
        nobody = await in_thread(daemon, "why", "bob")
        assert nobody.returncode == 65 and "no refusal of this is kept; the oldest that is kept is of 20" in nobody.stderr, nobody
        await ann.socket.close()


async def test_channels_are_listed_with_their_subscribers():
    async with Daemon(POLICY) as daemon:
        clients = [await connect(daemon, user) for user in ("ann", "ben", "cleo")]
        for client in clients[:2]:
            await client.subscribe("room/hall")
        await clients[0].must("say", text="hello")
        listed = json.loads((await in_thread(daemon, "channels", "--format", "json")).stdout)
        assert listed["count"] == 4 and not listed["more"], listed
        first = listed["channels"][0]
        assert first["channel"] == "room/hall" and first["subscribers"] == 2 and first["offset"] == 1, listed
        some = await in_thread(daemon, "channels", "--begins", "user/", "--most", "2")
        assert some.stdout.count("user/") == 2 and "there are 3" in some.stderr, some
        for client in clients:
            await client.socket.close()


async def test_kick_ends_whom_it_names_and_nobody_else():
    async with Daemon(POLICY) as daemon:
        ann, ben = await connect(daemon, "ann"), await connect(daemon, "ben")
        assert (await in_thread(daemon, "kick")).returncode == 64
        assert (await in_thread(daemon, "kick", "")).returncode == 64
        assert (await in_thread(daemon, "kick", "zoe")).returncode == 65
        # It shares nothing with others, so that there is one answer.
        for words in ((), ("--here",)):
            counted = await in_thread(daemon, "kick", "ann", "--dry-run", *words)
            assert counted.stdout == "1 connection would end\n", counted
            counted = await in_thread(daemon, "kick", "ann", "--dry-run", *words, "--format", "json")
            assert json.loads(counted.stdout) == {"sessions": 1, "all": True}, counted
        counted = await in_thread(daemon, "kick", "ann", "--dry-run", "--all", "--format", "json")
        assert json.loads(counted.stdout)["nodes"][0]["answer"]["sessions"] == 1, counted
        kicked = await in_thread(daemon, "kick", "ann", "--because", "go home")
        assert kicked.returncode == 0 and kicked.stdout == "1 connection ended\n", kicked
        bye = await ann.wait_for("$bye")
        assert bye["because"] == "go home", bye
        assert await ended(ann) == 4403
        again = await in_thread(daemon, "kick", "--session", ben.hello["session"], "--reconnect", "--format", "json")
        assert json.loads(again.stdout) == {"sessions": 1, "all": True}, again
        assert (await ben.wait_for("$bye"))["reconnect"]
        assert await ended(ben) == 1012
        assert daemon.log().count("event=kicked sessions=1") == 2 and "go home" in daemon.log()


async def test_trace_shows_what_one_user_does_without_what_he_says():
    async with Daemon(POLICY) as daemon:
        ann, ben = await connect(daemon, "ann"), await connect(daemon, "ben")
        process = subprocess.Popen([BINARY, "trace", "ann", "--format", "json", "--config", daemon.config],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            lines = []

            async def traced(event):
                while True:
                    line = json.loads(await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), PATIENCE))
                    lines.append(line)
                    if line["event"] == event:
                        return line

            # The workers learn of it a moment after it has begun.
            while not lines:
                await ann.must("say", text="TOPSECRET")
                reading = asyncio.ensure_future(traced("message-received"))
                done, _ = await asyncio.wait({reading}, timeout=1)
                while not done:
                    await ann.must("say", text="TOPSECRET")
                    done, _ = await asyncio.wait({reading}, timeout=1)
            for client in (ann, ben):
                await client.subscribe("room/hall")
            await ann.must("say", text="TOPSECRET")
            await ann.refused("$subscribe", "forbidden", channel="room/secret")
            refused = await traced("message-refused")
            assert refused["user"] == "ann" and refused["target"] == "room/secret", refused
            events = {line["event"] for line in lines}
            assert {"message-received", "delivered", "message-refused"} <= events, lines
            assert all(line["user"] == "ann" for line in lines), lines
            assert "TOPSECRET" not in json.dumps(lines)
            await ann.socket.close()
            await traced("connection-closed")
        finally:
            process.send_signal(signal.SIGINT)
            assert await asyncio.to_thread(process.wait, PATIENCE) == 0
        await ben.socket.close()


async def test_a_filter_of_the_log_tells_of_one_user_and_ends_by_itself():
    async with Daemon(POLICY) as daemon:
        ann, ben = await connect(daemon, "ann"), await connect(daemon, "ben")
        assert (await in_thread(daemon, "log", "--level", "debug", "--for", "soon")).returncode == 64
        assert (await in_thread(daemon, "log", "--level", "warn", "--user", "ann")).returncode == 64
        done = await in_thread(daemon, "log", "--user", "ann", "--for", "1h")
        assert done.returncode == 0 and "level debug of user ann, for 3600 s more" in done.stdout, done
        for client in (ben, ann):
            for _ in range(3):
                await client.must("say", text="hello")
        daemon.wait_log("event=message-received")
        told = [line for line in daemon.log().splitlines() if "event=message-received" in line]
        assert all(" user=ann " in line for line in told), told
        # What one operator names cannot move the terminal of another.
        await in_thread(daemon, "log", "--user", "\x1b[31m\u202e", "--for", "1h")
        shown = (await in_thread(daemon, "log")).stdout
        assert "\x1b" not in shown and "\u202e" not in shown and "[31m" in shown, repr(shown)
        assert "filters" in (await in_thread(daemon, "log", "--reset", "--format", "json")).stdout
        assert (await in_thread(daemon, "log")).stdout == "level debug\n"
        assert (await in_thread(daemon, "log", "--level", "error", "--for", "1s")).stdout.startswith("level error, for 1 s more")
        await asyncio.to_thread(wait_until, lambda: ask(daemon, "log").stdout == "level debug\n", "the level of the settings")
        await ann.socket.close()
        await ben.socket.close()


async def test_drain_sends_clients_away_and_is_undone():
    async with Daemon(POLICY) as daemon:
        clients = [await connect(daemon, f"u{i}") for i in range(6)]
        assert daemon.admin("/readyz")[0] == 200
        drained = await in_thread(daemon, "drain", "--over", "1s")
        assert drained.returncode == 0 and "/readyz answers 503" in drained.stdout, drained
        assert daemon.admin("/readyz") == (503, "draining\n")
        assert daemon.metric("wayleave_draining") == 1
        for client in clients:
            bye = await client.wait_for("$bye")
            assert bye["reason"] == "drain" and bye["reconnect"], bye
            assert await ended(client) == 1001
        late = await connect(daemon, "late")  # who comes is still served
        undone = await in_thread(daemon, "drain", "--undo")
        assert undone.returncode == 0, undone
        assert daemon.admin("/readyz")[0] == 200
        await late.must("say", text="still here")
        await late.socket.close()


def test_reload_tells_programs_too_what_became_of_it():
    with Daemon(POLICY) as daemon:
        done = ask(daemon, "reload", "--format", "json")
        assert done.returncode == 0 and json.loads(done.stdout)["generation"] == 2, done
        daemon.write("routes.d/test.route", "route x {")
        refused = ask(daemon, "reload", "--format", "json")
        assert refused.returncode == 78 and "E001" in json.loads(refused.stdout)["diagnostics"], refused
        daemon.write("routes.d/test.route", POLICY)


def test_the_file_of_the_log_is_opened_anew_and_may_be_full():
    with Daemon(POLICY, more="") as daemon:
        none = ask(daemon, "reopen")
        assert none.returncode == 65 and "log.file is not set" in none.stderr, none
    daemon = Daemon(POLICY)
    daemon.edit("wayleave.toml", 'format = "text"', 'format = "json"\nfile = "run/wayleave.log"')
    os.mkdir(daemon.path("run"))
    daemon.start(wait=False)
    try:
        path = daemon.path("run/wayleave.log")
        wait_until(lambda: os.path.exists(path) and "\"started\"" in daemon.read("run/wayleave.log"), "the start")
        os.rename(path, path + ".1")
        assert ask(daemon, "reopen").returncode == 0
        wait_until(lambda: os.path.exists(path) and "log-reopened" in daemon.read("run/wayleave.log"), "the new file")
        os.rename(path, path + ".2")
        daemon.signal(signal.SIGUSR1)
        wait_until(lambda: os.path.exists(path) and "log-reopened" in daemon.read("run/wayleave.log"), "the file after SIGUSR1")
        for line in daemon.read("run/wayleave.log.1").splitlines():
            json.loads(line)
        # The limit concerns standard error, too, which therefore is to be shorter.
        while os.path.getsize(path) < 4000:
            assert ask(daemon, "log", "--reset").returncode == 0
        # A full disk: RLIMIT_FSIZE refuses what makes the file larger. The lines go to standard error.
        size = os.path.getsize(path)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (size + 10, resource.RLIM_INFINITY))
        assert ask(daemon, "log", "--level", "debug", "--for", "1h").returncode == 0
        try:
            daemon.wait_log("cannot be written; is its disk full?")
        except AssertionError:
            print(f"it had {size} bytes and has {os.path.getsize(path)}:", daemon.read("run/wayleave.log")[-1000:])
            raise
        daemon.wait_log("log-filter")
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert ask(daemon, "log", "--reset").returncode == 0
        wait_until(lambda: "takes lines again" in daemon.log(), "word that it takes lines again")
        json.loads(daemon.read("run/wayleave.log").splitlines()[-1])
    finally:
        daemon.stop()
        daemon.__exit__(None, None, None)


def test_what_is_no_question_is_refused():
    with Daemon(POLICY) as daemon:
        socket_path = daemon.path("run/control.sock")
        for path, body, word in (("/kick", "{}", "say whom"), ("/kick", '{"who":""}', "not empty"), ("/kick", "[]", "JSON object"),
                                 ("/kick", '{"user":"a","user":"b"}', "twice"), ("/kick", '{"ip":"nowhere"}', "address"),
                                 ("/kick", '{"session":"zz"}', "16 hexadecimal"), ("/channels", '{"most":0}', "1 to 10000"),
                                 ("/channels", '{"most":-1}', "not negative"), ("/why", '{"most":5000}', "1 to 1000"),
                                 ("/drain", '{"over_ms":99999999999}', "a day"), ("/drain", '{"over_ms":5,"undo":true}', "either"),
                                 ("/trace", "{}", "say what"), ("/trace/more", "{}", "missing"), ("/trace/more", '{"trace":9}', "no such trace"),
                                 ("/log", '{"level":"loud","for_ms":1}', "is trace"), ("/log", '{"level":"debug"}', "for how long"),
                                 ("/kick", '{"user":"a","because":"' + "x" * 121 + '"}', "120 bytes"), ("/nothing", "", "there are")):
            answer = subprocess.run(["curl", "-s", "--unix-socket", socket_path, "-X", "POST", "-d", body, "http://w" + path],
                                    capture_output=True, text=True, check=True).stdout
            assert word in json.loads(answer)["detail"], (path, body, answer)
        # No more is watched than fits, and what nobody fetches is forgotten.
        for _ in range(16):
            subprocess.run(["curl", "-s", "--unix-socket", socket_path, "-d", '{"user":"a"}', "http://w/trace"], capture_output=True, check=True)
        full = ask(daemon, "trace", "ann", "--for", "1s")
        assert full.returncode == 75 and "as much is watched" in full.stderr, full
        wait_until(lambda: ask(daemon, "trace", "ann", "--for", "1s").returncode == 0, "room for a trace")


if __name__ == "__main__":
    main(globals())
