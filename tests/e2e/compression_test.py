#!/usr/bin/python3
"""permessage-deflate (RFC 7692): with a client that we did not write, and byte by byte."""
import asyncio
import json
import os
import zlib

from client import Client
from daemon import Daemon, wait_until
from raw import BINARY, PING, PONG, TEXT, Raw, frame, head
from runner import main
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

POLICY = """
defaults { auth = none  max_message = 64kb  idle_timeout = 0s }
route native /ws {
    compression = true
    allow connect
    allow subscribe on a
    message say { allow publish to a }
}
route echo  /echo  { compression = true  dialect = "echo"  allow connect }
route plain /plain { dialect = "echo"  allow connect }
"""
OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
ALWAYS = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
RSV1 = 4


def deflate(data, bits=15):
    packer = zlib.compressobj(9, zlib.DEFLATED, -bits)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflate(data, bits=15):
    return zlib.decompressobj(-bits).decompress(data + b"\0\0\xff\xff")


def upgrade(daemon, path="/echo", offer=OFFER):
    raw = Raw(daemon.port)
    status, fields = raw.send(head(path, offer)).read_head()
    assert status == 101, status
    return raw, fields.get("sec-websocket-extensions")


def read_frame(raw):
    """Opcode, payload inflated, and whether it was compressed."""
    while len(raw.buffer) < 1:
        assert raw._fill()
    compressed = bool(raw.buffer[0] & 0x40)
    opcode, payload = raw.read_frame()
    return opcode, inflate(payload) if compressed else payload, compressed


def test_negotiation():
    with Daemon(POLICY) as daemon:
        for offer, answer in {
            "permessage-deflate": ALWAYS,
            'permessage-deflate; server_max_window_bits="9"': ALWAYS + "; server_max_window_bits=9",
            "permessage-deflate; server_max_window_bits=20, permessage-deflate": ALWAYS,
            "permessage-deflate; unknown": None,
            "permessage-deflate; client_max_window_bits; client_max_window_bits": None,
            "x-webkit-deflate-frame": None,
        }.items():
            assert upgrade(daemon, offer="Sec-WebSocket-Extensions: " + offer)[1] == answer, offer
            assert upgrade(daemon, "/plain", "Sec-WebSocket-Extensions: " + offer)[1] is None, offer
        for path in ("/echo", "/plain"):
            raw = Raw(daemon.port).send(head(path, "Sec-WebSocket-Extensions: permessage-deflate; ="))
            assert raw.read_head()[0] == 400
        assert daemon.metric("wayleave_compressed_handshakes_total") == 3


def test_messages():
    with Daemon(POLICY) as daemon:
        raw, _ = upgrade(daemon)
        text = json.dumps({"numbers": list(range(1000))}).encode()
        for opcode, data in ((TEXT, text), (BINARY, bytes(range(256)) * 100), (TEXT, "ä".encode() * 2000), (TEXT, b"")):
            packed = deflate(data)
            for size in (len(packed), 7, 1):
                if len(packed) // size > 1000:
                    continue
                parts = [packed[i:i + size] for i in range(0, len(packed), size)]
                for i, part in enumerate(parts):
                    raw.send(frame(opcode if i == 0 else 0, part, fin=i == len(parts) - 1, rsv=RSV1 if i == 0 else 0))
                    if i == 0 and len(parts) > 1:
                        raw.send(frame(PING, b"between"))
                        assert read_frame(raw) == (PONG, b"between", False)
                got = read_frame(raw)
                assert got == (opcode, data, len(data) >= 128), f"{len(data)} bytes in pieces of {size}"
        raw.send(frame(TEXT, text))  # a client may leave a message as it is
        assert read_frame(raw) == (TEXT, text, True)
        noise = os.urandom(5000)
        raw.send(frame(BINARY, noise))
        assert read_frame(raw) == (BINARY, noise, False), "what does not get smaller is sent as it is"
        raw.send(frame(BINARY, deflate(noise), rsv=RSV1))
        assert read_frame(raw)[1] == noise
        assert daemon.metric("wayleave_inflated_messages_total") > 0
        assert daemon.metric("wayleave_deflated_frames_total") > 0


def test_small_window():
    """What is longer than the client's window comes uncompressed, since it was not compressed for that window."""
    with Daemon(POLICY) as daemon:
        raw, answer = upgrade(daemon, offer="Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9")
        assert answer.endswith("server_max_window_bits=9"), answer
        for size in (200, 512, 513, 5000):
            data = (b"abcdefg" * 1000)[:size]
            raw.send(frame(TEXT, data))
            raw._fill()
            compressed = bool(raw.buffer[0] & 0x40)
            payload = raw.read_frame()[1]
            assert compressed == (size <= 512), size
            assert (inflate(payload, 9) if compressed else payload) == data


