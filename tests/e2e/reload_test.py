#!/usr/bin/python3
"""Edits of a running daemon's files: the good ones hold, the bad ones change nothing, and nobody is dropped."""
import concurrent.futures
import os
import re
import signal
import socket
import threading
import time

from client import Client, status_of
from daemon import PATIENCE, TOKEN_BLOCK, Daemon, run, wait_until
from raw import TEXT, Raw, frame
from runner import main

POLICY = TOKEN_BLOCK + """
let bad_words = { "darn" }
route chat /ws {
    auth    = demo
    origins = { none }
    allow connect
    allow subscribe on room/:room
    message say {
        field text : string required
        allow
        deny if text in bad_words because "we do not say that here"
        publish to room/lobby
    }
}
"""
EXTRA = "\nroute extra /extra { auth = none  allow connect  message say { allow } }\n"
BROKEN = ("deny if text in bad_words", "deny if txet in bad_words")


def generation(daemon):
    return int(daemon.metric("wayleave_policy_generation"))


async def check_good_edit(daemon, reload):
    clients = [await Client.open(daemon, user="alice") for _ in range(20)]
    for client in clients:
        await client.subscribe("room/lobby")
    await clients[0].refused("say", "forbidden", text="darn")
    await clients[0].must("say", text="heck")
    before = generation(daemon)
    daemon.edit("routes.d/test.route", '"darn"', '"heck"')
    reload()
    assert generation(daemon) == before + 1
    for client in clients:  # those that were connected are judged by the new policy, and are all still there
        await client.refused("say", "forbidden", text="heck")
    await clients[0].must("say", text="darn")
    await clients[1].wait_for("say", text="darn")
    assert daemon.metric("wayleave_connections") == len(clients)
    for client in clients:
        await client.close()


async def test_good_edit_by_signal():
    async with Daemon(POLICY) as daemon:
        await check_good_edit(daemon, daemon.hang_up)
        daemon.wait_log("event=reloaded")


async def test_good_edit_by_command():
    async with Daemon(POLICY) as daemon:
        def reload():
            done = daemon.reload()
            assert done.returncode == 0, done.stderr
            assert "generation 2" in done.stdout and "1 file" in done.stdout and "1 route" in done.stdout, done.stdout
        await check_good_edit(daemon, reload)


def test_service_manager_hears_of_reloads():
    with Daemon(POLICY) as daemon:
        for edit in (EXTRA, "this is no policy"):  # good, then bad: the service manager waits for READY after both
            daemon.write("routes.d/more.route", edit)
            heard = len(daemon.manager.messages)
            before = time.monotonic_ns() // 1000
            daemon.signal(signal.SIGHUP)
            text = daemon.manager.wait_for("RELOADING=1", heard)
            sent = int(re.search(r"^MONOTONIC_USEC=(\d+)$", text, re.M).group(1))
            ready = daemon.manager.wait_for("READY=1", heard)
            assert before <= sent <= time.monotonic_ns() // 1000, "MONOTONIC_USEC is CLOCK_MONOTONIC of the reload"
        assert "STATUS=" in ready and "refused" in ready, ready


async def test_broken_edit_by_signal():
    async with Daemon(POLICY) as daemon:
        alice = await Client.open(daemon, user="alice")
        daemon.edit("routes.d/test.route", *BROKEN)
        daemon.hang_up()
        daemon.wait_log("event=reload-refused")
        daemon.wait_log("did you mean `text`")  # the log is written by a thread of its own
        lines = daemon.log()
        assert "there is no `txet`" in lines and "did you mean `text`" in lines, lines
        assert re.search(r"test\.route:\d+:\d+", lines), lines
        source = next(line for line in lines.splitlines() if "deny if txet" in line)
        caret = lines.splitlines()[lines.splitlines().index(source) + 1]
        column = source.index("txet")
        below = caret[column:column + 4] == "^^^^" and not caret[:column].endswith("^")
        assert below, f"the caret is elsewhere:\n{source}\n{caret}"
        await alice.refused("say", "forbidden", text="darn")  # the old policy decides
        assert await status_of(daemon, user="bob") == 101
        assert generation(daemon) == 1 and daemon.metric('wayleave_reloads_total{result="refused"}') == 1
        daemon.edit("routes.d/test.route", *reversed(BROKEN))
        daemon.hang_up()
        assert generation(daemon) == 2
        await alice.must("say", text="fine")


