#!/usr/bin/python3
"""Frames that RFC 6455 or a policy forbids, each on a connection of its own; others are not disturbed."""
import json
import time

from daemon import Daemon, wait_until
from raw import BINARY, CLOSE, PING, PONG, TEXT, Raw, frame
from runner import main

POLICY = """
route native /ws {
    auth = none
    max_message   = 1kb
    max_fragments = 10
    allow connect
    allow subscribe on a
    message say { allow }
}
route echo /echo { auth = none  dialect = "echo"  max_message = 64kb  allow connect }
route impatient /impatient { auth = none  idle_timeout = 2s  ping_every = 0s  allow connect  message say { allow } }
route pinged /pinged { auth = none  idle_timeout = 3s  ping_every = 1s  allow connect }
"""
SAY = b'{"type":"say","$id":1}'


def text(size):
    return b'{"type":"say","text":"' + b"x" * (size - 24) + b'"}'


# What is sent, and the code of the close frame that answers it.
BAD = {
    "unmasked": (1002, frame(TEXT, SAY, mask=False)),
    "RSV1": (1002, frame(TEXT, SAY, rsv=4)),
    "RSV2": (1002, frame(TEXT, SAY, rsv=2)),
    "RSV3": (1002, frame(PING, b"", rsv=1)),
    "opcode 3": (1002, frame(3, SAY)),
    "opcode 11": (1002, frame(11, SAY)),
    "continuation of nothing": (1002, frame(0, SAY)),
    "text within a text": (1002, frame(TEXT, b"{", fin=False) + frame(TEXT, SAY)),
    "fragmented ping": (1002, frame(PING, b"a", fin=False)),
    "ping of 126 bytes": (1002, frame(PING, b"a" * 126)),
    "close of one byte": (1002, frame(CLOSE, b"a")),
    "close 1005": (1002, frame(CLOSE, b"\x03\xed")),
    "close 999": (1002, frame(CLOSE, b"\x03\xe7")),
    "close reason not UTF-8": (1007, frame(CLOSE, b"\x03\xe8\xff")),
    "length not minimal": (1002, b"\x81\xfe\x00\x05mask12345"),
    "length of 63 bits": (1002, b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xffmask"),
    "announced 2^62": (1009, frame(TEXT, b"", length=1 << 62)),
    "one over the limit": (1009, frame(TEXT, text(1025))),
    "over the limit in pieces": (1009, frame(TEXT, b"x" * 600, fin=False) + frame(0, b"x" * 600)),
    "not UTF-8": (1007, frame(TEXT, b'{"type":"\xff"}')),
    "half a character": (1007, frame(TEXT, b"\xc3")),
    "surrogate": (1007, frame(TEXT, b"\xed\xa0\x80")),
    "fragments": (1008, frame(TEXT, b"", fin=False) + frame(0, b"", fin=False) * 10),
}

# Autobahn 6.4.1 to 6.4.4: a text that is not complete, and what of it suffices to know that it is not UTF-8.
KOSME, BEYOND = "κόσμε".encode(), b"\xf4\x90\x80\x80"  # U+110000
INCOMPLETE = {
    "6.4.1, a fragment": frame(TEXT, KOSME, fin=False) + frame(0, BEYOND, fin=False),
    "6.4.2, the byte of a fragment": frame(TEXT, KOSME + BEYOND[:1], fin=False) + frame(0, BEYOND[1:2], fin=False),
    "6.4.3, part of a frame": frame(TEXT, KOSME + BEYOND + b"edited")[:6 + len(KOSME + BEYOND)],
    "6.4.4, the byte of a frame": frame(TEXT, KOSME + BEYOND + b"edited")[:6 + len(KOSME) + 2],
    "in a fragment behind a ping": frame(TEXT, b"\xc3", fin=False) + frame(PING) + frame(0, b"(", length=100),
}

# Autobahn 7: what is sent as the last, and the close frame that answers it.
CLOSES = {
    "7.1.5, within a message": (frame(TEXT, b"{", fin=False) + frame(CLOSE, b"\x03\xe8"), 1000),
    "7.1.6, much before it": (frame(TEXT, SAY) * 500 + frame(CLOSE, b"\x03\xe8"), 1000),
    "7.3.1, empty": (frame(CLOSE), 1005),
    "7.3.2, one byte": (frame(CLOSE, b"a"), 1002),
    "7.3.3, a code": (frame(CLOSE, b"\x03\xe8"), 1000),
    "7.3.4, a reason": (frame(CLOSE, b"\x03\xe8Hello"), 1000),
    "7.3.5, the longest reason": (frame(CLOSE, b"\x03\xe8" + b"*" * 123), 1000),
    "7.3.6, a longer one": (frame(CLOSE, b"\x03\xe8" + b"*" * 124), 1002),
    "7.5.1, a reason that is not UTF-8": (frame(CLOSE, b"\x03\xe8" + KOSME + BEYOND), 1007),
    **{f"7.7, {code}": (frame(CLOSE, code.to_bytes(2, "big")), code)
       for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)},
    **{f"7.9, {code}": (frame(CLOSE, code.to_bytes(2, "big")), 1002)
       for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535)},
}