# What is sent, and the code of the close frame that answers it.
BAD = {
    "RSV1 on a continuation": (1002, frame(TEXT, b"", fin=False, rsv=RSV1) + frame(0, b"\0", rsv=RSV1)),
    "RSV1 on a ping": (1002, frame(PING, b"", rsv=RSV1)),
    "RSV1 on a close": (1002, frame(8, b"\x03\xe8", rsv=RSV1)),
    "RSV2": (1002, frame(TEXT, b"", rsv=2)),
    "not DEFLATE": (1007, frame(TEXT, b"\xff\xff\xff", rsv=RSV1)),
    "nothing": (1007, frame(TEXT, b"", rsv=RSV1)),
    "half a message": (1007, frame(TEXT, deflate(b"The quick brown fox jumps over the dog")[:-5], rsv=RSV1)),
    "a context that there is not": (1007, frame(TEXT, bytes.fromhex("f200110000"), rsv=RSV1)),
    "inflates to what is not UTF-8": (1007, frame(TEXT, deflate(b"\xff\xfe" * 50), rsv=RSV1)),
    "inflates to a surrogate": (1007, frame(TEXT, deflate(b"\xed\xa0\x80"), rsv=RSV1)),
    "one over the limit": (1009, frame(BINARY, deflate(os.urandom(60000) + b" " * 5537), rsv=RSV1)),
    "bomb": (1009, frame(TEXT, deflate(b" " * 10_000_000), rsv=RSV1)),
    "bomb below the limit, but 1000 to 1": (1009, frame(TEXT, deflate(b" " * 60_000), rsv=RSV1)),
    "bomb in stored blocks": (1009, frame(BINARY, b"\0\0\0\xff\xff" * 15000 + b"\0", rsv=RSV1)),
}


def test_bad_messages():
    with Daemon(POLICY) as daemon:
        bystander, _ = upgrade(daemon)
        wrong = []
        for what, (expected, data) in BAD.items():
            for size in (len(data), 1):
                if len(data) // size > 2000:
                    continue
                raw, _ = upgrade(daemon)
                for at in range(0, len(data), size):
                    raw.send_anyway(data[at:at + size])
                code = raw.close_code()
                if code != expected:
                    wrong.append(f"{what}: {code}, not {expected}")
                raw.close()
            bystander.send(frame(TEXT, deflate(b"x" * 300), rsv=RSV1))
            assert read_frame(bystander) == (TEXT, b"x" * 300, True), f"after {what} another client suffers"
        assert not wrong, "\n".join(wrong)
        raw, _ = upgrade(daemon, "/plain")  # offered, but not agreed on
        assert raw.send(frame(TEXT, deflate(b"hello"), rsv=RSV1)).close_code() == 1002


def test_one_publication_for_all():
    """Clients with and without compression hear the same."""
    with Daemon(POLICY) as daemon:
        with_it = [upgrade(daemon, "/ws")[0] for _ in range(3)]
        without = [Raw(daemon.port).upgrade("/ws") for _ in range(3)]
        for raw in with_it + without:
            raw.read_frame()
            raw.send(frame(TEXT, b'{"type":"$subscribe","channel":"a"}'))
            raw.read_frame()
        said = {"type": "say", "text": "all the same " * 100}
        without[0].send(frame(TEXT, json.dumps(said).encode()))
        heard = [read_frame(raw) for raw in with_it + without]
        assert [compressed for _, _, compressed in heard] == [True] * 3 + [False] * 3, heard
        assert len({payload for _, payload, _ in heard}) == 1
        assert json.loads(heard[0][1])["text"] == said["text"]
        without[0].send(frame(TEXT, b'{"type":"say","t":1}'))
        small = [read_frame(raw) for raw in with_it + without]
        assert not any(compressed for _, _, compressed in small), "a small one is sent as it is"


async def test_a_proper_client():
    async with Daemon(POLICY) as daemon:
        for extensions in ([ClientPerMessageDeflateFactory()], [ClientPerMessageDeflateFactory(server_max_window_bits=10)],
                           [ClientPerMessageDeflateFactory(client_max_window_bits=8 + 1)],
                           [ClientPerMessageDeflateFactory(True, True, 12, 12)]):
            client = await Client.open(daemon, "/echo", hello=False, extensions=extensions)
            assert client.socket.extensions, "compression was not agreed on"
            for message in ("a" * 3000, "", os.urandom(20_000), json.dumps(list(range(5000))), "ä☃" * 1000, b"\0" * 4000):
                await client.socket.send(message)
                assert await asyncio.wait_for(client.socket.recv(), 10) == message
            await client.socket.close()


def test_idle_connections_cost_nothing_more():
    """No connection keeps a context: 300 of them that have spoken compressed do not take 300 windows (44 KiB each)."""
    with Daemon(POLICY, workers=1, limits='drain = "1s"') as daemon:
        def rss():
            with open(f"/proc/{daemon.process.pid}/statm", encoding="ascii") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

        def talk(raw):
            raw.send(frame(TEXT, deflate(b"warm " * 100), rsv=RSV1))
            assert read_frame(raw)[1] == b"warm " * 100

        warm = [upgrade(daemon)[0] for _ in range(20)]
        for raw in warm:
            talk(raw)
        before = rss()
        many = [upgrade(daemon)[0] for _ in range(300)]
        for raw in many:
            talk(raw)
        grown = (rss() - before) / len(many)
        # Far from a window each, also where a sanitizer doubles all.
        assert grown < 24_000, f"{grown:.0f} bytes a connection"
        wait_until(lambda: daemon.metric("wayleave_connections") == 320, "all of them")


if __name__ == "__main__":
    main(globals())
