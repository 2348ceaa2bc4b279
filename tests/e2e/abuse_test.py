#!/usr/bin/python3
"""A table of what no proper client sends, each on a connection of its own: what it is, the clause that it breaks (a section
of RFC 6455, 7692, 9110, 9112 or 3629), the bytes, and the answer. After each row a good client is served."""
import zlib

from daemon import Daemon, wait_until
from raw import BINARY, CLOSE, KEY, PING, PONG, TEXT, Raw, frame, head
from runner import main

POLICY = """
defaults { auth = none  max_message = 1kb  idle_timeout = 0s }
route echo   /echo     { dialect = "echo"  allow connect }
route packed /packed   { dialect = "echo"  compression = true  allow connect }
route named  /named    { dialect = "echo"  subprotocols = { "app.v1" }  allow connect }
route guarded /guarded { dialect = "echo"  origins = { "https://app.example.com", "https://*.example.org" }  allow connect }
"""
ECHO = "/echo"


def line(text):
    """A head with another request line."""
    return head(line=text)


def field(*lines, drop=(), path=ECHO):
    return head(path, *lines, drop=drop)


def of_size(size):
    """A head of so many bytes."""
    empty = len(head(ECHO, "X-Pad: "))
    return head(ECHO, "X-Pad: " + "x" * (size - empty))


def of_fields(count):
    return head(ECHO, *(f"X-{i}: y" for i in range(count - 5)))  # five are there already


def raw_line(text):
    """A header line of any bytes."""
    return head(ECHO).replace(b"\r\n\r\n", b"\r\n" + text + b"\r\n\r\n")


