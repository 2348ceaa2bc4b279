#!/usr/bin/python3
"""Listening sockets that a service manager has bound and passes, and that outlive the daemon."""
import asyncio
import os
import re
import socket

from crowd import Crowd
from daemon import PATIENCE, Daemon
from raw import Raw, head
from runner import main

POLICY = "route open /ws { auth = none  allow connect  message say { allow } }"
NOBODY = "127.0.0.1:1"  # where the listener would be if no socket were passed


def listening(address=("127.0.0.1", 0), family=socket.AF_INET, kind=socket.SOCK_STREAM):
    one = socket.socket(family, kind)
    one.bind(address)
    if kind == socket.SOCK_STREAM:
        one.listen(4096)
    return one


def activated(name="clients", address=NOBODY, **options):
    return Daemon(POLICY, address=address, tls=f'name = "{name}"', **options)


def upgraded(one):
    """A handshake at that socket, which may be of any family."""
    raw = Raw.__new__(Raw)
    raw.socket, raw.buffer = socket.socket(one.family), b""
    raw.socket.settimeout(PATIENCE)
    raw.socket.connect(one.getsockname())
    return raw.upgrade()


def test_clients_come_to_the_passed_sockets():
    daemon = activated(workers=3)
    there = daemon.path("ws.sock")
    sockets = [listening(), listening(), listening(("::1", 0), socket.AF_INET6), listening(there, socket.AF_UNIX)]
    daemon.sockets = {"clients": sockets}
    with daemon:
        for one in sockets * 3:
            upgraded(one).close()
        named = [f"http://127.0.0.1:{one.getsockname()[1]}" for one in sockets[:2]]
        named += [f"http://[::1]:{sockets[2].getsockname()[1]}", "unix:" + there]
        daemon.wait_log("listening on " + ", ".join(named))
        daemon.stop()
        assert os.path.exists(there), "the file is the service manager's"


def test_several_names():
    """Each listener has its own, and a listener without a name binds its address as ever."""
    more = '[[listen]]\naddress = "127.0.0.1:0"\n\n[[listen]]\nname = "internal"\nserve = ["api"]\n'
    daemon = activated(more=more)
    clients, internal, health = listening(), listening(), listening()
    daemon.edit("wayleave.toml", '[admin]\naddress = "127.0.0.1:0"', '[admin]\nname = "health"\naddress = "127.0.0.1:0"')
    daemon.sockets = {"internal": [internal], "health": [health], "clients": [clients]}
    with daemon:
        assert daemon.port == clients.getsockname()[1] and daemon.admin_port == health.getsockname()[1]
        upgraded(clients).close()
        assert Raw(internal.getsockname()[1]).send(head("/ws")).read_head()[0] == 404
        assert daemon.admin("/readyz")[0] == 200
        assert len(re.findall("event=listening", daemon.log())) == 3, daemon.log()


def refused(daemon, *words):
    daemon.start(wait=False)
    daemon.check_end(78)
    for word in words:
        assert word in daemon.log(), (word, daemon.log())


def test_what_nobody_names_is_an_error():
    """Its clients would wait in the queue for ever."""
    daemon = activated()
    daemon.sockets = {"clients": [listening()], "wayleave.socket": [listening()]}
    refused(daemon, 'passes a socket named "wayleave.socket"', 'write name = "wayleave.socket" in a [[listen]]')
    daemon.edit("wayleave.toml", 'name = "clients"', "")
    refused(daemon, 'passes a socket named "clients"')


def test_a_name_alone_needs_its_socket():
    daemon = activated()
    daemon.edit("wayleave.toml", f'address = "{NOBODY}"', "")
    refused(daemon, "passes no socket of this name", "FileDescriptorName=clients", "or write an address")
    daemon.sockets = {"clients": [listening()]}
    with daemon.start():
        Raw(daemon.port).upgrade().close()


def test_without_sockets_the_address_counts():
    with activated(address="127.0.0.1:0") as daemon:  # by hand
        Raw(daemon.port).upgrade().close()
        assert "socket-missing" not in daemon.log()
    daemon = activated(address="127.0.0.1:0")
    daemon.edit("wayleave.toml", "[admin]", '[admin]\nname = "health"')
    daemon.sockets = {"health": [listening()]}
    with daemon:
        daemon.wait_log("event=socket-missing")
        Raw(daemon.port).upgrade().close()


def test_what_cannot_be_listened_at():
    idle = socket.socket()
    idle.bind(("127.0.0.1", 0))
    for one, why in ((listening(kind=socket.SOCK_DGRAM), "it is no TCP socket"), (idle, "it does not listen")):
        daemon = activated()
        daemon.sockets = {"clients": [one]}
        refused(daemon, why, "ListenStream= and Accept=no")


def test_sockets_of_another_process_are_not_taken():
    """LISTEN_PID says for whom they are; a child of the one that they were for must not take them."""
    env = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "clients"}
    with activated(address="127.0.0.1:0", env=env) as daemon:
        Raw(daemon.port).upgrade().close()


def test_settings_of_names():
    daemon = activated(name="two words")
    refused(daemon, "`listen[].name` is no FileDescriptorName=")
    daemon = activated(more='[[listen]]\nname = "clients"\n')
    refused(daemon, "two listeners have the name `clients`")


async def test_no_connection_is_refused_while_it_restarts():
    """The kernel keeps who comes while there is no daemon."""
    daemon = activated(limits='drain = "1s"')
    kept = listening()
    daemon.sockets = {"clients": [kept]}
    async with daemon:
        crowd = Crowd(daemon, 150)
        for _ in range(3):
            await crowd.all_here()
            opened = crowd.opened
            await asyncio.to_thread(daemon.stop)
            await asyncio.sleep(0.2)  # as long as a slow start
            await asyncio.to_thread(daemon.start)
            await crowd.all_here()
            assert crowd.opened >= opened + 150
        assert crowd.refused == 0, f"{crowd.refused} connections were refused"
        assert daemon.metric("wayleave_connections") == 150
        await crowd.leave()


async def test_it_would_be_refused_otherwise():
    """That the test before can fail."""
    async with activated(address="127.0.0.1:0", limits='drain = "1s"') as daemon:
        daemon.edit("wayleave.toml", 'address = "127.0.0.1:0"\nname', f'address = "127.0.0.1:{daemon.port}"\nname')
        crowd = Crowd(daemon, 150)
        await crowd.all_here()
        await asyncio.to_thread(daemon.stop)
        await asyncio.sleep(0.2)
        await asyncio.to_thread(daemon.start)
        await crowd.all_here()
        assert crowd.refused > 0
        await crowd.leave()


if __name__ == "__main__":
    main(globals())
