#!/usr/bin/python3
"""What goes wrong in the world: no descriptors left, peers that hang or vanish, a daemon that was killed."""
import fcntl
import json
import os
import re
import resource
import signal
import socket
import subprocess
import time

from daemon import BINARY, PATIENCE, Daemon, no_bug_in, run, wait_until
from raw import CLOSE, PING, TEXT, Raw, frame, head
from runner import main

POLICY = """
route open /ws {
    auth = none
    max_message = 1mb
    idle_timeout = 0s
    allow connect
    allow subscribe on a
    message say { allow publish to a }
    message quiet { allow }
}
route echo /echo { auth = none  dialect = "echo"  max_message = 1mb  idle_timeout = 0s  allow connect }
"""
BUSY = 0.6  # of a core. A loop that spins takes all of one; one that rests takes hundredths.


def ask(raw, message):
    """The answer to a message; what comes before it is dropped."""
    raw.send(frame(TEXT, json.dumps({**message, "$id": "asked"}).encode()))
    while (got := raw.read_frame()) is not None:
        if got[0] == TEXT and json.loads(got[1]).get("re") == "asked":
            return json.loads(got[1])
    raise AssertionError(f"no answer to {message}")


def serves(daemon):
    raw = Raw(daemon.port).upgrade()
    assert ask(raw, {"type": "quiet"})["type"] == "$ok"
    raw.send(frame(CLOSE))
    raw.close()
    return True


def try_upgrade(port):
    """A new client within two seconds, or None."""
    try:
        raw = Raw(port)
        raw.socket.settimeout(2)
        status, _ = raw.send(head()).read_head()
        raw.socket.settimeout(PATIENCE)
        if status == 101:
            return raw
        raw.close()
    except OSError:
        pass
    return None


def test_more_clients_than_max_connections():
    with Daemon(POLICY, top="max_connections = 20") as daemon:
        inside = [Raw(daemon.port).upgrade() for _ in range(20)]
        for _ in range(30):
            status, fields = Raw(daemon.port).send_anyway(head()).read_head()
            assert status in (503, 0), status
            assert status == 0 or int(fields["retry-after"]) > 0, fields
        assert daemon.metric("wayleave_accept_refused_total") >= 30
        assert daemon.log().count("event=connections-full") < 30, "a line for each"
        for raw in inside:
            assert ask(raw, {"type": "quiet"})["type"] == "$ok"
        for raw in inside[:5]:
            raw.close()
        wait_until(lambda: try_upgrade(daemon.port), "a place that is free again")


def test_small_limit_on_open_files():
    with Daemon(POLICY, nofile=100) as daemon:
        most = int(daemon.metric("wayleave_max_connections"))
        assert 0 < most < 100, most
        inside = [Raw(daemon.port).upgrade() for _ in range(most)]
        outside = [Raw(daemon.port) for _ in range(50)]
        assert daemon.cpu_share(2) < BUSY
        assert daemon.admin("/readyz")[0] == 200
        assert daemon.reload().returncode == 0, "no descriptor is left for a reload"
        for raw in inside + outside:
            raw.close()
        wait_until(lambda: daemon.metric("wayleave_sockets") == 0, "no socket")
        assert serves(daemon)


def test_a_limit_on_open_files_that_carries_no_daemon():
    for nofile in (16, 24, 40):
        daemon = Daemon(POLICY, nofile=nofile)
        daemon.start(wait=False)
        daemon.check_end(78)
        assert re.search(f"the limit on open files is {nofile}, and 2 workers need [0-9]+ at least", daemon.log()), daemon.log()
    needed = int(re.search("need ([0-9]+) at least", daemon.log()).group(1))
    with Daemon(POLICY, nofile=needed) as daemon:
        assert serves(daemon) and daemon.reload().returncode == 0 and daemon.admin("/healthz")[0] == 200


def test_descriptors_run_out():
    """Below what the daemon counted on: other programs of the machine, or prlimit(1), can do that at any time."""
    with Daemon(POLICY) as daemon:
        inside = [Raw(daemon.port).upgrade() for _ in range(20)]
        for raw in inside:
            assert serves(daemon) and ask(raw, {"type": "quiet"})["type"] == "$ok"
        # What fits: those that are open and a few more.
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (daemon.open_files() + 4,) * 2)
        outside = [Raw(daemon.port).send_anyway(head()) for _ in range(60)]
        daemon.wait_log("event=accept-failed")
        lines, began = daemon.log().count("event=accept-failed"), time.monotonic()
        share = daemon.cpu_share(5)
        assert share < BUSY, f"{share:.2f} of a core while descriptors are exhausted"
        lines = daemon.log().count("event=accept-failed") - lines
        seconds = time.monotonic() - began
        assert lines <= 2 * seconds + 3, f"{lines} lines about it in {seconds:.0f} s"
        for raw in inside:
            assert ask(raw, {"type": "quiet"})["type"] == "$ok", "those inside are not served"
        for raw in inside + outside:
            raw.close()
        client = wait_until(lambda: try_upgrade(daemon.port), "service after the shortage")
        assert ask(client, {"type": "quiet"})["type"] == "$ok"


def test_reader_that_stops():
    """It is closed as slow; others hear everything."""
    with Daemon(POLICY) as daemon:
        slow = Raw(daemon.port, receive_buffer=4096).upgrade()
        good = Raw(daemon.port).upgrade()
        for raw in (slow, good):
            assert ask(raw, {"type": "$subscribe", "channel": "a"})["type"] == "$subscribed"
        talker = Raw(daemon.port).upgrade()
        text = "x" * 50_000
        for number in range(200):
            talker.send(frame(TEXT, json.dumps({"type": "say", "n": number, "text": text}).encode()))
            message = json.loads(good.read_frame()[1])
            assert message["n"] == number and message["text"] == text
        wait_until(lambda: daemon.refusals("slow") >= 1, "an end of the slow reader")
        assert slow.close_code() in (4408, 1006)
        wait_until(lambda: daemon.metric("wayleave_connections") == 2, "only the other two")
        assert ask(good, {"type": "quiet"})["type"] == "$ok"