# --- what, clause, bytes (pieces in a list), the status of the answer; 0: the connection ends without one ---
HANDSHAKES = [
    ("POST", "6455 4.1", line(f"POST {ECHO} HTTP/1.1"), 405),
    ("get", "9110 9.1", line(f"get {ECHO} HTTP/1.1"), 405),
    ("HEAD with Upgrade", "6455 4.1", line(f"HEAD {ECHO} HTTP/1.1"), 405),
    ("method with a bracket", "9110 9.1", line(f"GE(T {ECHO} HTTP/1.1"), 400),
    ("no method", "9112 3", line(f" {ECHO} HTTP/1.1"), 400),
    ("CONNECT", "9112 3.2.3", line("CONNECT localhost:80 HTTP/1.1"), 400),
    ("PRI", "9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("HTTP/1.0", "9110 7.8", line(f"GET {ECHO} HTTP/1.0"), 426),
    ("HTTP/2.0", "6455 4.1", line(f"GET {ECHO} HTTP/2.0"), 505),
    ("HTTP/1.2", "6455 4.1", line(f"GET {ECHO} HTTP/1.2"), 505),
    ("http/1.1", "9112 2.3", line(f"GET {ECHO} http/1.1"), 400),
    ("HTTP/1.10", "9112 2.3", line(f"GET {ECHO} HTTP/1.10"), 400),
    ("HTTP/0.9", "9112 2.3", b"GET /echo\r\n\r\n", 400),
    ("two spaces", "9112 3", line(f"GET  {ECHO} HTTP/1.1"), 400),
    ("tab for a space", "9112 3", line(f"GET\t{ECHO} HTTP/1.1"), 400),
    ("space in the target", "9112 3", line("GET /ec ho HTTP/1.1"), 400),
    ("space behind the version", "9112 3", line(f"GET {ECHO} HTTP/1.1 "), 400),
    ("absolute form", "9112 3.2.2", line("GET http://localhost/echo HTTP/1.1"), 101),
    ("absolute form of another host", "9112 3.2.2", line("GET http://elsewhere/echo HTTP/1.1"), 400),
    ("absolute form, ws", "9112 3.2.2", line("GET ws://localhost/echo HTTP/1.1"), 400),
    ("asterisk", "9112 3.2.4", line("GET * HTTP/1.1"), 400),
    ("OPTIONS *", "9112 3.2.4", line("OPTIONS * HTTP/1.1"), 400),
    ("no slash", "9112 3.2.1", line("GET echo HTTP/1.1"), 400),
    ("two slashes", "3986 3.3", line("GET //echo HTTP/1.1"), 400),
    ("dot segments", "3986 5.2.4", line("GET /x/../echo HTTP/1.1"), 400),
    ("encoded dot segments", "3986 5.2.4", line("GET /x/%2e%2E/echo HTTP/1.1"), 400),
    ("encoded slash", "3986 2.2", line("GET /x%2fecho HTTP/1.1"), 400),
    ("encoded NUL", "3986 2.1", line("GET /echo%00 HTTP/1.1"), 400),
    ("encoded CR LF", "3986 2.1", line("GET /echo%0d%0aX:y HTTP/1.1"), 400),
    ("encoded DEL", "3986 2.1", line("GET /echo%7f HTTP/1.1"), 400),
    ("half a percent", "3986 2.1", line("GET /echo%4 HTTP/1.1"), 400),
    ("percent of no digits", "3986 2.1", line("GET /echo%zz HTTP/1.1"), 400),
    ("percent u", "3986 2.1", line("GET /%u0065cho HTTP/1.1"), 400),
    ("overlong slash", "3629 3", line("GET /x%c0%afecho HTTP/1.1"), 400),
    ("encoded surrogate", "3629 3", line("GET /%ed%a0%80 HTTP/1.1"), 400),
    ("twice encoded is decoded once", "3986 2.4", line("GET /%2565cho HTTP/1.1"), 404),
    ("encoded letters are letters", "3986 2.3", line("GET /%65cho HTTP/1.1"), 101),
    ("bad encoding in the query", "3986 3.4", line("GET /echo?a=%0 HTTP/1.1"), 400),
    ("NUL in the query", "3986 3.4", line("GET /echo?a=%00 HTTP/1.1"), 400),
    ("fragment", "6455 3", line("GET /echo#x HTTP/1.1"), 400),
    ("backslash", "3986 3.3", line("GET /x\\echo HTTP/1.1"), 400),
    ("bytes beyond ASCII", "3986 2", line("GET /\xe9cho HTTP/1.1"), 400),
    ("raw NUL in the target", "9112 3", line("GET /echo\x00 HTTP/1.1"), 400),
    ("NUL in a value", "9110 5.5", raw_line(b"X: a\0b"), 400),
    ("escape in a value", "9110 5.5", raw_line(b"X: \x1b[2J"), 400),
    ("vertical tab in a value", "9110 5.5", raw_line(b"X: a\x0bb"), 400),
    ("folded line", "9112 5.2", raw_line(b"X: a\r\n b"), 400),
    ("folded first line", "9112 2.2", head(ECHO).replace(b"\r\nHost", b"\r\n Host"), 400),
    ("bare LF in a line", "9112 2.2", raw_line(b"X: a\nY: b"), 400),
    ("bare LF everywhere", "9112 2.2", head(ECHO).replace(b"\r\n", b"\n"), 400),
    ("bare CR", "9112 2.2", raw_line(b"X: a\rY: b"), 400),
    ("CR CR LF", "9112 2.2", raw_line(b"X: a\r"), 400),
    ("line without a colon", "9112 5", raw_line(b"Xa"), 400),
    ("space before the colon", "9112 5.1", raw_line(b"X : a"), 400),
    ("empty field name", "9110 5.1", raw_line(b": a"), 400),
    ("bracket in a field name", "9110 5.1", raw_line(b"X[]: a"), 400),
    ("bytes beyond ASCII in a value", "9110 5.5", raw_line(b"X: \xff\xfe"), 101),
    ("nine empty lines", "9112 2.2", b"\r\n" * 9 + head(ECHO), 400),
    ("empty line first", "9112 2.2", b"\r\n" + head(ECHO), 101),
    ("TLS hello", "6455 4.1", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), 400),
    ("SSH", "6455 4.1", b"SSH-2.0-OpenSSH_9.2\r\n", 400),
    ("8192 bytes", "6585 5", of_size(8192), 101),
    ("8193 bytes", "6585 5", of_size(8193), 431),
    ("8 KiB of request line", "6585 5", b"GET /" + b"a" * 9000, 431),
    ("100 fields", "6585 5", of_fields(100), 101),
    ("101 fields", "6585 5", of_fields(101), 431),
    ("no Host", "9112 3.2", field(drop=["Host"]), 400),
    ("two Hosts", "9112 3.2", field("Host: localhost"), 400),
    ("empty Host", "9112 3.2", field("Host: ", drop=["Host"]), 400),
    ("Host with a user", "9110 7.2", field("Host: a@localhost", drop=["Host"]), 400),
    ("Host with a path", "9110 7.2", field("Host: localhost/echo", drop=["Host"]), 400),
    ("Host with a space", "9110 7.2", field("Host: local host", drop=["Host"]), 400),
    ("two Hosts in one", "9110 7.2", field("Host: localhost, evil", drop=["Host"]), 400),
    ("Host with an empty port", "9110 7.2", field("Host: localhost:", drop=["Host"]), 101),
    ("Host with port 65536", "9110 7.2", field("Host: localhost:65536", drop=["Host"]), 400),
    ("Host with a negative port", "9110 7.2", field("Host: localhost:-1", drop=["Host"]), 400),
    ("Host in percents", "9110 7.2", field("Host: %6cocalhost", drop=["Host"]), 400),
    ("Host with half a bracket", "9110 7.2", field("Host: [::1", drop=["Host"]), 400),
    ("Content-Length", "9112 6.3", field("Content-Length: 5") + b"hello", 400),
    ("Content-Length 0", "6455 4.1", field("Content-Length: 0"), 101),
    ("two Content-Lengths", "9112 6.3", field("Content-Length: 0", "Content-Length: 0"), 400),
    ("Content-Length list", "9112 6.3", field("Content-Length: 0, 0"), 400),
    ("Content-Length +1", "9112 6.3", field("Content-Length: +1"), 400),
    ("Content-Length 2^64", "9112 6.3", field("Content-Length: 18446744073709551616"), 400),
    ("Transfer-Encoding", "9112 6.1", field("Transfer-Encoding: chunked") + b"0\r\n\r\n", 501),
    ("Transfer-Encoding identity", "9112 6.1", field("Transfer-Encoding: identity"), 501),
    ("length and encoding", "9112 6.3", field("Content-Length: 5", "Transfer-Encoding: chunked"), 400),
    ("h2c", "9110 7.8", field("Upgrade: h2c", "HTTP2-Settings: AAMAAABk", drop=["Upgrade"]), 426),
    ("websocket and h2c", "9110 7.8", field("Upgrade: websocket, h2c", drop=["Upgrade"]), 101),
    ("no Upgrade", "6455 4.2.1", field(drop=["Upgrade"]), 426),
    ("Upgrade to another", "9110 7.8", field("Upgrade: websockets", drop=["Upgrade"]), 426),
    ("no Connection", "6455 4.2.1", field(drop=["Connection"]), 400),
    ("Connection without it", "6455 4.2.1", field("Connection: keep-alive", drop=["Connection"]), 400),
    ("Connection in a list", "6455 4.2.1", field("Connection: keep-alive, UPGRADE", drop=["Connection"]), 101),
    ("version 8", "6455 4.4", field("Sec-WebSocket-Version: 8", drop=["Sec-WebSocket-Version"]), 426),
    ("version 99", "6455 4.4", field("Sec-WebSocket-Version: 99", drop=["Sec-WebSocket-Version"]), 426),
    ("version 013", "6455 4.4", field("Sec-WebSocket-Version: 013", drop=["Sec-WebSocket-Version"]), 426),
    ("version 13, 8", "6455 4.4", field("Sec-WebSocket-Version: 13, 8", drop=["Sec-WebSocket-Version"]), 426),
    ("no version", "6455 4.2.1", field(drop=["Sec-WebSocket-Version"]), 426),
    ("version twice", "6455 11.3.5", field("Sec-WebSocket-Version: 13"), 426),
    ("no key", "6455 4.2.1", field(drop=["Sec-WebSocket-Key"]), 400),
    ("key twice", "6455 11.3.1", field("Sec-WebSocket-Key: " + KEY), 400),
    ("two keys in one", "6455 11.3.1", field(f"Sec-WebSocket-Key: {KEY}, {KEY}", drop=["Sec-WebSocket-Key"]), 400),
    ("key of 15 bytes", "6455 4.2.1", field("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j", drop=["Sec-WebSocket-Key"]), 400),
    ("key of 17 bytes", "6455 4.2.1", field("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTE=", drop=["Sec-WebSocket-Key"]), 400),
    ("key with spare bits", "4648 3.5", field("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==", drop=["Sec-WebSocket-Key"]), 400),
    ("key of other letters", "4648 4", field("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j_-==", drop=["Sec-WebSocket-Key"]), 400),
    ("two Origins", "6454 7.3", field("Origin: https://a.example", "Origin: https://a.example"), 400),
    ("commas for subprotocols", "6455 11.3.4", field("Sec-WebSocket-Protocol: " + "," * 5000), 400),
    ("10 kB of commas", "6585 5", field("Sec-WebSocket-Protocol: " + "," * 10_000), 431),
    ("17 subprotocols", "6455 11.3.4", field("Sec-WebSocket-Protocol: " + ",".join(f"p{i}" for i in range(17))), 400),
    ("subprotocol twice", "6455 4.1", field("Sec-WebSocket-Protocol: a, a"), 400),
    ("subprotocol twice in two lines", "6455 4.1", field("Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: a"), 400),
    ("subprotocol with a slash", "6455 4.1", field("Sec-WebSocket-Protocol: a/b"), 400),
    ("subprotocol not configured", "6455 4.2.2", field("Sec-WebSocket-Protocol: other", path="/named"), 101),
    ("flood of extensions", "6455 9.1", field("Sec-WebSocket-Extensions: " + "a," * 3500, path="/packed"), 101),
    ("flood of offers", "7692 7.1", field("Sec-WebSocket-Extensions: " + "permessage-deflate;x," * 350, path="/packed"), 101),
    ("flood of parameters", "7692 7.1", field("Sec-WebSocket-Extensions: permessage-deflate" + ";x=1" * 1800, path="/packed"), 101),
    ("extension that is none", "6455 9.1", field("Sec-WebSocket-Extensions: ;=", path="/packed"), 400),
    ("quote without an end", "6455 9.1", field('Sec-WebSocket-Extensions: permessage-deflate; a="' + "\\" * 5000), 400),
    ("half a head, then nothing more", "9112 2.1", [head(ECHO)[:50], None], 0),
    ("drip", "6455 4.2", [bytes([byte]) for byte in head(ECHO)], 101),
]

