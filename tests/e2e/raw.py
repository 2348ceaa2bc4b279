"""A socket that says exactly the bytes it is told to: what no proper client library would send."""
import os
import socket
import struct

from daemon import PATIENCE

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def head(path="/ws", *more, drop=(), line=None):
    """The head of a proper upgrade; `drop` leaves fields out by name, `more` adds lines."""
    lines = [line or f"GET {path} HTTP/1.1"]
    fields = ["Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
              "Sec-WebSocket-Key: " + KEY]
    lines += [field for field in fields if field.split(":")[0].lower() not in [name.lower() for name in drop]]
    return ("\r\n".join(lines + list(more)) + "\r\n\r\n").encode("latin-1")


def frame(opcode, payload=b"", *, fin=True, rsv=0, mask=True, length=None):
    """`length` announces another length than the payload has."""
    size = len(payload) if length is None else length
    out = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    if size < 126:
        out += bytes([bit | size])
    elif size < 65536:
        out += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        out += bytes([bit | 127]) + struct.pack(">Q", size)
    if not mask:
        return out + payload
    key = os.urandom(4)
    return out + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


class Raw:
    def __init__(self, port, *, wrap=None, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        if wrap:
            self.socket = wrap(self.socket)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)
        return self

    def send_anyway(self, data):
        """The daemon may have closed meanwhile; what it said is still there to read."""
        try:
            self.socket.sendall(data)
        except OSError:
            pass
        return self

    def _fill(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        self.buffer += data
        return bool(data)

    def read_all(self):
        while self._fill():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def read_until(self, end):
        while not self.buffer.endswith(end) and self._fill():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def read_head(self):
        """Status and fields of one answer; (0, {}) if the connection ended without one."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._fill():
                return 0, {}
        text, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        line, *fields = text.decode("latin-1").split("\r\n")
        return int(line.split(" ")[1]), {f.split(":", 1)[0].lower(): f.split(":", 1)[1].strip() for f in fields}

    def read_answer(self, has_body=True):
        status, fields = self.read_head()
        size = int(fields.get("content-length", 0)) if has_body else 0
        while len(self.buffer) < size and self._fill():
            pass
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return status, fields, body

    def upgrade(self, path="/ws", *more):
        status, fields = self.send(head(path, *more)).read_head()
        assert status == 101, f"the handshake was answered {status}"
        assert fields["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", fields
        return self

    def read_frame(self):
        """Opcode and payload; None at the end of the connection."""
        def need(count):
            while len(self.buffer) < count:
                if not self._fill():
                    return False
            return True
        if not need(2):
            return None
        size, start = self.buffer[1], 2
        assert not size & 0x80, "the daemon masked a frame"
        if size >= 126:
            start = 4 if size == 126 else 10
            if not need(start):
                return None
            size = int.from_bytes(self.buffer[2:start], "big")
        if not need(start + size):
            return None
        opcode, payload = self.buffer[0] & 15, self.buffer[start:start + size]
        self.buffer = self.buffer[start + size:]
        return opcode, payload

    def close_code(self):
        """Reads until the close frame: its code, or 1006 if the connection ended without one."""
        while True:
            one = self.read_frame()
            if one is None:
                return 1006
            if one[0] == CLOSE:
                return int.from_bytes(one[1][:2], "big") if one[1] else 1005

    def ended(self):
        """True when the daemon has closed the connection; waits for it."""
        self.read_all()
        return True

    def reset(self):
        """Vanishes with a RST instead of a FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()
