#!/usr/bin/python3
"""Readiness: publications come to every worker, or /readyz says who is stuck."""
import http.client

from daemon import Daemon, wait_until
from held import HeldThread, threads
from runner import main

POLICY = "route open /ws { auth = none  allow connect }"


def test_ready_after_the_first_round():
    with Daemon(POLICY, workers=3) as daemon:
        wait_until(lambda: daemon.admin("/readyz") == (200, "ok\n"), "readiness")
        assert daemon.metric("wayleave_canary_seconds_count") >= 1
        before = daemon.metric("wayleave_canaries_total")
        wait_until(lambda: daemon.metric("wayleave_canaries_total") >= before + 2, "two more canaries")
        wait_until(lambda: daemon.metric("wayleave_canary_seconds_count") >= before + 2, "and their rounds")
        assert daemon.metric("wayleave_canary_failures_total") == 0
        assert daemon.metric("wayleave_canary_last_seconds") > 0
        assert "delivery-stuck" not in daemon.log()


def test_a_worker_that_is_stuck_is_named():
    with Daemon(POLICY, workers=3) as daemon:
        wait_until(lambda: daemon.admin("/readyz")[0] == 200, "readiness")
        try:
            with HeldThread(threads(daemon, "wayleave-worker")[1]):
                wait_until(lambda: "worker 1 has not heard a publication for " in daemon.admin("/readyz")[1], "the worker's name")
                status, body = daemon.admin("/readyz")
                assert status == 503 and "worker 0" not in body and "worker 2" not in body and "broker" not in body, body
                assert daemon.admin("/healthz")[0] == 503
                daemon.wait_log("event=delivery-stuck")
                wait_until(lambda: daemon.metric("wayleave_canary_failures_total") >= 1, "a round that is given up")
        except PermissionError:
            return print("      not tested: this machine does not let a parent trace its child")
        wait_until(lambda: daemon.admin("/readyz") == (200, "ok\n"), "readiness after the worker goes on")
        daemon.wait_log("event=delivery-resumed")


def test_a_page_that_takes_our_address_learns_nothing():
    def ask(daemon, host):
        connection = http.client.HTTPConnection("127.0.0.1", daemon.admin_port, timeout=20)
        connection.request("GET", "/metrics", headers={"Host": host})
        return connection.getresponse().status

    with Daemon(POLICY) as daemon:
        port = daemon.admin_port
        own = [f"127.0.0.1:{port}", f"localhost:{port}", "[::1]"]
        assert [ask(daemon, host) for host in own] == [200] * 3
        assert [ask(daemon, host) for host in ("rebound.example", f"rebound.example:{port}", "10.0.0.1")] == [421] * 3
        daemon.edit("wayleave.toml", "[admin]", '[admin]\nhosts = ["metrics.example"]')
        daemon.reload()
        assert ask(daemon, "metrics.example:80") == 200
        assert ask(daemon, "rebound.example") == 421


def test_nobody_names_the_canarys_channel():
    policy = """
    route open /ws { auth = none  allow connect  allow subscribe on **  allow publish on ** }
    """
    from raw import TEXT, Raw, frame
    with Daemon(policy) as daemon:
        client = Raw(daemon.port).upgrade()
        client.read_frame()  # $hello
        for message in (b'{"type":"$subscribe","channel":"$canary"}', b'{"type":"$publish","channel":"$canary","data":{}}'):
            client.send(frame(TEXT, message))
            assert b'"error":"bad_message"' in client.read_frame()[1]


if __name__ == "__main__":
    main(globals())