# An origin is compared as a whole: scheme, host and port. Two of them may come in; these may not.
ORIGINS = [
    "null", "NULL", "", "none", "any", "*", "https://", "https://app.example.com/", "https://app.example.com:8443",
    "https://app.example.com:80", "https://app.example.com:0443", "http://app.example.com", "wss://app.example.com", "app.example.com",
    "//app.example.com", "https:app.example.com", "https:/app.example.com", "https:///app.example.com", "https://app.example.com.",
    "https://app.example.com.evil.com", "https://evil.com/app.example.com", "https://evil.com?app.example.com",
    "https://evil.com#app.example.com", "https://evil.com\\@app.example.com", "https://app.example.com@evil.com",
    "https://user@app.example.com", "https://user:pw@app.example.com", "https://app-example.com", "https://appXexample.com",
    "https://evilapp.example.com", "https://xn--pp-eka.example.com", "https://app.example.com, https://app.example.com",
    "https://app.example.com https://evil.com", "https://app.example.com\thttps://evil.com", "https://app.example.com%00.evil.com",
    "https://app%2eexample.com", "https://app.example.com%20", "https://аpp.example.com", "https://app。example.com",
    "https://app．example.com", "https://app.example.com:", "https://app.example.com:443:443", "https://[::1]", "https://example.org",
    "https://.example.org", "https://evilexample.org", "https://evil.com/.example.org", "https://evil@x.example.org",
    "https://x.example.org.evil.com", "https://x.example.org:8443", "https://*.example.org", "https://x..example.org",
    "https://x_.example.org/", "https://" + "x." * 3000 + "example.com", "https://" + "a" * 7000 + ".example.org.evil.com",
    "https://app.example.com\x80", "data:text/html,x", "file://", "chrome-extension://app.example.com", "javascript://app.example.com",
]


