#!/usr/bin/python3
"""Memory: the budget of the process, what one source may take, and that no input takes much more than its own size."""
import json
import os
import re
import time
import zlib

from daemon import Daemon, is_sanitized, run, wait_until
from raw import CLOSE, TEXT, Raw, frame, head
from runner import main

POLICY = """
defaults { auth = none  max_message = 1mb  idle_timeout = 0s  ping_every = 0s }
route native /ws {
    max_queue = 1024mb
    max_subscriptions = 100000
    allow connect
    allow subscribe on **
    message say { allow publish to a }
}
route echo   /echo   { dialect = "echo"  allow connect }
route packed /packed { dialect = "echo"  compression = true  max_message = 64mb  allow connect }
"""
MIB = 1 << 20
LIMITS = 'drain = "1s"\nmax_queue_age = "1h"\nmax_queue_messages = 1000000\nmessage_timeout = "1h"\n'


def resident(daemon):
    with open(f"/proc/{daemon.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def ask(raw, message):
    raw.send(frame(TEXT, json.dumps({**message, "$id": 1}).encode()))
    while (got := raw.read_frame()) and (got[0] != TEXT or json.loads(got[1]).get("re") != 1):
        pass
    return json.loads(got[1])


def status_of_new(daemon):
    raw = Raw(daemon.port).send_anyway(head("/echo"))
    status, fields = raw.read_head()
    raw.close()
    return status, fields


def unchanged(payload):
    """A text with a mask of zeros: to mask much takes Python longer than a reader may be stuck."""
    return b"\x81\xff" + len(payload).to_bytes(8, "big") + bytes(4) + payload


def test_budget():
    # A sanitizer keeps what was freed, to find who still uses it; here it is to give it back.
    returning = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") +
                 ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64:allocator_release_to_os_interval_ms=300"}
    with Daemon(POLICY, limits=LIMITS, env=returning) as daemon:
        # The budget is what the daemon takes and a little: a sanitizer's daemon takes far more.
        budget = resident(daemon) + 100 * MIB
        daemon.edit("wayleave.toml", "[limits]", f"[limits]\nmemory = {budget}")
        assert daemon.reload().returncode == 0
        slow = Raw(daemon.port, receive_buffer=4096).upgrade()
        small = Raw(daemon.port).upgrade()
        for raw in (slow, small):
            ask(raw, {"type": "$subscribe", "channel": "a"})
        talker = Raw(daemon.port).upgrade()
        refused = None
        for number in range(2000):
            talker.send(unchanged(json.dumps({"type": "say", "n": number, "text": "x" * 250_000}).encode()))
            assert json.loads(small.read_frame()[1])["n"] == number, "who reads is served all the time"
            if resident(daemon) < budget * 0.88:
                continue
            time.sleep(0.3)  # the daemon looks each second: it is to see each state
            status, fields = status_of_new(daemon)
            refused = refused or (fields if status == 503 else None)
            if daemon.metric("wayleave_shed_total") > 0:
                break
        assert refused and int(refused["retry-after"]) > 0, "no new connection was refused on the way"
        assert daemon.metric("wayleave_shed_total") == 1
        assert slow.close_code() in (4408, 1006)
        wait_until(lambda: status_of_new(daemon)[0] == 101, "new connections again")
        assert daemon.metric("wayleave_memory_state") == 0
        assert ask(small, {"type": "$unsubscribe", "channel": "a"})["type"] == "$unsubscribed"
        daemon.wait_log("event=memory", 2)
        told = re.findall(r"event=memory", daemon.log())
        assert len(told) <= 6, f"{len(told)} lines: one for each change"
        shown = run("status", "--config", daemon.config).stdout
        assert re.search(r"memory\.state +ample", shown) and f"{budget}" in shown, shown


def test_connections_of_one_source():
    with Daemon(POLICY, limits=LIMITS + "connections_per_source = 5\n") as daemon:
        inside = [Raw(daemon.port).upgrade("/echo") for _ in range(5)]
        for _ in range(5):
            assert status_of_new(daemon)[0] in (503, 0)
        assert daemon.metric("wayleave_accept_refused_total") == 5
        daemon.wait_log("of this source")
        for raw in inside:
            assert raw.send(frame(TEXT, b"x")).read_frame() == (TEXT, b"x")
        inside.pop().close()
        wait_until(lambda: status_of_new(daemon)[0] == 101, "a place that is free again")
        daemon.edit("wayleave.toml", "connections_per_source = 5", "connections_per_source = 0")
        assert daemon.reload().returncode == 0
        assert len([Raw(daemon.port).upgrade("/echo") for _ in range(20)]) == 20


def test_few_descriptors():
    """`ulimit -n 64`: something is served, nothing spins, and all is well when the crowd has left."""
    with Daemon(POLICY, nofile=64, workers=1) as daemon:
        most = int(daemon.metric("wayleave_max_connections"))
        inside = [Raw(daemon.port).upgrade("/echo") for _ in range(most)]
        outside = [Raw(daemon.port).send_anyway(head("/echo")) for _ in range(100 - most)]
        assert daemon.cpu_share(3) < 0.6
        lines = len(daemon.log().splitlines())
        assert lines < 60, f"{lines} lines in the log"
        for raw in inside:
            assert raw.send(frame(TEXT, b"x")).read_frame() == (TEXT, b"x")
        for raw in inside + outside:
            raw.close()
        wait_until(lambda: status_of_new(daemon)[0] == 101, "service after the crowd")


def deflate(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def many_headers(daemon):
    """98 fields of a byte, in 200 heads that are never complete."""
    data = head("/echo", *["a:b"] * 94)[:-2]
    return [Raw(daemon.port).send(data) for _ in range(200)], 200 * len(data)


def many_fragments(daemon):
    """Messages of 1000 fragments of a byte that are never complete."""
    data = frame(TEXT, b"a", fin=False) + frame(0, b"a", fin=False) * 1000
    return [Raw(daemon.port).upgrade("/echo").send(data) for _ in range(100)], 100 * len(data)


def announced(daemon):
    """Frames of a MB, of which little comes."""
    data = frame(TEXT, b"a" * 500, length=MIB)
    return [Raw(daemon.port).upgrade("/echo").send(data) for _ in range(200)], 200 * (len(data) + 200)


def many_subscriptions(daemon):
    raw = Raw(daemon.port).upgrade("/ws")
    size = 0
    for number in range(10_000):
        data = frame(TEXT, b'{"type":"$subscribe","channel":"%d"}' % number)
        size += len(data)
        raw.send(data).read_frame()
    return [raw], size


def long_names(daemon):
    raw = Raw(daemon.port).upgrade("/ws")
    size = 0
    for number in range(1000):
        data = frame(TEXT, b'{"type":"$subscribe","channel":"%s/%d"}' % (b"x" * 200, number))
        size += len(data)
        raw.send(data).read_frame()
    return [raw], size


def bombs(daemon):
    """Each inflates to 100 times its size, or not at all; the answers are read."""
    peers, size = [], 0
    for _ in range(20):
        raw = Raw(daemon.port)
        raw.send(head("/packed", "Sec-WebSocket-Extensions: permessage-deflate")).read_head()
        data = frame(TEXT, deflate(b" " * 20_000_000), rsv=4)
        size += len(data)
        raw.send_anyway(data)
        peers.append(raw)
    return peers, size


def test_amplification():
    """What is sent takes at most 100 times its size, and it is given back."""
    # Each of a sanitizer's allocations has red zones, and what is freed stays a while.
    most = 300 if is_sanitized() else 100
    for attack in (many_headers, many_fragments, announced, many_subscriptions, long_names, bombs):
        with Daemon(POLICY, limits=LIMITS + 'handshake_timeout = "1h"\n', workers=1) as daemon:
            for _ in range(20):  # what is made once is not the attack's
                assert Raw(daemon.port).upgrade("/echo").send(frame(TEXT, b"x" * 60_000)).read_frame()
            before = resident(daemon)
            peers, size = attack(daemon)
            time.sleep(0.5)
            grown = resident(daemon) - before
            # A connection has a price of its own, which is measured elsewhere; a page is the grain of the measure.
            assert grown <= most * size + len(peers) * 32_768 + MIB, f"{attack.__name__}: {grown} bytes for {size} sent"
            print(f"      {attack.__name__}: {size} bytes sent, {grown} more resident")
            for raw in peers:
                raw.close()
            wait_until(lambda: daemon.metric("wayleave_sockets") <= 20, "an end of the attack")
            assert Raw(daemon.port).upgrade("/echo").send(frame(CLOSE)).read_frame()[0] == CLOSE


if __name__ == "__main__":
    main(globals())