async def test_broken_edit_by_command():
    async with Daemon(POLICY) as daemon:
        daemon.edit("routes.d/test.route", *BROKEN)
        refused = daemon.reload()
        assert refused.returncode == 78, f"{refused.returncode} {refused.stderr}"
        assert "there is no `txet`" in refused.stderr and "^^^^" in refused.stderr and "refused" in refused.stderr, refused.stderr
        assert "\x1b" not in refused.stderr, "colours without a terminal"
        alice = await Client.open(daemon, user="alice")
        await alice.refused("say", "forbidden", text="darn")


def test_what_was_found_is_logged_at_its_level():
    told_of = 'backend app { url = "http://127.0.0.1:1" }\nroute told /told { auth = none  allow connect  notify app "/e" on connect }\n'
    with Daemon(POLICY + told_of) as daemon:
        daemon.write("wayleave.toml", daemon.read("wayleave.toml") + '\n[static]\ndirectory = "nowhere"\n')
        daemon.hang_up()
        daemon.wait_log("nowhere")
        told = [line for line in daemon.log().splitlines() if "event=reload-diagnostic" in line]
        warned = [line for line in told if "a restart loses" in line]
        assert warned and all("Z warn" in line for line in warned), told
        assert all("Z error" in line for line in told if "nowhere" in line), told


async def test_all_kinds_of_broken_files():
    """Whatever stands in the directory: the daemon goes on by the policy it has."""
    async with Daemon(POLICY) as daemon:
        alice = await Client.open(daemon, user="alice")
        good = daemon.read("routes.d/test.route")
        cases = {"empty directory of routes": b"", "NUL": b"\0", "byte order mark": b"\xef\xbb\xbf" + good.encode(),
                 "not UTF-8": b"\xff\xfe", "half a file": good[:200].encode(), "nested": b"let x = " + b"(" * 300_000,
                 "a line without end": b"let x = \"" + b"x" * 1_000_000, "braces": b"}" * 10_000}
        for what, text in cases.items():
            daemon.write("routes.d/test.route", text)
            done = daemon.reload()
            if what != "empty directory of routes":
                assert done.returncode == 78, f"{what}: {done.returncode} {done.stdout} {done.stderr[:2000]}"
                assert "error" in done.stderr and len(done.stderr) < 1_000_000, f"{what}: {done.stderr[:2000]}"
                await alice.refused("say", "forbidden", text="darn")
                continue
            daemon.write("routes.d/test.route", good)
            daemon.hang_up()
            alice = await Client.open(daemon, user="alice")
        os.rename(daemon.path("routes.d"), daemon.path("elsewhere"))
        assert daemon.reload().returncode == 78
        await alice.refused("say", "forbidden", text="darn")


async def test_removed_route():
    async with Daemon(POLICY + EXTRA) as daemon:
        alice, stranger = await Client.open(daemon, user="alice"), await Client.open(daemon, "/extra")
        await stranger.must("say")
        daemon.edit("routes.d/test.route", EXTRA, "")
        daemon.hang_up()
        messages, code = await stranger.closed()
        bye = messages[-1]
        assert code == 4403 and bye["reason"] == "policy_changed" and bye["reconnect"] is False, (messages, code)
        assert await status_of(daemon, "/extra") == 404
        await alice.must("say", text="still here")


async def test_new_required_facts():
    """Who never gave what the policy now reads is asked to come again: an else would be a guess about their token."""
    async with Daemon(POLICY) as daemon:
        alice = await Client.open(daemon, user="alice")
        claim = 'claim name : string else "nobody"\n'
        daemon.edit("routes.d/test.route", claim, claim + '    claim plan : string else "free"\n')
        daemon.hang_up()
        messages, code = await alice.closed()
        assert code == 1012, (messages, code)
        alice = await Client.open(daemon, user="alice")
        await alice.must("say", text="here again")
        wanted = 'allow connect\n    input device : string from query "d" required\n'
        daemon.edit("routes.d/test.route", "allow connect\n", wanted)
        daemon.hang_up()
        messages, code = await alice.closed()
        assert code == 1012, (messages, code)
        assert await status_of(daemon, "/ws", user="alice") == 400
        assert await status_of(daemon, "/ws?d=1", user="alice") == 101


