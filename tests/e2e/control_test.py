#!/usr/bin/python3
"""The control socket while something takes long: nothing else waits for it, and each is answered in the end."""
import functools
import json
import os
import select
import signal
import socket

from daemon import PATIENCE, Daemon, wait_until
from held import HeldThread, threads
from runner import main

POLICY = "route open /ws { auth = none  allow connect  message say { allow } }\n"


class Request:
    """One request at the control socket, whose answer may take its time."""

    def __init__(self, daemon, path, method="POST", body=""):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(daemon.path("run/control.sock"))
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: wayleave\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    def waits(self):
        return not select.select([self.socket], [], [], 0)[0]

    def answer(self):
        text = b""
        while more := self.socket.recv(65536):
            text += more
        self.socket.close()
        head, body = text.split(b"\r\n\r\n", 1)
        return int(head.split()[1]), json.loads(body) if b"json" in head else body.decode()


def others_are_answered(daemon):
    """By the third answer the requests before it have been heard: each needs two turns of the loop."""
    for _ in range(3):
        assert daemon.admin("/healthz")[0] in (200, 503)
        assert "wayleave_connections" in daemon.admin("/metrics")[1]
    return Request(daemon, "/status", "GET").answer()[0] == 200


def held(name, which=0):
    """For a test that takes a daemon and a thread of it that stands still."""
    def decorate(test):
        @functools.wraps(test)
        def run():
            with Daemon(POLICY, env={"WATCHDOG_USEC": "200000"}) as daemon:
                try:
                    thread = HeldThread(threads(daemon, name)[which]).__enter__()
                except PermissionError:
                    return print("      not tested: this machine does not let a parent trace its child")
                test(daemon, thread)
        del run.__wrapped__
        return run
    return decorate


def generation(daemon):
    return int(daemon.metric("wayleave_policy_generation"))


def test_a_large_policy_is_tried_while_all_goes_on():
    with Daemon(POLICY, env={"WATCHDOG_USEC": "20000"}) as daemon:
        for routes in (10_000, 20_000, 40_000):  # so many that the daemon is slower than this test
            daemon.write("routes.d/many.route", "".join(
                f"route r{i} /r{i} {{ auth = none  allow connect  message say {{ allow }} }}\n" for i in range(routes)))
            dry_run = Request(daemon, "/reload/dry-run")
            assert others_are_answered(daemon)
            daemon.manager.wait_for("WATCHDOG=1", len(daemon.manager.messages))
            in_time = dry_run.waits()
            status, report = dry_run.answer()
            assert status == 200 and report["changed"] and report["impact"]["connections"] == 0, report
            if in_time:
                break
        assert in_time, "nobody was answered while the policy was loaded"
        assert generation(daemon) == 1


@held("wayleave-loader")
def test_the_watchdog_is_fed_during_a_reload(daemon, loader):
    reload = Request(daemon, "/reload")
    daemon.manager.wait_for("RELOADING=1")
    daemon.manager.wait_for("WATCHDOG=1", len(daemon.manager.messages), count=5)
    assert others_are_answered(daemon) and daemon.admin("/healthz") == (200, "ok\n") and reload.waits()
    loader.release()
    assert reload.answer()[0] == 200


@held("wayleave-worker")
def test_a_worker_that_is_stuck_is_not_waited_for(daemon, worker):
    question = json.dumps({"session": "0000000000000abc", "action": "message", "target": "say"})
    requests = [Request(daemon, "/sessions"), Request(daemon, "/sessions", "GET"), Request(daemon, "/explain", body=question),
                Request(daemon, "/reload/dry-run")]
    assert others_are_answered(daemon)
    # Publications wait for no worker.
    publish = Request(daemon, "/publish", body=json.dumps({"channel": "a", "data": {"type": "x"}}))
    assert publish.answer()[0] == 200
    waiting = [request.waits() for request in requests]
    worker.release()
    answers = [request.answer() for request in requests]
    assert waiting[1:] == [True] * 3, waiting
    assert [status for status, _ in answers] == [400, 200, 404, 200], answers  # the first has no filter
    assert answers[1][1] == {"sessions": [], "count": 0, "more": False} and answers[3][1]["impact"]["connections"] == 0, answers