def test_bad_frames():
    with Daemon(POLICY) as daemon:
        bystander = Raw(daemon.port).upgrade()
        bystander.read_frame()
        wrong = []
        for what, (expected, data) in BAD.items():
            for pieces in ([data], [data[i:i + 1] for i in range(len(data))]):
                raw = Raw(daemon.port).upgrade()
                for piece in pieces:
                    raw.send_anyway(piece)
                code = raw.close_code()
                if code != expected:
                    wrong.append(f"{what}: {code}, not {expected}")
                raw.close()
        assert not wrong, "\n".join(wrong)
        assert bystander.send(frame(TEXT, SAY)).read_frame()[1] == b'{"type":"$ok","re":1}'
        wait_until(lambda: daemon.metric("wayleave_connections") == 1, "only the bystander")


def ends_at_once(daemon, data, expected):
    """Reads to the end of the connection, while the close frame is not answered: the daemon must not wait for that."""
    raw = Raw(daemon.port).upgrade("/echo").send_anyway(data)
    code = raw.close_code()
    assert code == expected, f"{code}, not {expected}"
    assert raw.read_frame() is None, "something after the close frame"
    raw.close()


def test_nothing_is_waited_for_after_an_error():
    """RFC 6455 7.1.7. With this close_timeout a daemon that waits for a close frame would wait for ever."""
    with Daemon(POLICY, limits='handshake_timeout = "10s"\n', close_timeout="1h") as daemon:
        for what, (expected, data) in BAD.items():
            if expected in (1002, 1007):
                print("     ", what)
                ends_at_once(daemon, data, expected)
        for what, data in INCOMPLETE.items():
            print("     ", what)
            ends_at_once(daemon, data, 1007)
        for what, (data, expected) in CLOSES.items():
            print("     ", what)
            raw = Raw(daemon.port).upgrade("/echo").send(data)
            assert raw.close_code() == expected, what
            assert raw.read_frame() is None, what
            raw.close()
        wait_until(lambda: daemon.metric("wayleave_sockets") == 0, "an end of all")


def test_bye_says_whether_to_come_again():
    with Daemon(POLICY) as daemon:
        for what in ("unmasked", "one over the limit", "not UTF-8"):
            raw = Raw(daemon.port).upgrade().send(BAD[what][1])
            raw.read_frame()
            bye = json.loads(raw.read_frame()[1])
            assert bye["type"] == "$bye" and bye["code"] == BAD[what][0] and bye["reconnect"] is False, bye