def test_end_in_the_middle_of_a_large_write():
    """FIN, RST and plain silence of peers that owe us reading: no loop spins, and they are gone in the end."""
    with Daemon(POLICY) as daemon:
        peers = [Raw(daemon.port, receive_buffer=4096).upgrade("/echo") for _ in range(12)]
        for raw in peers:
            raw.socket.settimeout(1)
            try:
                raw.send(frame(TEXT, b"x" * 900_000) * 3)
            except OSError:
                pass  # the daemon does not read on while its answer is not taken
        for raw in peers[:4]:
            raw.socket.shutdown(socket.SHUT_WR)
        for raw in peers[4:8]:
            raw.reset()
        share = daemon.cpu_share(3)
        assert share < BUSY, f"{share:.2f} of a core for peers that do not read"
        assert serves(daemon)
        wait_until(lambda: daemon.metric("wayleave_connections") == 0, "an end of all of them")
        assert len(peers) == 12


def test_no_descriptor_and_no_place_leaks():
    with Daemon(POLICY) as daemon:
        serves(daemon)
        wait_until(lambda: daemon.metric("wayleave_sockets") == 0, "no socket")
        before = wait_until(daemon.open_files, "files")

        def silent(raw):
            raw.close()

        def half_a_head(raw):
            raw.send(head()[:30]).close()

        def no_answer_read(raw):
            raw.send(head()).close()

        def vanishes(raw):
            raw.upgrade().reset()

        def half_a_frame(raw):
            raw.upgrade().send(frame(TEXT, b"x" * 100)[:20]).close()

        def subscriber(raw):
            ask(raw.upgrade(), {"type": "$subscribe", "channel": "a"})
            raw.close()

        def bad(raw):
            raw.upgrade().send(frame(TEXT, b"\xff")).close()

        def refused(raw):
            raw.send(head("/nowhere")).read_head()
            raw.reset()

        def proper(raw):
            raw.upgrade().send(frame(CLOSE, b"\x03\xe8"))
            raw.ended()
            raw.close()

        ways = (silent, half_a_head, no_answer_read, vanishes, half_a_frame, subscriber, bad, refused, proper)
        for number in range(504):
            ways[number % len(ways)](Raw(daemon.port))
        wait_until(lambda: daemon.metric("wayleave_sockets") == 0, "no socket")
        wait_until(lambda: daemon.open_files() <= before, f"{before} open files again, not {daemon.open_files()}")
        for name in ("connections", "subscriptions", "channels"):
            assert daemon.metric("wayleave_" + name) == 0, name
        assert serves(daemon)


def test_reset_in_the_middle_of_everything():
    with Daemon(POLICY) as daemon:
        for _ in range(100):
            raw = Raw(daemon.port).upgrade()
            raw.send(frame(TEXT, b'{"type":"$subscribe","channel":"a"}') + frame(PING, b"a") * 20 +
                     frame(TEXT, json.dumps({"type": "say", "text": "x" * 5000}).encode()) * 20)
            raw.reset()
        wait_until(lambda: daemon.metric("wayleave_connections") == 0, "an end of those that vanished")
        assert serves(daemon)


def test_killed_and_started_again():
    with Daemon(POLICY) as daemon:
        Raw(daemon.port).upgrade()
        for _ in range(3):
            daemon.signal(signal.SIGKILL)
            daemon.process.wait(PATIENCE)
            no_bug_in(daemon.log())
            assert os.path.exists(daemon.path("run/control.sock")), "the kill left a socket behind"
            daemon.start()
            assert daemon.reload().returncode == 0
            assert serves(daemon)
        daemon.stop()
        assert not os.path.exists(daemon.path("run/control.sock")), "a proper end removes it"


def start_with_log_to(daemon, stderr):
    """The port comes from `status`, as the log cannot be read."""
    daemon.process = subprocess.Popen([BINARY, "serve", "--config", daemon.config], stderr=stderr)
    daemon.stderr_path = os.devnull

    def listeners():
        answer = run("status", "--config", daemon.config, "--format", "json")
        return answer.returncode == 0 and json.loads(answer.stdout)["listeners"]

    daemon.port = int(wait_until(listeners, "an answer of the daemon")[0].rsplit(":", 1)[1])


def check_log_to(stderr, after_start=lambda: None):
    daemon = Daemon(POLICY)
    start_with_log_to(daemon, stderr)
    with daemon:
        after_start()
        daemon.write("routes.d/broken.route", "}" * 2000)  # hundreds of diagnostics: more than any pipe holds
        for _ in range(5):
            assert daemon.reload().returncode == 78, "a log that cannot be written ended the daemon"
        os.unlink(daemon.path("routes.d/broken.route"))
        assert daemon.reload().returncode == 0
        assert serves(daemon)


def test_log_to_a_full_disk():
    with open("/dev/full", "wb") as full:
        check_log_to(full)


def test_log_that_nobody_reads_any_more():
    reading, writing = os.pipe()
    check_log_to(writing, lambda: os.close(reading))
    os.close(writing)


def test_log_whose_reader_hangs():
    """Lines are dropped and counted; nothing waits for the reader, not even the end of the process."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    check_log_to(writing)
    os.close(reading)
    os.close(writing)


if __name__ == "__main__":
    main(globals())
