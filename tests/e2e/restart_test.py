#!/usr/bin/python3
"""One daemon ends and another begins: the drain, and --take-over, by which nobody notices."""
import asyncio
import json
import os
import re
import signal
import socket

from client import Client
from crowd import Crowd
from daemon import PATIENCE, Daemon, run, wait_until
from raw import CLOSE, Raw, head
from runner import main
from tls_test import TLS, make_certificate, tls_daemon, wrapped

POLICY = """route open /ws {
    auth = none
    allow connect
    allow subscribe on room/:room
    message say { field text : string required  allow  publish to room/all }
}"""


def states(daemon):
    answer = run("status", "--config", daemon.config, "--format", "json")
    assert answer.returncode == 0, answer
    return json.loads(answer.stdout)


def ended(daemon, code=0):
    daemon.check_end(code)
    return daemon.log()


async def test_a_take_over_refuses_nobody():
    first = Daemon(POLICY, limits='drain = "1s"', workers=2)
    async with first.start():
        crowd = Crowd(first, 150)
        await crowd.all_here()
        daemon = first
        for turn in range(3):
            after = daemon.successor()
            opened = crowd.opened
            await asyncio.to_thread(after.start)
            try:
                await asyncio.to_thread(ended, daemon)
                assert "event=stopping" in daemon.log() and "has taken over" in daemon.log(), daemon.log()
                await crowd.all_here()
                assert crowd.opened >= opened + 150
                assert (after.port, after.admin_port) == (first.port, first.admin_port)
                assert after.metric("wayleave_connections") == 150 and after.admin("/readyz")[0] == 200
                assert states(after)["state"] == "running" and after.reload().returncode == 0, turn
            finally:
                first.process, first.stderr_path, daemon = after.process, after.stderr_path, after
        assert crowd.refused == 0, f"{crowd.refused} connections were refused"
        await crowd.leave()


async def test_those_who_are_sent_away_come_again_at_once():
    async with Daemon(POLICY, limits='drain = "60s"') as first:
        clients = [await Client.open(first) for _ in range(20)]
        after = first.successor()
        await asyncio.to_thread(after.start)
        for client in clients:
            bye = await client.wait_for("$bye", code=1001)
            assert bye["reconnect"]["after_ms"] < 1000, bye
        await asyncio.to_thread(ended, first)
        assert "MAINPID=%d" % after.process.pid in first.manager.messages
        first.process, first.stderr_path = after.process, after.stderr_path


def test_files_of_unix_sockets_go_on():
    more = '[[listen]]\naddress = "unix:run/ws.sock"\n'
    with Daemon(POLICY, more=more) as first:
        def connect():
            one = socket.socket(socket.AF_UNIX)
            one.settimeout(PATIENCE)
            one.connect(first.path("run/ws.sock"))
            one.sendall(head())
            assert one.recv(100).startswith(b"HTTP/1.1 101"), "no handshake by the Unix socket"
            one.close()
        connect()
        after = first.successor()
        after.start()
        ended(first)
        connect()
        after.stop()
        assert not os.path.exists(first.path("run/ws.sock")) and not os.path.exists(first.path("run/control.sock"))
        first.process, first.stderr_path = after.process, after.stderr_path


def test_another_number_of_workers():
    with Daemon(POLICY, workers=1) as first:
        daemon = first
        for before, workers in ((1, 4), (4, 2), (2, 3)):
            daemon.edit("wayleave.toml", f"workers = {before}", f"workers = {workers}")
            after = daemon.successor()
            after.start()
            ended(daemon)
            for _ in range(30):
                Raw(after.port).upgrade().close()
            first.process, first.stderr_path, daemon = after.process, after.stderr_path, after


def test_listeners_with_tls():
    """They go to the new daemon, too, which has read the certificate of today; one that is new is opened beside them."""
    with tls_daemon() as first:
        before = wrapped(first).upgrade("/open")
        make_certificate(first)
        first.write("wayleave.toml", first.read("wayleave.toml") + f'\n[[listen]]\naddress = "127.0.0.1:0"\n{TLS}\n')
        after = first.successor()
        after.start()
        assert before.close_code() == 1001
        before.close()
        ended(first)
        wrapped(after).upgrade("/open").close()
        assert len(re.findall("event=listening address=https://", after.log())) == 2, after.log()
        first.process, first.stderr_path = after.process, after.stderr_path


def test_sockets_of_a_service_manager_are_handed_on():
    kept = socket.socket()
    kept.bind(("127.0.0.1", 0))
    kept.listen(100)
    first = Daemon(POLICY, address="127.0.0.1:1", tls='name = "clients"')
    first.sockets = {"clients": [kept]}
    with first:
        after = first.successor()
        after.sockets = {}
        after.start()
        ended(first)
        Raw(kept.getsockname()[1]).upgrade().close()
        first.process, first.stderr_path = after.process, after.stderr_path
        other = after.successor()
        other.sockets = {"clients": [kept]}
        other.start(wait=False)
        assert "the service manager passes the sockets; restart the unit instead" in ended(other, 64)


