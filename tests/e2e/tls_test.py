#!/usr/bin/python3
"""A TLS listener beside a plain one's clients: Python's ssl and the openssl program."""
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
import warnings

from client import Client, status_of
from daemon import PATIENCE, TOKEN_BLOCK, Daemon, run, wait_until
from raw import TEXT, Raw, frame, head
from runner import main
from websockets.exceptions import InvalidMessage

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
        daemon.wait_log("https://127.0.0.1")
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
        for method in ("GET", "POST", "HEAD", "CONNECT"):
            answer = Raw(daemon.port).send(f"{method} / HTTP/1.1\r\nHost: a\r\nCookie: {'x' * 3000}\r\n\r\n".encode()).read_all()
            assert answer.startswith(b"HTTP/1.1 400 ") and b"this port speaks TLS" in answer, (method, answer)
        daemon.wait_log("plain HTTP was spoken to a listener with TLS")
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


def test_a_key_that_everybody_can_read():
    daemon = tls_daemon()
    os.chmod(daemon.path("tls/key.pem"), 0o644)
    daemon.start(wait=False)
    daemon.check_end(78)
    assert "tls/key.pem: is a private key that everybody can read or write; run chmod 600" in daemon.log()
    os.chmod(daemon.path("tls/key.pem"), 0o640)
    with daemon.start():
        wrapped(daemon).upgrade("/open").close()


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


DOORS = TOKEN_BLOCK + """
token device {
    from certificate
    claim sub : string required
    claim org : string as "subject.O" else "nobody"
}
route modern /modern { auth = none origins = { none } min_tls = "1.3" allow connect message say { allow } }
route secure /secure { auth = none origins = { none } min_tls = "1.2" allow connect }
route plain  /plain  { auth = none origins = { none } allow connect }
route device /device {
    auth = device
    origins = { none }
    allow connect if user.org == "Acme"
    join device/{user.sub}
    message say { allow publish to device/{user.sub} }
}
"""


class Authority:
    """Signs certificates, by the openssl program."""

    def __init__(self, daemon, name):
        self.daemon, self.name = daemon, name
        os.makedirs(daemon.path("tls"), exist_ok=True)
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                 f"/CN={name}", "-keyout", self.path(name, "key"), "-out", self.path(name, "pem"))

    def path(self, name, kind):
        return self.daemon.path(f"tls/{name}.{kind}")

    @staticmethod
    def run(*arguments, **options):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=PATIENCE, **options)

    def issue(self, file, subject, names="", days="2"):
        """A certificate and key; names as DNS:a,DNS:b."""
        self.run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject, "-keyout",
                 self.path(file, "key"), "-out", self.path(file, "csr"))
        extensions = self.path(file, "ext")
        with open(extensions, "w", encoding="ascii") as out:
            out.write(f"subjectAltName={names}\n" if names else "basicConstraints=CA:FALSE\n")
        self.run("x509", "-req", "-in", self.path(file, "csr"), "-CA", self.path(self.name, "pem"), "-CAkey",
                 self.path(self.name, "key"), "-CAcreateserial", "-days", days, "-extfile", extensions, "-out",
                 self.path(file, "pem"))
        os.chmod(self.path(file, "key"), 0o600)


def several(*files):
    return "tls = [" + ", ".join(f'{{ certificate = "tls/{f}.pem", key = "tls/{f}.key" }}' for f in files) + "]"


def served(daemon, name, **options):
    """The subject's names of the certificate that is served to who asks for `name`."""
    context = ssl.create_default_context(cafile=daemon.path("tls/ca.pem"))
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=PATIENCE) as plain:
        with context.wrap_socket(plain, server_hostname=name, **options) as secure:
            return [text for kind, text in secure.getpeercert()["subjectAltName"] if kind == "DNS"]


def with_certificate(daemon, file=None, version=None):
    context = ssl.create_default_context(cafile=daemon.path("tls/ca.pem"))
    context.check_hostname = False
    if file:
        context.load_cert_chain(daemon.path(f"tls/{file}.pem"), daemon.path(f"tls/{file}.key"))
    if version:
        context.minimum_version = context.maximum_version = version
    return context