def deflate(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def close(code, reason=b""):
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def pieces(count, last=True):
    """A text in so many empty fragments."""
    return frame(TEXT, b"", fin=False) + frame(0, b"", fin=False) * (count - 2) + frame(0, b"", fin=last)


Z = {"path": "/packed"}
GOOD = [(TEXT, b"good")]  # what follows is answered
# --- what, clause, bytes (pieces in a list), the close code of the answer, or the frames that come back ---
FRAMES = [
    ("unmasked text", "6455 5.1", frame(TEXT, b"a", mask=False), 1002),
    ("unmasked, empty", "6455 5.1", frame(TEXT, b"", mask=False), 1002),
    ("unmasked ping", "6455 5.1", frame(PING, b"", mask=False), 1002),
    ("unmasked close", "6455 5.1", frame(CLOSE, b"\x03\xe8", mask=False), 1002),
    *[(f"RSV {rsv}", "6455 5.2", frame(TEXT, b"a", rsv=rsv), 1002) for rsv in range(1, 8)],
    *[(f"RSV {rsv}, compression agreed on", "7692 6", frame(TEXT, b"\0", rsv=rsv), 1002, Z) for rsv in (1, 2, 3, 5, 6, 7)],
    *[(f"opcode {code}", "6455 5.2", frame(code, b""), 1002) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)],
    ("ping in fragments", "6455 5.5", frame(PING, b"", fin=False), 1002),
    ("pong in fragments", "6455 5.5", frame(PONG, b"", fin=False), 1002),
    ("close in fragments", "6455 5.5", frame(CLOSE, b"\x03\xe8", fin=False), 1002),
    ("ping of 126 bytes", "6455 5.5", frame(PING, b"a" * 126), 1002),
    ("pong of 126 bytes", "6455 5.5", frame(PONG, b"a" * 126), 1002),
    ("close of 126 bytes", "6455 5.5", close(1000, b"a" * 124), 1002),
    ("ping of 2^62", "6455 5.5", frame(PING, b"", length=1 << 62), 1002),
    ("ping of 125 bytes", "6455 5.5", frame(PING, b"a" * 125), [(PONG, b"a" * 125)]),
    ("continuation of nothing", "6455 5.4", frame(0, b"a"), 1002),
    ("continuation after the end", "6455 5.4", frame(TEXT, b"good") + frame(0, b"a"), 1002),
    ("text within a text", "6455 5.4", frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
    ("binary within a text", "6455 5.4", frame(TEXT, b"a", fin=False) + frame(BINARY, b"b", fin=False), 1002),
    ("ping within a text", "6455 5.4", frame(TEXT, b"go", fin=False) + frame(PING, b"p") + frame(0, b"od"), [(PONG, b"p"), *GOOD]),
    ("length 2^62", "6455 5.2", frame(TEXT, b"", length=1 << 62), 1009),
    ("length 2^63", "6455 5.2", b"\x81\xff" + (1 << 63).to_bytes(8, "big") + b"mask", 1002),
    ("length 2^64-1", "6455 5.2", b"\x81\xff" + b"\xff" * 8 + b"mask", 1002),
    ("length 5 in two bytes", "6455 5.2", b"\x81\xfe\x00\x05mask12345", 1002),
    ("length 125 in two bytes", "6455 5.2", b"\x81\xfe\x00\x7dmask" + bytes(125), 1002),
    ("length 5 in eight bytes", "6455 5.2", b"\x81\xff" + bytes(7) + b"\x05mask12345", 1002),
    ("length 65535 in eight bytes", "6455 5.2", b"\x81\xff" + (65535).to_bytes(8, "big") + b"mask", 1002),
    ("ping length in two bytes", "6455 5.5", b"\x89\xfe\x00\x05mask12345", 1002),
    ("1023 bytes", "limit", frame(BINARY, b"x" * 1023), [(BINARY, b"x" * 1023)]),
    ("1024 bytes", "limit", frame(BINARY, b"x" * 1024), [(BINARY, b"x" * 1024)]),
    ("1025 bytes", "limit", frame(BINARY, b"x" * 1025), 1009),
    ("1025 bytes in two", "limit", frame(BINARY, b"x" * 1024, fin=False) + frame(0, b"x"), 1009),
    ("1025 bytes, only announced", "limit", frame(BINARY, b"", length=1025), 1009),
    ("1024 fragments", "limit", pieces(1024), [(TEXT, b"")]),
    ("1025 fragments", "limit", pieces(1025), 1008),
    ("endless empty fragments", "limit", pieces(20_000, last=False), (1008, 1006)),
    ("flood of pings", "6455 5.5.2", frame(PING, b"a" * 125) * 20_000, (1008, 1006)),
    ("flood of pongs", "6455 5.5.3", frame(PONG) * 20_000, (1008, 1006)),
    ("empty text", "6455 5.6", frame(TEXT, b""), [(TEXT, b"")]),
    ("pong that nobody asked for", "6455 5.5.3", frame(PONG, b"x") + frame(TEXT, b"good"), GOOD),
    ("close of one byte", "6455 5.5.1", frame(CLOSE, b"\x03"), 1002),
    *[(f"close {code}", "6455 7.4", close(code), 1002)
      for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 9999, 65535)],
    *[(f"close {code} is a code", "6455 7.4", close(code, b"why"), code)
      for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)],
    ("close without a code", "6455 5.5.1", frame(CLOSE), 1005),
    ("close reason not UTF-8", "6455 5.5.1", close(1000, b"\xff"), 1007),
    ("close reason, half a character", "6455 5.5.1", close(1000, "ä".encode()[:1]), 1007),
    ("data after close", "6455 5.5.1", close(1000) + frame(TEXT, b"bad") + frame(3, b"bad"), [(CLOSE, b"\x03\xe8"), None]),
    ("close within a message", "6455 5.4", frame(TEXT, b"a", fin=False) + close(1001), 1001),
    ("two closes", "6455 5.5.1", close(1000) + close(1001), [(CLOSE, b"\x03\xe8"), None]),
    *[(f"not UTF-8: {what}", "3629 3", frame(TEXT, text), 1007) for what, text in {
        "0xff": b"\xff", "a lone continuation": b"\x80", "half a character": b"\xc3", "overlong NUL": b"\xc0\x80",
        "overlong slash": b"\xc0\xaf", "overlong in three": b"\xe0\x80\xaf", "overlong in four": b"\xf0\x80\x80\xaf",
        "surrogate": b"\xed\xa0\x80", "surrogate pair": b"\xed\xa0\xbd\xed\xb8\x80", "beyond U+10FFFF": b"\xf4\x90\x80\x80",
        "five bytes": b"\xf8\x88\x80\x80\x80", "after good text": b"good \xe2\x98", "UTF-16": b"\xfe\xff\x00a"}.items()],
    ("not UTF-8 across fragments", "6455 8.1", frame(TEXT, b"\xc3", fin=False) + frame(0, b"\x28"), 1007),
    ("UTF-8 across fragments", "6455 8.1", frame(TEXT, b"\xe2", fin=False) + frame(0, b"\x98", fin=False) + frame(0, b"\x83"),
     [(TEXT, "☃".encode())]),
    ("binary that is not UTF-8", "6455 5.6", frame(BINARY, b"\xff"), [(BINARY, b"\xff")]),
    ("a frame in pieces", "6455 5.2", [bytes([byte]) for byte in frame(TEXT, b"good")], GOOD),
    ("HTTP after the upgrade", "6455 5.1", b"GET / HTTP/1.1\r\n\r\n", 1002),
    ("compressed, not agreed on", "7692 6", frame(TEXT, deflate(b"a"), rsv=4), 1002),
    ("compressed ping", "7692 6.1", frame(PING, b"", rsv=4), 1002, Z),
    ("compressed close", "7692 6.1", frame(CLOSE, b"\x03\xe8", rsv=4), 1002, Z),
    ("RSV1 on the second fragment", "7692 6.1", frame(TEXT, b"", fin=False, rsv=4) + frame(0, b"\0", rsv=4), 1002, Z),
    ("compressed message", "7692 7.2.2", frame(TEXT, deflate(b"good"), rsv=4), GOOD, Z),
    ("compressed noise", "7692 7.2.2", frame(TEXT, b"\xff" * 50, rsv=4), 1007, Z),
    ("compressed nothing", "7692 7.2.2", frame(TEXT, b"", rsv=4), 1007, Z),
    ("compressed, not UTF-8", "6455 8.1", frame(TEXT, deflate(b"\xc3\x28"), rsv=4), 1007, Z),
    ("compressed, 1024 bytes", "limit", frame(BINARY, deflate(b"x" * 1024), rsv=4), [(BINARY, None)], Z),
    ("compressed, 1025 bytes", "limit", frame(BINARY, deflate(b"x" * 1025), rsv=4), 1009, Z),
    ("bomb", "limit", frame(BINARY, deflate(bytes(900_000)), rsv=4), 1009, Z),
    ("bomb in fragments", "limit", frame(BINARY, deflate(bytes(900_000))[:400], fin=False, rsv=4) +
     frame(0, deflate(bytes(900_000))[400:]), 1009, Z),
]