async def test_many_signals():
    async with Daemon(POLICY) as daemon:
        clients = [await Client.open(daemon, user="alice") for _ in range(10)]
        for client in clients:
            await client.subscribe("room/lobby")
        for number in range(200):
            daemon.edit("routes.d/test.route", *(('"darn"', '"heck"') if number % 2 == 0 else ('"heck"', '"darn"')))
            daemon.signal(signal.SIGHUP)
            if number % 20 == 0:
                await clients[0].must("say", text="fine")
        # Whatever was merged, after this one the file's last content is in force.
        assert daemon.reload().returncode == 0
        for client in clients:
            await client.refused("say", "forbidden", text="darn")
        assert daemon.metric("wayleave_connections") == len(clients)
        assert daemon.metric('wayleave_reloads_total{result="refused"}') == 0


async def test_commands_at_the_same_time():
    async with Daemon(POLICY) as daemon:
        alice = await Client.open(daemon, user="alice")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda _: daemon.reload(), range(16)))
        assert [r.returncode for r in results] == [0] * 16, [r.stderr for r in results]
        assert generation(daemon) == 17
        await alice.must("say", text="still here")


def test_settings_that_need_a_restart():
    with Daemon(POLICY) as daemon:
        daemon.edit("wayleave.toml", "workers = 2", "workers = 3\nmax_connections = 50")
        done = daemon.reload()
        assert done.returncode == 0, done.stderr
        for name in ("workers", "max_connections"):
            assert f"{name} has changed" in done.stderr, done.stderr
            daemon.wait_log(f"{name} has changed")
        daemon.edit("wayleave.toml", 'level = "debug"', 'level = "warn"')
        assert "log.level" not in daemon.reload().stderr, "a reload applies it"


async def test_broken_settings():
    async with Daemon(POLICY) as daemon:
        for old, new, expected in (('level = "debug"', 'levle = "debug"', "level"), ("[policy]", "[policy", "wayleave.toml"),
                                   ("workers = 2", "workers = 0", "workers")):
            daemon.edit("wayleave.toml", old, new)
            refused = daemon.reload()
            assert refused.returncode == 78 and expected in refused.stderr, f"{refused.returncode} {refused.stderr}"
            daemon.hang_up()
            daemon.wait_log("event=reload-refused")
            assert await status_of(daemon, user="alice") == 101
            daemon.edit("wayleave.toml", new, old)
        assert daemon.reload().returncode == 0


async def test_key_files():
    async with Daemon(POLICY) as daemon:
        alice = await Client.open(daemon, user="alice")
        key = daemon.path("keys/demo.key")
        os.chmod(key, 0o644)
        refused = daemon.reload()
        assert refused.returncode == 78 and "demo.key" in refused.stderr, refused.stderr
        os.chmod(key, 0o600)
        os.rename(key, key + ".old")
        refused = daemon.reload()
        assert refused.returncode == 78 and "demo.key" in refused.stderr and "No such file" in refused.stderr, refused.stderr
        assert await status_of(daemon, user="alice") == 101, "the old keys are in force"
        daemon.new_key("demo.key")
        shown = run("reload", "--dry-run", "--config", daemon.config).stdout
        assert "1 connection came with a token whose key is not trusted any more" in shown, shown
        done = daemon.reload()
        assert done.returncode == 0
        for sign in "+-":
            assert re.search(rf'token demo: \{sign} kid "[-\w]+" \(HS256\)', done.stdout), done.stdout
        daemon.wait_log("event=reload-changed", 2)
        old = daemon.token("alice", name="alice", key="demo.key.old")
        assert await status_of(daemon, token=old) == 401, "the old key is gone"
        assert await status_of(daemon, token=daemon.token("alice", name="new", key="demo.key")) == 101
        # Whom the old key had let in is asked to come again.
        bye = await alice.wait_for("$bye")
        assert bye["code"] == 1012 and "not trusted any more" in bye["because"], bye
        assert daemon.metric("wayleave_reload_keys_gone_total") == 1


async def test_a_route_that_keeps_its_connections_keeps_those_of_an_old_key():
    async with Daemon(POLICY.replace("allow connect", "on_policy_change = keep\n    allow connect")) as daemon:
        alice = await Client.open(daemon, user="alice")
        os.rename(daemon.path("keys/demo.key"), daemon.path("keys/old.key"))
        daemon.new_key("demo.key")
        assert daemon.reload().returncode == 0
        await alice.must("say", text="still here")
        assert daemon.metric("wayleave_reload_keys_gone_total") == 1