@held("wayleave-loader")
def test_reloads_are_done_in_their_order(daemon, loader):
    daemon.manager.wait_for("READY=1")
    requests = []
    for path in ("/reload", "/reload/dry-run", "/reload"):
        requests.append(Request(daemon, path))
        assert others_are_answered(daemon)
    assert all(request.waits() for request in requests) and generation(daemon) == 1
    daemon.write("routes.d/more.route", POLICY.replace("open /ws", "more /more"))
    loader.release()
    answers = [request.answer() for request in requests]
    assert [status for status, _ in answers] == [200] * 3, answers
    # Each has read the files when it was its turn.
    assert answers[0][1]["generation"] == 2 and answers[0][1]["changes"], answers[0]
    assert not answers[1][1]["changed"], "the dry run compares with what the reload before it has put in force"
    assert answers[2][1]["generation"] == 3 and answers[2][1]["unchanged"], answers[2]
    assert generation(daemon) == 3


@held("wayleave-loader")
def test_signals_during_a_reload_are_one_more(daemon, loader):
    daemon.manager.wait_for("READY=1")
    reload = Request(daemon, "/reload")
    daemon.manager.wait_for("RELOADING=1")
    for _ in range(5):
        daemon.signal(signal.SIGHUP)
        assert others_are_answered(daemon)
    loader.release()
    assert reload.answer()[1]["generation"] == 2
    wait_until(lambda: generation(daemon) == 3, "the signals' reload")
    daemon.manager.wait_for("READY=1", count=3)
    assert daemon.reload().returncode == 0 and generation(daemon) == 4, "the signals were one reload"
    said = [line for message in daemon.manager.messages for line in message.splitlines()]
    order = [line for line in said if line in ("READY=1", "RELOADING=1")]
    assert order == ["READY=1"] + ["RELOADING=1", "READY=1"] * 3, order


@held("wayleave-loader")
def test_an_end_during_a_reload(daemon, loader):
    reloads = [Request(daemon, path) for path in ("/reload", "/reload", "/reload/dry-run")]
    daemon.signal(signal.SIGHUP)
    assert others_are_answered(daemon)
    daemon.signal(signal.SIGTERM)
    daemon.manager.wait_for("STOPPING=1")
    for request in reloads:
        status, problem = request.answer()
        assert status == 503 and problem["detail"] == "the daemon is stopping", problem
    assert Request(daemon, "/reload").answer()[0] == 503
    # Not a reload, so not refused; and the daemon still lives, since its thread is at work.
    assert Request(daemon, "/status", "GET").answer()[1]["state"] == "draining"
    done = daemon.reload()
    assert done.returncode == 75 and "stopping" in done.stderr, (done.returncode, done.stderr)
    loader.release()
    daemon.check_end()
    assert "event=reloaded" not in daemon.log()
    said = [line for message in daemon.manager.messages for line in message.splitlines()]
    assert "READY=1" not in said[said.index("STOPPING=1"):], said


@held("wayleave-loader")
def test_a_second_signal_ends_a_daemon_whose_reload_hangs(daemon, loader):
    reload = Request(daemon, "/reload")
    daemon.manager.wait_for("RELOADING=1")
    daemon.signal(signal.SIGTERM)
    assert reload.answer()[0] == 503
    assert others_are_answered(daemon)
    daemon.signal(signal.SIGTERM)
    loader.bury()
    daemon.check_end()


@held("wayleave-loader")
def test_so_many_reloads_may_wait(daemon, loader):
    requests = [Request(daemon, "/reload" if i % 2 else "/reload/dry-run") for i in range(17)]
    assert others_are_answered(daemon)
    status, problem = Request(daemon, "/reload").answer()
    assert status == 503 and "too many reloads" in problem["detail"], problem
    assert daemon.metric('wayleave_reloads_total{result="busy"}') == 1
    daemon.signal(signal.SIGHUP)  # nobody hears that it comes to nothing, so it is taken
    assert others_are_answered(daemon)
    loader.release()
    assert [request.answer()[0] for request in requests] == [200] * 17
    wait_until(lambda: generation(daemon) == 1 + 8 + 1, "the signal's reload")


@held("wayleave-loader")
def test_a_client_that_does_not_wait(daemon, loader):
    for path in ("/reload", "/reload/dry-run"):
        request = Request(daemon, path)
        assert others_are_answered(daemon)
        request.socket.close()
    loader.release()
    wait_until(lambda: generation(daemon) == 2, "the reload, which was asked for")
    assert daemon.reload().returncode == 0


@held("wayleave-loader")
def test_a_socket_that_is_made_anew_drops_nobody(daemon, loader):
    reload = Request(daemon, "/reload")
    daemon.manager.wait_for("RELOADING=1")
    os.unlink(daemon.path("run/control.sock"))
    daemon.wait_log("event=control-remade")
    assert Request(daemon, "/status", "GET").answer()[0] == 200
    loader.release()
    assert reload.answer()[0] == 200


if __name__ == "__main__":
    main(globals())