def test_good_frames():
    with Daemon(POLICY) as daemon:
        raw = Raw(daemon.port).upgrade()
        raw.read_frame()
        raw.send(frame(TEXT, SAY[:5], fin=False) + frame(PING, b"between") + frame(0, b"", fin=False) + frame(0, SAY[5:]))
        assert raw.read_frame() == (PONG, b"between")
        assert raw.read_frame()[1] == b'{"type":"$ok","re":1}'
        raw.send(frame(TEXT, text(1024)) + frame(TEXT, SAY))  # exactly the limit
        assert raw.read_frame()[1] == b'{"type":"$ok","re":1}'
        raw.send(frame(BINARY, SAY))
        assert json.loads(raw.read_frame()[1])["error"] == "bad_message"
        raw.send(frame(PONG, b"nobody asked"))
        raw.send(frame(CLOSE, b"\x0f\xa0bye"))
        assert raw.read_frame() == (CLOSE, b"\x0f\xa0"), "the code comes back"
        raw.ended()
        raw = Raw(daemon.port).upgrade()
        raw.read_frame()
        raw.send(frame(CLOSE) + frame(TEXT, SAY))
        assert raw.read_frame() == (CLOSE, b""), "no code, no code"
        assert raw.read_frame() is None, "something after the close"


def test_echo():
    with Daemon(POLICY) as daemon:
        raw = Raw(daemon.port).upgrade("/echo")
        for opcode, payload in ((TEXT, "äöü ☃".encode()), (BINARY, bytes(range(256))), (TEXT, b""), (BINARY, b""),
                                (BINARY, b"x" * 65535), (BINARY, b"y" * 65536), (TEXT, b"z" * 126), (TEXT, b"z" * 125)):
            for size in (1, 7, 65536):
                if len(payload) // size > 1000:
                    continue
                parts = [payload[i:i + size] for i in range(0, len(payload), size)] or [b""]
                for i, part in enumerate(parts):
                    raw.send(frame(opcode if i == 0 else 0, part, fin=i == len(parts) - 1))
                assert raw.read_frame() == (opcode, payload), f"{len(payload)} bytes in pieces of {size}"
        raw.send(frame(BINARY, b"x" * 65537))
        assert raw.close_code() == 1009


def test_floods_of_small_things():
    """They are closed or answered, and the daemon goes on."""
    with Daemon(POLICY) as daemon:
        raw = Raw(daemon.port).upgrade("/echo").send_anyway(frame(TEXT, b"", fin=False) + frame(0, b"a", fin=False) * 20_000)
        assert raw.close_code() in (1008, 1006)
        raw = Raw(daemon.port).upgrade().send_anyway(frame(PING, b"") * 20_000)
        assert raw.close_code() in (1008, 1006)
        raw = Raw(daemon.port).upgrade().send_anyway(frame(TEXT, b'{"type":"$ping"}') * 20_000)
        assert raw.close_code() in (1008, 1006)
        raw = Raw(daemon.port).upgrade()
        raw.read_frame()
        raw.send(frame(TEXT, SAY) * 500)  # many in one segment are many messages
        for _ in range(500):
            assert raw.read_frame()[1] == b'{"type":"$ok","re":1}'


def test_idle_and_unfinished():
    with Daemon(POLICY) as daemon:
        silent = Raw(daemon.port).upgrade("/impatient")
        half = Raw(daemon.port).upgrade("/impatient").send(frame(TEXT, SAY)[:10])
        fragment = Raw(daemon.port).upgrade("/impatient").send(frame(TEXT, SAY, fin=False))
        head = Raw(daemon.port).upgrade("/impatient").send(b"\x81")
        for raw in (silent, half, fragment, head):
            assert raw.close_code() == 1001
            raw.ended()
        # Dripping bytes into one message does not keep it open.
        dripping = Raw(daemon.port).upgrade("/impatient").send(frame(TEXT, b"", fin=False))
        wait_until(lambda: not time.sleep(0.2) and not still_open(dripping), "the end of a message that is never complete")


def still_open(raw):
    try:
        raw.socket.sendall(frame(0, b"a", fin=False))
        return True
    except OSError:
        return False


def test_pings_keep_a_quiet_client():
    with Daemon(POLICY) as daemon:
        quiet, mute = Raw(daemon.port).upgrade("/pinged"), Raw(daemon.port).upgrade("/pinged")
        quiet.read_frame()
        for _ in range(5):  # longer than idle_timeout
            assert quiet.read_frame() == (PING, b"")
            quiet.send(frame(PONG))
        assert mute.close_code() == 1001
        quiet.send(frame(PING, b"still here"))
        while (got := quiet.read_frame()) == (PING, b""):
            pass
        assert got == (PONG, b"still here"), got


if __name__ == "__main__":
    main(globals())
