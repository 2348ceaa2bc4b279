#!/usr/bin/python3
"""A TLS listener beside a plain one's clients: Python's ssl and the openssl program."""
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import warnings

from client import Client
from daemon import PATIENCE, TOKEN_BLOCK, Daemon, run, wait_until
from raw import TEXT, Raw, frame, head
from runner import main

POLICY = TOKEN_BLOCK + """
route chat /ws {
    auth    = demo
    origins = { none }
    allow connect if tls
    allow subscribe on room/:room
    message say { field text : string required  allow  publish to room/a }
}
route open /open { auth = none  allow connect  message say { allow } }
route echo /echo { auth = none  dialect = "echo"  max_message = 2mb  allow connect }
"""
TLS = 'tls = { certificate = "tls/chain.pem", key = "tls/key.pem" }'


def make_certificate(daemon, algorithm=("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
    os.makedirs(daemon.path("tls"), exist_ok=True)
    subprocess.run(["openssl", "req", "-x509", *algorithm, "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", daemon.path("tls/key.pem"),
                    "-out", daemon.path("tls/chain.pem")], check=True, capture_output=True, timeout=PATIENCE)
    os.chmod(daemon.path("tls/key.pem"), 0o600)


def tls_daemon(**options):
    daemon = Daemon(POLICY, tls=TLS, **options)
    make_certificate(daemon)
    return daemon


def trusting(daemon):
    return ssl.create_default_context(cafile=daemon.path("tls/chain.pem"))


def wrapped(daemon, context=None):
    """A raw client over TLS."""
    return Raw(daemon.port, wrap=lambda s: (context or trusting(daemon)).wrap_socket(s, server_hostname="localhost"))


async def test_chat():
    async with tls_daemon() as daemon:
        assert "https://127.0.0.1" in daemon.log()
        options = {"scheme": "wss", "ssl": trusting(daemon)}
        alice, bob = await Client.open(daemon, user="alice", **options), await Client.open(daemon, user="bob", **options)
        await bob.subscribe("room/a")
        for number in range(50):
            await alice.must("say", text="x" * 1000, number=number)
            await bob.expect("say", number=number)
        daemon.signal(signal.SIGTERM)
        for client in (alice, bob):
            messages, code = await client.closed()
            assert code == 1001 and messages[-1]["type"] == "$bye", (messages, code)


async def test_large_messages():
    async with tls_daemon() as daemon:
        client = await Client.open(daemon, "/echo", hello=False, scheme="wss", ssl=trusting(daemon))
        for size in (0, 1, 16_383, 16_384, 16_385, 65_536, 1_000_000):
            data = os.urandom(size)
            await client.raw(data)
            assert await client.socket.recv() == data, size
        for _ in range(20):
            await client.raw("x" * 200_000)
        for _ in range(20):
            assert await client.socket.recv() == "x" * 200_000


def test_versions_and_alpn():
    with tls_daemon() as daemon:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = trusting(daemon)
            context.minimum_version = context.maximum_version = version
            wrapped(daemon, context).upgrade("/open").close()
        warnings.simplefilter("ignore", DeprecationWarning)  # that these versions are old is the point
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            context = trusting(daemon)
            context.set_ciphers("ALL:@SECLEVEL=0")  # else this side would already refuse
            context.minimum_version = context.maximum_version = version
            try:
                wrapped(daemon, context)
                assert False, f"{version} was accepted"
            except ssl.SSLError as error:
                assert "VERSION" in str(error).upper(), error
        for offered, chosen in ((["h2", "http/1.1"], {"http/1.1"}), (["http/1.1"], {"http/1.1"}), (["h2"], {None})):
            context = trusting(daemon)
            context.set_alpn_protocols(offered)
            try:
                raw = wrapped(daemon, context)
                assert raw.socket.selected_alpn_protocol() in chosen, raw.socket.selected_alpn_protocol()
                raw.close()
            except ssl.SSLError as error:
                assert offered == ["h2"], error
        wrapped(daemon).upgrade("/open").close()


def test_plain_bytes_to_a_tls_port():
    with tls_daemon(limits='handshake_timeout = "1s"') as daemon:
        for data in (head("/open"), b"\0" * 1000, b"\x16\x03\x01\xff\xff" + b"a" * 500, b"\x80\x2e\x01\x03\x01"):
            raw = Raw(daemon.port).send_anyway(data)
            assert not raw.read_all().startswith(b"HTTP/1.1 101")
            raw.close()
        silent, half = Raw(daemon.port), Raw(daemon.port).send(b"\x16\x03\x01\x02\x00\x01\x00")
        assert silent.ended() and half.ended(), "a handshake that never comes has a deadline"
        encrypted = wrapped(daemon)
        encrypted.send(head("/open")[:30])
        assert encrypted.read_head()[0] in (0, 408), "so has a head within TLS"
        wait_until(lambda: daemon.metric("wayleave_sockets") == 0, "no socket")
        wrapped(daemon).upgrade("/open").close()


def test_peers_that_vanish():
    with tls_daemon() as daemon:
        wrapped(daemon).upgrade("/open").close()
        wait_until(lambda: daemon.metric("wayleave_sockets") == 0, "no socket")
        before = daemon.open_files()
        for number in range(90):
            if number % 3 == 0:
                Raw(daemon.port).send(b"\x16\x03\x01\x02\x00").reset()
                continue
            raw = wrapped(daemon).upgrade("/echo")
            raw.send(frame(TEXT, b"x" * 100_000))
            if number % 3 == 1:
                raw.reset()
            else:
                raw.socket.shutdown(socket.SHUT_WR)  # without close_notify
                raw.close()
        wait_until(lambda: daemon.metric("wayleave_sockets") == 0, "no socket")
        wait_until(lambda: daemon.open_files() <= before, "as many open files as before")


def test_end_is_a_proper_one():
    """close_notify comes before the FIN: to a client its absence may be an attack."""
    with tls_daemon() as daemon:
        raw = wrapped(daemon)
        raw.socket.suppress_ragged_eofs = False
        raw.send(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = raw.read_all()
        assert answer.startswith(b"HTTP/1.1 404") and json.loads(answer.split(b"\r\n\r\n", 1)[1])["status"] == 404


def test_rsa():
    daemon = Daemon(POLICY, tls=TLS)
    make_certificate(daemon, ("-newkey", "rsa:2048"))
    with daemon:
        wrapped(daemon).upgrade("/open").close()


def refused_start(spoil):
    daemon = tls_daemon()
    spoil(daemon)
    ended = run("serve", "--config", daemon.config)
    assert ended.returncode == 78, f"{ended.returncode} {ended.stderr}"
    lint = run("lint", "--config", daemon.config)
    assert lint.returncode == 2, f"lint does not see what serve does: {lint.returncode} {lint.stdout}"
    return ended.stderr


def test_broken_files():
    for name in ("chain.pem", "key.pem"):
        assert name in refused_start(lambda d: d.write("tls/" + name, "this is no PEM"))
        assert "No such file" in refused_start(lambda d: os.unlink(d.path("tls/" + name)))
        assert name in refused_start(lambda d: d.write("tls/" + name, ""))

    def another_key(daemon):
        chain = daemon.read("tls/chain.pem")
        make_certificate(daemon)
        daemon.write("tls/chain.pem", chain)

    assert re.search("key.*not|not.*key|match", refused_start(another_key))
    assert "tls" in refused_start(lambda d: d.edit("wayleave.toml", ', key = "tls/key.pem"', ""))


def test_broken_files_at_a_reload():
    with tls_daemon() as daemon:
        daemon.write("tls/chain.pem", "this is no PEM")
        refused = daemon.reload()
        assert refused.returncode == 78 and "chain.pem" in refused.stderr, refused.stderr
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        wrapped(daemon, context).upgrade("/open").close()


if __name__ == "__main__":
    main(globals())