def send_all(raw, data):
    for piece in data if isinstance(data, list) else [data]:
        if piece is None:
            raw.reset()
        else:
            raw.send_anyway(piece)


def serves(daemon):
    raw = Raw(daemon.port).upgrade(ECHO).send(frame(TEXT, b"hello"))
    assert raw.read_frame() == (TEXT, b"hello"), "a good client is not served"
    raw.send(frame(CLOSE))
    raw.close()


def run_rows(daemon, rows, check):
    wrong = []
    for what, clause, *row in rows:
        try:
            answer = check(daemon, *row)
            if answer is not None:
                wrong.append(f"{what} ({clause}): {answer}, not {row[1]}")
            serves(daemon)
        except (AssertionError, OSError) as error:
            wrong.append(f"{what} ({clause}): {error!r}")
    assert not wrong, "\n".join(wrong)
    wait_until(lambda: daemon.metric("wayleave_sockets") == 0, "no socket")


def test_handshakes():
    def check(daemon, data, expected):
        raw = Raw(daemon.port)
        send_all(raw, data)
        status = raw.read_head()[0] if data[-1] is not None else 0
        raw.close()
        return None if status == expected else status

    with Daemon(POLICY) as daemon:
        run_rows(daemon, HANDSHAKES, check)
        assert len({what for what, *_ in HANDSHAKES}) == len(HANDSHAKES)