async def test_certificates_by_name_and_new_ones_by_reload():
    daemon = Daemon(DOORS, tls=several("one", "two", "wild"), workers=2)
    authority = Authority(daemon, "ca")
    authority.issue("one", "/CN=one", "DNS:one.example,DNS:localhost")
    authority.issue("two", "/CN=two", "DNS:two.example")
    authority.issue("wild", "/CN=wild", "DNS:*.wild.example")
    async with daemon:
        for name, expected in {"one.example": "one.example", "two.example": "two.example", "TWO.example": "two.example",
                               "a.wild.example": "*.wild.example", "a.b.wild.example": "one.example",
                               "wild.example": "one.example", "nobody.example": "one.example",
                               None: "one.example"}.items():
            assert served(daemon, name)[0] == expected, name
        client = await Client.open(daemon, "/modern", scheme="wss", ssl=with_certificate(daemon))
        path = daemon.path("tls/two.pem")
        assert daemon.metric(f'wayleave_certificate_expiry_time_seconds{{path="{path}"}}') > 1.7e9
        # New files, and one more certificate by the settings; who is connected stays.
        authority.issue("two", "/CN=new", "DNS:two.example,DNS:new.example")
        authority.issue("four", "/CN=four", "DNS:four.example")
        daemon.edit("wayleave.toml", several("one", "two", "wild"), several("one", "two", "wild", "four"))
        reloaded = daemon.reload()
        assert reloaded.returncode == 0 and "start" not in reloaded.stdout, reloaded.stdout
        for _ in range(6):  # both workers
            assert served(daemon, "new.example") == ["two.example", "new.example"]
            assert served(daemon, "four.example") == ["four.example"]
        await client.must("say")
        # A broken one is refused, and all stays.
        daemon.write("tls/two.key", "no key")
        broken = daemon.reload()
        assert broken.returncode != 0 and "two.key: is no usable private key" in broken.stderr, broken.stderr
        assert served(daemon, "new.example") == ["two.example", "new.example"]
        await client.must("say")
        await client.close()


async def test_words_are_no_certificate():
    """On a plain listener, beside a block for tokens: what a message says about a certificate proves nothing."""
    daemon = Daemon(TOKEN_BLOCK + """
token device {
    from certificate
    claim sub : string required
    claim org : string as "subject.O" else "nobody"
}
token plain { keys = file "../keys/demo.key"  issuer = "https://issuer.example"  from header "X-Token"  claim sub : string required
    claim org : string else "nobody" }
route both /both { auth = { plain, device }  origins = { none }  allow connect
    message secret { allow  deny if user.org != "Acme" because "not for you" } }
""")
    async with daemon:
        alice = await Client.open(daemon, "/both", extra_headers={"X-Token": daemon.token("alice")})
        for claims in ({"sub": "alice", "subject": {"O": "Acme"}},
                       {"sub": "alice", "subject": {"O": "Acme"}, "exp": int(time.time()) + 600}):
            await alice.refused("$auth", "unauthenticated", token=json.dumps(claims))
        await alice.refused("secret", "forbidden")
        words = json.dumps({"sub": "alice", "subject": {"O": "Acme"}})
        assert await status_of(daemon, "/both", extra_headers={"X-Token": words}) == 401


