#!/usr/bin/python3
"""What a service manager hears of a daemon with Type=notify, from the start to the end."""
import asyncio
import re
import signal
import time

from client import Client
from daemon import Daemon, wait_until
from raw import Raw
from runner import main

POLICY = "route open /ws { auth = none  allow connect  message say { allow } }"


def test_ready_comes_when_clients_are_served():
    with Daemon(POLICY) as daemon:
        text = daemon.manager.wait_for("READY=1")
        assert re.search(r"^STATUS=\d+ connections, policy generation 1$", text, re.M), text
        Raw(daemon.port).upgrade().close()


def test_nothing_is_ready_on_an_error():
    daemon = Daemon("this is no policy")
    daemon.start(wait=False)
    daemon.check_end(78)
    assert daemon.manager.messages == [], daemon.manager.messages
    daemon.write("routes.d/test.route", POLICY)
    with daemon.start():
        daemon.manager.wait_for("READY=1")


def test_status_line_counts():
    with Daemon(POLICY) as daemon:
        clients = [Raw(daemon.port).upgrade() for _ in range(3)]
        daemon.manager.wait_for("STATUS=3 connection")
        for client in clients:
            client.close()
        daemon.manager.wait_for("STATUS=0 connection", len(daemon.manager.messages))


def test_watchdog():
    with Daemon(POLICY, env={"WATCHDOG_USEC": "1000000"}) as daemon:
        daemon.manager.wait_for("WATCHDOG=1", count=4)
        # Not while it stands still; and again afterwards.
        daemon.signal(signal.SIGSTOP)
        daemon.signal(signal.SIGCONT)
        daemon.manager.wait_for("WATCHDOG=1", len(daemon.manager.messages), count=2)


def test_no_watchdog_unless_asked_for():
    for env in ({}, {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "nonsense"}):
        with Daemon(POLICY, env=env) as daemon:
            for _ in range(2):  # each takes about a second, and the interval would be half of one
                raw = Raw(daemon.port).upgrade()
                daemon.manager.wait_for("STATUS=1 connection", len(daemon.manager.messages))
                raw.close()
                daemon.manager.wait_for("STATUS=0 connection", len(daemon.manager.messages))
            assert not [m for m in daemon.manager.messages if "WATCHDOG" in m], env


def test_reload_and_end():
    with Daemon(POLICY) as daemon:
        daemon.hang_up()
        daemon.reload()
        daemon.signal(signal.SIGTERM)
        daemon.check_end()
        said = [line for message in daemon.manager.messages for line in message.splitlines()]
        order = [line for line in said if line.split("=")[0] in ("READY", "RELOADING", "STOPPING")]
        assert order == ["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1"], order


def test_what_is_said_belongs_together():
    """One datagram each: a manager measures a reload by the time that comes with it, and shows the status beside the state."""
    with Daemon(POLICY, env={"WATCHDOG_USEC": "1000000"}) as daemon:
        ready = daemon.manager.wait_for("READY=1")
        assert re.fullmatch(r"READY=1\nSTATUS=[^\n]+", ready), ready
        before = time.monotonic_ns() // 1000
        daemon.hang_up()
        reloading = daemon.manager.wait_for("RELOADING=1")
        moment = int(re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", reloading).group(1))
        assert before <= moment <= time.monotonic_ns() // 1000, (before, moment)
        daemon.write("routes.d/test.route", "this is no policy")
        daemon.hang_up()  # a reload that was refused ends, too
        daemon.manager.wait_for("WATCHDOG=1", len(daemon.manager.messages))
        daemon.signal(signal.SIGTERM)
        assert re.fullmatch(r"STOPPING=1\nSTATUS=[^\n]+", daemon.manager.wait_for("STOPPING=1"))
        daemon.check_end()
        after = daemon.manager.messages[daemon.manager.messages.index(daemon.manager.wait_for("STOPPING=1")):]
        assert not [one for one in after if one.startswith(("READY", "RELOADING"))], after


async def test_drain_asks_for_time():
    """A drain that is longer than the manager's patience asks for more of it, as long as it goes on."""
    async with Daemon(POLICY, workers=1, limits='drain = "1h"') as daemon:
        _clients = await asyncio.gather(*(Client.open(daemon) for _ in range(150)))
        daemon.signal(signal.SIGTERM)
        await asyncio.to_thread(daemon.manager.wait_for, "EXTEND_TIMEOUT_USEC=", 0, 2)
        assert daemon.admin("/readyz")[0] == 503
        daemon.signal(signal.SIGINT)  # whichever of the two: it is the second
        daemon.check_end()


def test_sigint_is_an_end_too():
    with Daemon(POLICY) as daemon:
        daemon.signal(signal.SIGINT)
        daemon.check_end()


def test_other_signals_do_no_harm():
    with Daemon(POLICY) as daemon:
        for number in (signal.SIGUSR1, signal.SIGPIPE):
            daemon.signal(number)
        Raw(daemon.port).upgrade().close()


def test_without_a_service_manager():
    daemon = Daemon(POLICY, env={"NOTIFY_SOCKET": "/nonexistent/notify"})
    daemon.start(wait=False)
    wait_until(lambda: "event=started" in daemon.log(), "a start")
    with daemon:
        assert daemon.reload().returncode == 0


if __name__ == "__main__":
    main(globals())