def test_origins():
    def check(daemon, origin, expected):
        raw = Raw(daemon.port).send(head("/guarded", "Origin: ").replace(b"Origin: ", b"Origin: " + origin))
        status = raw.read_head()[0]
        raw.close()
        return None if status == expected else status

    with Daemon(POLICY) as daemon:
        rows = [(origin[:60], "6454 6", origin.encode("utf-8"), 403) for origin in ORIGINS]
        rows += [(origin, "6454 6", origin.encode(), 101) for origin in ("https://app.example.com", "https://x.example.org",
                                                                         "https://a.b.example.org")]
        run_rows(daemon, rows, check)
        assert len(ORIGINS) >= 30


def test_frames():
    def check(daemon, data, expected, options=None):
        path = (options or {}).get("path", ECHO)
        raw = Raw(daemon.port)
        raw.send(head(path, "Sec-WebSocket-Extensions: permessage-deflate")).read_head()
        send_all(raw, data)
        if isinstance(expected, list):
            for one in expected:
                got = raw.read_frame()
                if got != one and not (one and got and one[1] is None and got[0] == one[0]):
                    return got
            raw.close()
            return None
        code = raw.close_code()
        raw.close()
        return None if code == expected or isinstance(expected, tuple) and code in expected else code

    with Daemon(POLICY) as daemon:
        run_rows(daemon, FRAMES, check)
        assert len({what for what, *_ in FRAMES}) == len(FRAMES)


if __name__ == "__main__":
    main(globals())