async def test_client_certificates_are_who_somebody_is():
    daemon = Daemon(DOORS, tls=several("one") + '\nclient_ca = "tls/clients.pem"', workers=2)
    Authority(daemon, "ca").issue("one", "/CN=one", "DNS:localhost")
    clients = Authority(daemon, "clients")
    clients.issue("good", "/O=Acme/CN=device-7")
    clients.issue("other", "/O=Globex/CN=device-8")
    clients.issue("many", "/O=Acme/CN=a/CN=b")
    Authority(daemon, "strangers").issue("forged", "/O=Acme/CN=device-7")
    async with daemon:
        device = await Client.open(daemon, "/device", scheme="wss", ssl=with_certificate(daemon, "good"))
        assert device.hello["user"] == "device-7" and device.hello["channels"][0]["channel"] == "device/device-7"
        tls_1_2 = await Client.open(daemon, "/device", scheme="wss",
                                    ssl=with_certificate(daemon, "good", ssl.TLSVersion.TLSv1_2))
        assert tls_1_2.hello["user"] == "device-7"
        statuses = {file: await status_of(daemon, "/device", scheme="wss", ssl=with_certificate(daemon, file))
                    for file in ("other", "many", None)}
        assert statuses == {"other": 403, "many": 401, None: 401}, statuses
        assert await status_of(daemon, "/plain", scheme="wss", ssl=with_certificate(daemon)) == 101
        # A certificate of somebody else's authority does not get as far as HTTP, on whatever route.
        for path in ("/device", "/plain"):
            try:
                await status_of(daemon, path, scheme="wss", ssl=with_certificate(daemon, "forged"))
                raise AssertionError("a forged certificate was accepted")
            except (ssl.SSLError, ConnectionError, EOFError, InvalidMessage):
                pass
        # What a header says about a certificate is nothing.
        assert await status_of(daemon, "/device", scheme="wss", ssl=with_certificate(daemon),
                               extra_headers={"X-SSL-Client-S-DN": "O=Acme,CN=device-7"}) == 401
        # A session that is resumed, at whichever worker, is still the same device's.
        context, session, reused = with_certificate(daemon, "good"), None, []
        for _ in range(8):
            with socket.create_connection(("127.0.0.1", daemon.port), timeout=PATIENCE) as plain:
                with context.wrap_socket(plain, server_hostname="localhost", session=session) as secure:
                    secure.sendall(head("/device"))
                    assert secure.recv(1000).startswith(b"HTTP/1.1 101"), "the certificate was forgotten"
                    session = session or secure.session
                    reused.append(secure.session_reused)
        assert reused == [False] + [True] * 7, reused
        daemon.edit("wayleave.toml", "client_ca =", 'client_certificate = "required"\nclient_ca =')
        assert daemon.reload().returncode == 0
        try:
            await status_of(daemon, "/plain", scheme="wss", ssl=with_certificate(daemon))
            raise AssertionError("nobody was required to show a certificate")
        except (ssl.SSLError, ConnectionError, EOFError, InvalidMessage):
            pass
        assert await status_of(daemon, "/plain", scheme="wss", ssl=with_certificate(daemon, "good")) == 101
        await device.must("say")
        for client in (device, tls_1_2):
            await client.close()


async def test_the_oldest_tls_that_a_route_takes():
    daemon = Daemon(DOORS, tls=several("one") + '\n[[listen]]\naddress = "127.0.0.1:0"', workers=1)
    Authority(daemon, "ca").issue("one", "/CN=one", "DNS:localhost")
    async with daemon:
        old = with_certificate(daemon, version=ssl.TLSVersion.TLSv1_2)
        new = with_certificate(daemon, version=ssl.TLSVersion.TLSv1_3)
        got = {(path, context is new): await status_of(daemon, path, scheme="wss", ssl=context)
               for path in ("/modern", "/secure", "/plain") for context in (old, new)}
        assert got == {("/modern", False): 403, ("/modern", True): 101, ("/secure", False): 101, ("/secure", True): 101,
                       ("/plain", False): 101, ("/plain", True): 101}, got
        # The plain listener beside it.
        daemon.port = int(re.findall(r"event=listening address=http://\S*:(\d+)", daemon.log())[0])
        got = {path: await status_of(daemon, path) for path in ("/modern", "/secure", "/plain")}
        assert got == {"/modern": 403, "/secure": 403, "/plain": 101}, got


def test_sessions_are_resumed_at_any_worker_until_a_reload():
    daemon = Daemon(DOORS, tls=several("one"), workers=2)
    Authority(daemon, "ca").issue("one", "/CN=one", "DNS:localhost")
    with daemon:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = with_certificate(daemon, version=version)

            def visit(session=None):
                with socket.create_connection(("127.0.0.1", daemon.port), timeout=PATIENCE) as plain:
                    with context.wrap_socket(plain, server_hostname="localhost", session=session) as secure:
                        secure.sendall(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
                        secure.recv(100)  # with TLS 1.3 the ticket comes behind the handshake
                        return secure.session, secure.session_reused

            session, reused = visit()
            assert not reused
            assert [visit(session)[1] for _ in range(8)] == [True] * 8  # the kernel chooses among two workers
            assert daemon.reload().returncode == 0
            assert not visit(session)[1]


if __name__ == "__main__":
    main(globals())
