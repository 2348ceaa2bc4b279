#!/usr/bin/python3
"""A trace that a client has begun goes on in all that backends are asked for it."""
import asyncio
import http.client
import os
import re

from backend import Backend
from client import Client
from daemon import Daemon, wait_until
from runner import main
from forward_test import KEYS

POLICY = """
backend app { url = "%s" timeout = 1s sign = file "../keys/app.whsec" }
token cookie { check = app "/whoami" from cookie "sid" claim sub : string required }
route chat /ws {
    auth    = cookie
    origins = { none }
    allow connect
    allow subscribe on room/:room by app "/rooms/{room}"
    notify app "/hooks" on connect
    message form { allow forward to app "/forms" }
}
api internal /api { auth = cookie allow presence on ** }
channel news { presence = true }
"""
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


def answer(request):
    return (200, {"sub": "ann"}) if request.path == "/whoami" else (204, b"")


def daemon_for(backend):
    daemon = Daemon(POLICY % backend.url)
    daemon.write("keys/app.whsec", KEYS)
    os.chmod(daemon.path("keys/app.whsec"), 0o600)
    return daemon


async def all_of(daemon, backend, trace):
    """What the four requests of one client say."""
    begun = len(backend.requests)
    headers = {"Cookie": f"sid=s{begun}", **({"traceparent": trace} if trace else {})}
    ann = await Client.open(daemon, extra_headers=headers, subprotocols=["wayleave.v1"])
    await ann.subscribe("room/a")
    await ann.send("form")
    wait_until(lambda: len(backend.requests) >= begun + 4, "four requests")
    requests = backend.requests[begun:]
    assert {request.path for request in requests} == {"/whoami", "/hooks", "/rooms/a", "/forms"}, requests
    values = [request.headers["traceparent"] for request in requests]
    assert all(re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", value) for value in values), values
    return [value.split("-") for value in values]


async def test_a_trace_goes_on_with_a_parent_of_our_own():
    with Backend(answer) as backend:
        async with daemon_for(backend) as daemon:
            values = await all_of(daemon, backend, f"00-{TRACE}-{PARENT}-00")
            assert {value[1] for value in values} == {TRACE} and {value[3] for value in values} == {"00"}, values
            parents = {value[2] for value in values}
            assert len(parents) == 4 and PARENT not in parents, parents


async def test_what_is_no_trace_begins_none():
    with Backend(answer) as backend:
        async with daemon_for(backend) as daemon:
            for trace in (None, f"00-{TRACE.upper()}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE}-{PARENT}-01-x"):
                values = await all_of(daemon, backend, trace)
                assert not {value[1].lower() for value in values} & {TRACE, "0" * 32}, values


async def test_an_api_request_goes_on_too():
    with Backend(answer) as backend:
        async with daemon_for(backend) as daemon:
            connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
            connection.request("GET", "/api/presence?channel=news", headers={"Cookie": "sid=api", "traceparent": f"00-{TRACE}-{PARENT}-01"})
            assert await asyncio.to_thread(lambda: connection.getresponse().status) == 200
            asked = backend.requests[-1]
            assert asked.path == "/whoami" and asked.headers["traceparent"].startswith(f"00-{TRACE}-"), asked.headers
            assert PARENT not in asked.headers["traceparent"]


if __name__ == "__main__":
    main(globals())