async def test_a_reload_tells_what_it_changes():
    daemon = Daemon(POLICY.replace('{ "darn" }', 'file "words.txt"'))
    daemon.write("routes.d/words.txt", "word\n")
    async with daemon:
        daemon.write("routes.d/words.txt", "".join(f"word{i}\n" for i in range(1000)))
        daemon.write("routes.d/words.txt", "".join(f"word{i}\n" for i in range(1, 1002)))
        daemon.reload()
        daemon.write("routes.d/words.txt", "".join(f"word{i}\n" for i in range(2, 1003)))
        daemon.edit("wayleave.toml", 'close_timeout = "1s"', 'close_timeout = "2s"')
        shown = run("reload", "--dry-run", "--config", daemon.config).stdout
        assert "{ +1 -1 values: + \"word1002\" - \"word1\" }" in shown and len(shown) < 1000, shown
        assert 'limits.close_timeout: "1s" -> "2s"' in shown, shown
        done = daemon.reload().stdout
        assert "route chat: 1 line added, 1 line removed" in done and 'limits.close_timeout: "1s" -> "2s"' in done, done


async def test_limits_survive_a_reload():
    policy = POLICY.replace("allow connect\n", "allow connect\n    limit messages to 1/h per user.sub burst 3\n")
    async with Daemon(policy) as daemon:
        alice = await Client.open(daemon, user="alice")
        for _ in range(3):
            await alice.must("say", text="a")
        daemon.edit("routes.d/test.route", '"darn"', '"heck"')
        daemon.hang_up()
        await alice.refused("say", "limited", text="a")


def test_memory_of_many_reloads():
    with Daemon(POLICY) as daemon:
        def resident():
            with open(f"/proc/{daemon.process.pid}/statm", encoding="ascii") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        for number in range(400):
            daemon.hang_up()
            if number == 100:
                early, files = resident(), daemon.open_files()
        # A policy that is kept for ever is some tens of kB; a sanitizer's quarantine is not ours.
        wait_until(lambda: daemon.open_files() <= files, "the same number of open files as before")
        if not daemon.has_quarantine():
            assert resident() - early < 6_000_000, f"{early} bytes became {resident()} in 300 reloads"


def flood(daemon, stopped):
    """Keeps a worker busy, so that its turns are long."""
    raw = Raw(daemon.port).upgrade("/extra")
    raw.read_frame()
    while not stopped.is_set():
        raw.send(frame(TEXT, b'{"type":"say","$id":1}') * 50)
        for _ in range(50):
            raw.read_frame()
    raw.close()


def reload_by_socket(daemon):
    """POST /reload as `wayleave reload` sends it, without the time that a process takes to start and to end."""
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(PATIENCE)
        control.connect(daemon.path("run/control.sock"))
        control.sendall(b"POST /reload HTTP/1.1\r\nHost: wayleave\r\n\r\n")
        assert b" 200 " in control.recv(4096).split(b"\r\n")[0] + b" "


def test_the_answer_to_a_reload_is_a_promise():
    """What a client says after it is judged by the new policy, by each worker, however busy."""
    deny = EXTRA.replace("message say { allow }", "message say { allow }  message other { allow  deny if path != \"\" }")
    allow = EXTRA.replace("message say { allow }", "message say { allow }  message other { allow }")
    with Daemon(allow) as daemon:
        stopped = threading.Event()
        threads = [threading.Thread(target=flood, args=(daemon, stopped)) for _ in range(3)]
        clients = [Raw(daemon.port).upgrade("/extra") for _ in range(8)]
        stale = 0
        for one in threads + clients:
            one.start() if isinstance(one, threading.Thread) else one.read_frame()
        try:
            for number in range(200):
                policy, word = (allow, b"$ok") if number % 2 else (deny, b"$error")
                daemon.write("routes.d/test.route", policy)
                reload_by_socket(daemon)
                for client in clients:
                    client.send(frame(TEXT, b'{"type":"other","$id":1}'))
                stale += sum(word not in client.read_frame()[1] for client in clients)
        finally:
            stopped.set()
            for thread in threads:
                thread.join()
        assert stale == 0, f"{stale} of 1600 messages were judged by a policy that a reload had replaced before they were sent"


if __name__ == "__main__":
    main(globals())