def test_what_fails_changes_nothing():
    """Before it asks and after it; then it succeeds."""
    with Daemon(POLICY) as first:
        client = Raw(first.port).upgrade()
        policy = first.read("routes.d/test.route")
        first.write("routes.d/test.route", "this is no policy")
        after = first.successor()
        after.start(wait=False)
        ended(after, 78)
        assert "hand-over" not in first.log()
        first.write("routes.d/test.route", policy)

        taken = socket.socket()
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        files = first.open_files()
        settings = first.read("wayleave.toml")
        first.write("wayleave.toml", settings + f'\n[[listen]]\naddress = "127.0.0.1:{taken.getsockname()[1]}"\n')
        for turn in range(3):
            after = first.successor()
            after.start(wait=False)
            said = ended(after, 69)
            assert "Address already in use" in said, said
            assert not after.manager.messages, "it was never ready"
            first.wait_log("event=hand-over-failed", turn + 1)
        wait_until(lambda: first.open_files() <= files, "the descriptors of what failed to go")
        Raw(first.port).upgrade().close()
        assert states(first)["state"] == "running" and first.admin("/readyz")[0] == 200

        first.write("wayleave.toml", settings)
        after = first.successor()
        after.start()
        assert client.close_code() == 1001
        client.close()
        ended(first)
        Raw(after.port).upgrade().close()
        first.process, first.stderr_path = after.process, after.stderr_path


def test_a_database_cannot_be_shared():
    with Daemon(POLICY, more='[broker]\nkind = "sqlite"\npath = "messages.db"\n') as first:
        after = first.successor()
        after.start(wait=False)
        said = ended(after, 69)
        assert "they cannot share a database: restart it instead" in said, said
        assert "hand-over" not in first.log(), "nothing was given away"
        Raw(first.port).upgrade().close()


def test_nobody_to_take_over_from():
    daemon = Daemon(POLICY)
    daemon.options = ["--take-over"]
    daemon.start(wait=False)
    assert "--take-over: " in ended(daemon, 69) and "does the daemon run" in daemon.log(), daemon.log()
    daemon.edit("wayleave.toml", 'socket = "run/control.sock"', "")
    daemon.start(wait=False)
    assert "control.socket is not set" in ended(daemon, 78)


async def test_a_daemon_that_ends_gives_nothing_away():
    async with Daemon(POLICY, limits='drain = "1h"', workers=1) as first:
        clients = await asyncio.gather(*(Client.open(first) for _ in range(150)))
        first.signal(signal.SIGTERM)
        await asyncio.to_thread(first.wait_log, "event=stopping")
        after = first.successor()
        after.start(wait=False)
        assert "the daemon is stopping" in await asyncio.to_thread(ended, after, 75)
        first.signal(signal.SIGTERM)
        first.check_end()
        del clients


async def test_strange_peers():
    """What answers at the path is no daemon, or says what none says: nothing is taken."""
    daemon = Daemon(POLICY)
    os.mkdir(daemon.path("run"))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(daemon.path("run/control.sock"))
    listener.listen()
    daemon.options = ["--take-over"]
    body = b'{"sockets":[{"use":"line"},{"use":"clients","listener":0,"name":"","address":"127.0.0.1:0"}]}'
    for answer in (b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n{", b"HTTP/1.1 200 OK\r\n\r\n{}",
                   b"HTTP/1.1 200 OK\r\n\r\n" + body):
        daemon.start(wait=False)
        peer = (await asyncio.to_thread(listener.accept))[0]
        peer.recv(1000)
        peer.sendall(answer)
        peer.close()
        said = await asyncio.to_thread(ended, daemon, 76)
        assert "is not understood" in said, said
    daemon.start(wait=False)
    peer = (await asyncio.to_thread(listener.accept))[0]
    peer.recv(1000)
    peer.sendall(b'HTTP/1.1 409 Conflict\r\n\r\n{"detail":"\\u001b[31mred"}')
    peer.close()
    said = await asyncio.to_thread(ended, daemon, 75)
    assert "\x1b" not in said and "[31mred" in said, said


async def test_an_end_waits_for_nobody_else():
    """Whoever does not answer has the time of limits.close_timeout; all others are told within the drain."""
    async with Daemon(POLICY, workers=1, limits='drain = "1s"', close_timeout="1h") as daemon:
        clients = await asyncio.gather(*(Client.open(daemon) for _ in range(120)))
        silent = [Raw(daemon.port).upgrade() for _ in range(30)]
        daemon.signal(signal.SIGTERM)
        for client in clients:
            await client.wait_for("$bye", code=1001)
            await asyncio.wait_for(client.socket.wait_closed(), PATIENCE)
        assert daemon.process.poll() is None, "the silent ones have time"
        daemon.signal(signal.SIGTERM)
        daemon.check_end()
        del silent


def test_an_end_comes_whatever_clients_do():
    """Those that hang in a handshake, say half of something, read nothing or answer nothing."""
    with Daemon(POLICY, workers=1, limits='drain = "1s"', close_timeout="1s") as daemon:
        hanging = [Raw(daemon.port) for _ in range(40)]
        hanging += [Raw(daemon.port).send(head()[:50]) for _ in range(40)]
        hanging += [Raw(daemon.port).upgrade().send(b"\x81") for _ in range(40)]
        silent = [Raw(daemon.port).upgrade() for _ in range(40)]
        daemon.stop()
        assert {one.close_code() for one in silent} == {1001}
        assert "event=stopped" in daemon.log()
        del hanging


def test_a_second_signal_ends_it_at_once():
    with Daemon(POLICY, workers=1, limits='drain = "1h"') as daemon:
        clients = [Raw(daemon.port).upgrade() for _ in range(150)]
        daemon.signal(signal.SIGTERM)
        daemon.wait_log("event=stopping")
        daemon.signal(signal.SIGTERM)
        daemon.check_end()
        assert "again: ending at once" in daemon.log()
        assert not os.path.exists(daemon.path("run/control.sock"))
        assert any(one.read_frame() != (CLOSE, b"") for one in clients)


if __name__ == "__main__":
    main(globals())
