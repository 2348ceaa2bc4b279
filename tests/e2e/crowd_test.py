#!/usr/bin/python3
"""Who publishes as fast as a socket takes it, and the many who hear it: nobody who reads is closed, nothing that was accepted
is lost, and others are served meanwhile."""
import json
import multiprocessing
import selectors
import threading
import time

from daemon import PATIENCE, Daemon, wait_until
from raw import CLOSE, TEXT, Raw, frame
from runner import main

POLICY = """
defaults { auth = none  max_message = 64kb  idle_timeout = 0s  ping_every = 0s }
route native /ws {
    allow connect
    allow subscribe on room/*
    message say { allow publish to room/a }
}
"""
LISTENERS = 1500
MARK = b'"text":"'
SMALL = b'{"type":"say","text":"' + b"s" * 1000 + b'"}'
LARGE = b'{"type":"say","text":"' + b"l" * 16_000 + b'"}'


def subscribe(raw):
    raw.read_frame()  # $hello
    raw.send(frame(TEXT, b'{"type":"$subscribe","channel":"room/a"}'))
    assert json.loads(raw.read_frame()[1])["type"] == "$subscribed"
    return raw


def unmasked(payload):
    """With a mask of zeros: to mask much takes Python longer than to send it."""
    assert 126 <= len(payload) < 65536
    return b"\x81\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload


def listen(port, count, expected, pipe):
    """A process of its own, which only reads, until each has heard so many messages. It tells how many each heard."""
    raws = [subscribe(Raw(port).upgrade()) for _ in range(count)]
    with selectors.EpollSelector() as selector:
        for raw in raws:
            raw.heard, raw.tail = 0, b""
            raw.socket.setblocking(False)
            selector.register(raw.socket, selectors.EVENT_READ, raw)
        pipe.send("ready")
        closed, deadline = 0, time.monotonic() + PATIENCE
        while selector.get_map() and time.monotonic() < deadline and not pipe.poll():
            for key, _ in selector.select(1):
                raw = key.data
                try:
                    data = raw.socket.recv(1 << 20)
                except BlockingIOError:
                    continue
                except OSError:
                    data = b""
                raw.heard += (raw.tail + data).count(MARK)
                raw.tail = data[-len(MARK) + 1:]
                closed += not data
                if not data or raw.heard >= expected:
                    selector.unregister(raw.socket)
                    deadline = time.monotonic() + PATIENCE
        pipe.send((closed, [raw.heard for raw in raws]))
        pipe.recv()  # the connections stay until the daemon was asked


class Crowd:
    """So many who read, in a process of their own."""

    def __init__(self, daemon, count, expected):
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(target=listen, args=(daemon.port, count, expected, theirs))
        self.process.start()
        assert self.pipe.poll(PATIENCE) and self.pipe.recv() == "ready"

    def result(self):
        assert self.pipe.poll(5 * PATIENCE), "the listeners are not done"
        return self.pipe.recv()

    def end(self):
        self.pipe.send("end")
        self.process.join(PATIENCE)


class Pinger(threading.Thread):
    """One ping after the other on a connection of its own; between two answers, how much was delivered to others."""

    def __init__(self, daemon):
        super().__init__()
        self.daemon_under_test, self.raw = daemon, Raw(daemon.port).upgrade()
        self.raw.read_frame()
        self.answered, self.over = 0, False

    def run(self):
        while not self.over:
            self.raw.send(frame(TEXT, b'{"type":"$ping"}'))
            assert json.loads(self.raw.read_frame()[1])["type"] == "$pong"
            self.answered += 1
            time.sleep(0.11)  # more would be too many


def turns_of(daemon, workers):
    return sum(daemon.metric(f'wayleave_loop_turns_total{{worker="{i}"}}') for i in range(workers))


def flood(workers, payload, messages):
    # How much waits is what counts here, not how long: the listeners may get little of a busy machine.
    with Daemon(POLICY, workers=workers, limits='drain = "1s"\nmax_queue_age = "1h"\n') as daemon:
        crowd, talker, pinger = Crowd(daemon, LISTENERS, messages), Raw(daemon.port).upgrade(), Pinger(daemon)
        pinger.start()
        turns, began = turns_of(daemon, workers), time.monotonic()
        talker.socket.settimeout(4 * PATIENCE)
        talker.send(unmasked(payload) * messages)
        sent = time.monotonic() - began
        closed, heard = crowd.result()
        pinger.over = True
        pinger.join()
        turns, deliveries = turns_of(daemon, workers) - turns, daemon.metric("wayleave_deliveries_total")
        print(f"      {workers} workers, {messages} x {len(payload)} bytes: sent in {sent:.1f} s, heard in {time.monotonic() - began:.1f} s, "
              f"{pinger.answered} pings, {deliveries:.0f} deliveries in {turns:.0f} turns, "
              f"{daemon.metric('wayleave_publisher_pauses_total'):.0f} pauses; {closed} closed")
        assert closed == 0 and daemon.refusals("slow") == 0, f"{closed} of {LISTENERS} who read were closed"
        assert set(heard) == {messages}, f"each hears each message once, not {min(heard)} to {max(heard)}"
        assert pinger.answered > 2
        crowd.end()
        wait_until(lambda: daemon.metric("wayleave_mailbox_messages") == 0 and daemon.metric("wayleave_mailbox_bytes") == 0,
                   "mailboxes that are empty")


def test_many_small_messages():
    flood(1, SMALL, 2000)


def test_many_large_messages():
    flood(1, LARGE, 150)


def test_two_workers():
    flood(2, SMALL, 2000)


if __name__ == "__main__":
    main(globals())
