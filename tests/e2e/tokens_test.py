#!/usr/bin/python3
"""Tokens beyond a signature: one use, age, new ones on a live connection, keys at a URL, and backends that are asked."""
import asyncio
import base64
import hashlib
import hmac
import json
import os
import ssl
import subprocess
import threading
import time

from backend import Backend
from client import Client, status_of
from daemon import TOKEN_BLOCK, Daemon, run, wait_until
from raw import KEY, Raw, head
from runner import main

ROUTE = """
route chat /ws {
    auth    = demo
    origins = { none }
    allow connect
    join user/{user.sub}
    allow subscribe on room/:room if room != "staff"
    allow subscribe on room/staff if user.name == "staff"
    message say { allow publish to room/a }
}
"""
CHECK = """
backend app { url = "%s" timeout = 1s %s }
token cookie {
    check = app "/whoami"
    %s
    from cookie "sid"
    from header "X-Session"
    claim sub   : string required
    claim roles : set of string else {}
    claim phone : string else "" secret
}
route chat /ws {
    auth    = cookie
    origins = { none }
    limit connects to 1000/h per ip
    allow connect
    deny connect if "banned" in user.roles because "you are out"
    join user/{user.sub}
}
"""


def sid(name, **options):
    return {"extra_headers": {"Cookie": f"theme=dark; sid={name}; tracker=1"}, "subprotocols": ["wayleave.v1"], **options}


def whoami(request):
    cookie = request.headers.get("Cookie", "")
    if cookie.startswith("sid=u-"):
        return 200, {"sub": cookie[6:], "roles": ["member"], "nested": {"ignored": True}}
    return 401, {}


# --- tokens of one use, and their age ---

async def test_single_use_across_workers_and_reloads():
    policy = TOKEN_BLOCK.replace("issuer ", "single_use = true\n    issuer ") + ROUTE
    async with Daemon(policy, workers=2) as daemon:
        once = daemon.token("ann", claims=['jti="one"'])
        answers = await asyncio.gather(*[status_of(daemon, token=once) for _ in range(20)])
        assert sorted(answers) == [101] + [401] * 19, answers
        assert await status_of(daemon, token=daemon.token("ann")) == 401, "a token without jti"
        daemon.write("routes.d/more.route", "route more /more { auth = none allow connect }\n")
        assert daemon.reload().returncode == 0
        assert await status_of(daemon, token=once) == 401, "a reload forgets no used token"
        assert await status_of(daemon, token=daemon.token("ann", claims=['jti="two"'])) == 101
        assert daemon.metric("wayleave_used_tokens") == 2
        assert daemon.metric("wayleave_token_replays_total") == 20


async def test_max_age():
    policy = TOKEN_BLOCK.replace("issuer ", "max_age = 5m\n    issuer ") + ROUTE
    async with Daemon(policy) as daemon:
        assert await status_of(daemon, user="ann") == 101
        old = daemon.token("ann", expires="-1s")  # iat and exp a second ago
        assert await status_of(daemon, token=old) == 101
        assert await status_of(daemon, token=made(daemon, iat=time.time() - 400)) == 401
        assert await status_of(daemon, token=made(daemon, iat=time.time() + 400)) == 401
        assert await status_of(daemon, token=made(daemon)) == 401, "without iat"


def part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def made(daemon, **claims):
    """As an issuer of its own would make it: every claim is said here."""
    with open(daemon.path("keys/demo.key"), encoding="ascii") as file:
        jwk = json.load(file)["keys"][0]
    secret = base64.urlsafe_b64decode(jwk["k"] + "==")
    claims = {"iss": "https://issuer.example", "aud": "tests", "sub": "ann", "exp": int(time.time()) + 600, **claims}
    signed = part(json.dumps({"alg": "HS256", "kid": jwk["kid"]}).encode()) + "." + part(json.dumps(claims).encode())
    return signed + "." + part(hmac.new(secret, signed.encode(), hashlib.sha256).digest())


# --- $auth ---

async def test_auth_on_a_live_connection():
    async with Daemon(TOKEN_BLOCK + ROUTE) as daemon:
        ann = await Client.open(daemon, token=made(daemon, exp=int(time.time()) + 4))
        began = time.monotonic()
        await ann.subscribe("room/a")
        await ann.refused("$subscribe", "forbidden", channel="room/staff")
        end = int(time.time()) + 60
        answer = await ann.must("$auth", token=made(daemon, exp=end, name="staff"))
        assert answer["expires"] == end, answer
        await ann.subscribe("room/staff")
        await ann.refused("$auth", "forbidden", token=daemon.token("bob"))
        await ann.refused("$auth", "unauthenticated", token=daemon.token("ann", key=os.path.basename(daemon.new_key("x.key"))))
        await ann.refused("$auth", "bad_message")
        await asyncio.sleep(5)
        await ann.quiet()  # the first token has ended, the session has not
        sooner = int(time.time()) + 2
        answer = await ann.must("$auth", token=made(daemon, exp=sooner))  # less rights, and sooner
        assert answer["expires"] == sooner < end, answer
        await ann.wait_for("$unsubscribed", channel="room/staff", reason="forbidden")
        messages, code = await ann.closed()
        assert code == 4401 and messages[-1]["reason"] == "expired", (messages, code)
        assert time.monotonic() - began > 6
        assert daemon.metric("wayleave_reauthentications_total") == 2


# --- check ---

async def test_a_backend_says_who_it_is():
    with Backend(whoami) as backend:
        async with Daemon(CHECK % (backend.url, "", "cache = 30s")) as daemon:
            ann = await Client.open(daemon, **sid("u-ann"))
            assert ann.hello["user"] == "ann" and ann.hello["channels"] == [{"channel": "user/ann"}], ann.hello
            asked = backend.requests[0]
            assert asked.path == "/whoami" and asked.command == "GET"
            assert asked.headers["Cookie"] == "sid=u-ann", "that cookie alone"
            assert "Origin" not in asked.headers and "Sec-WebSocket-Key" not in asked.headers
            assert await status_of(daemon, **sid("u-ann")) == 101
            assert len(backend.requests) == 1, "the answer is believed for a while"
            assert await status_of(daemon, **sid("nobody")) == 401
            assert await status_of(daemon, **sid("nobody")) == 401
            assert len(backend.requests) == 2, "a no is believed for a second"
            await asyncio.sleep(1.1)
            assert await status_of(daemon, **sid("nobody")) == 401
            assert len(backend.requests) == 3
            backend.answer = lambda request: (200, {"sub": request.headers["X-Session"]})
            by_header = await Client.open(daemon, extra_headers={"X-Session": "zoe"}, subprotocols=["wayleave.v1"])
            assert by_header.hello["user"] == "zoe"
            assert "Cookie" not in backend.requests[-1].headers
            backend.answer = lambda _: (200, {"sub": "x", "roles": ["banned"]})
            assert await status_of(daemon, **sid("u-banned")) == 403
            assert daemon.reload().returncode == 0
            backend.answer = whoami
            asked = len(backend.requests)
            assert await status_of(daemon, **sid("u-ann")) == 101
            assert len(backend.requests) == asked + 1, "a reload believes no earlier answer"
            assert daemon.metric('wayleave_checks_total{result="cached"}') == 2


async def test_what_a_message_brings_is_no_line_of_its_own():
    """A token of `$auth` is judged as the handshake judges what stands in a cookie or a header."""
    with Backend(whoami) as backend:
        async with Daemon(CHECK % (backend.url, "", "")) as daemon:
            ann = await Client.open(daemon, **sid("u-ann"))
            asked = len(backend.requests)
            for text in ("u-ann\r\nX-Admin: 1", "u-eve\r\n\r\nGET /whoami HTTP/1.1\r\nHost: a\r\nCookie: sid=u-ann",
                         "u-ann\n", "u-ann\r", "u-ann\0", "u-ann\x7f", " u-ann"):
                await ann.refused("$auth", "unauthenticated", token=text)
            assert len(backend.requests) == asked, [request.headers for request in backend.requests[asked:]]
            # What no cookie can be may be a header's, and is shown as one.
            backend.answer = lambda request: (200, {"sub": "ann"} if request.headers.get("X-Session") else {"sub": "eve"})
            await ann.must("$auth", token="u-ann; other=1")
            shown = backend.requests[-1].headers
            assert shown["X-Session"] == "u-ann; other=1" and "Cookie" not in shown, shown


async def test_what_a_backend_may_answer():
    answers = {
        "500": (lambda _: (500, "oops"), 503), "302": (lambda _: (302, "", {"Location": "http://127.0.0.1:1/"}), 503),
        "204": (lambda _: (204, ""), 503), "404": (lambda _: (404, "{}"), 503), "403": (lambda _: (403, "{}"), 401),
        "no json": (lambda _: (200, "<html>"), 503), "an array": (lambda _: (200, "[]"), 503),
        "another type": (lambda _: (200, {"sub": 7}), 401), "no sub": (lambda _: (200, {}), 401),
        "two subs": (lambda _: (200, '{"sub":"a","sub":"b"}'), 401), "gone": (lambda _: (200, {"sub": "a", "exp": 1}), 401),
        "too large": (lambda _: (200, json.dumps({"sub": "a", "x": "y" * 70000})), 503),
        "a large claim": (lambda _: (200, {"sub": "a" * 5000}), 401),
        "many headers": (lambda _: (200, {"sub": "a"}, {f"X-{i}": "y" * 1000 for i in range(30)}), 503),
        "fine": (lambda _: (200, {"sub": "a"}), 101),
    }
    with Backend(None) as backend:
        async with Daemon(CHECK % (backend.url, "retries = 0 break_after = 1000", "")) as daemon:
            for what, (answer, expected) in answers.items():
                backend.answer = answer
                got = await status_of(daemon, **sid("u-" + what.replace(" ", "")))
                assert got == expected, f"{what}: {got}"


async def test_many_with_one_cookie_are_one_request():
    release = threading.Event()

    def slow(request):
        release.wait(20)
        return whoami(request)
    with Backend(slow) as backend:
        policy = (CHECK % (backend.url, "", "cache = 30s")).replace("timeout = 1s", "timeout = 20s")
        async with Daemon(policy, workers=2) as daemon:
            waiting = [asyncio.create_task(Client.open(daemon, **sid("u-ann"))) for _ in range(40)]
            await asyncio.to_thread(backend.wait_for, 1)
            await asyncio.to_thread(wait_until, lambda: daemon.metric('wayleave_checks_total{result="shared"}') == 39, "the crowd")
            # Nobody else is kept waiting meanwhile.
            assert daemon.admin("/healthz")[0] == 200
            assert daemon.metric("wayleave_backend_running{backend=\"app\"}") == 1
            release.set()
            clients = await asyncio.gather(*waiting)
            assert {c.hello["user"] for c in clients} == {"ann"} and len(backend.requests) == 1


async def test_the_backend_is_down():
    with Backend(lambda _: (500, "")) as backend:
        policy = CHECK % (backend.url, "retries = 1 break_after = 3 break_for = 1s", "cache = 30s")
        async with Daemon(policy) as daemon:
            assert await status_of(daemon, **sid("u-ann")) == 503
            assert len(backend.requests) == 2, "tried again once"
            for _ in range(2):
                assert await status_of(daemon, **sid("u-ann")) == 503
            assert len(backend.requests) == 6, "three requests in a row have failed: it is left alone"
            for _ in range(5):
                assert await status_of(daemon, **sid("u-ann")) == 503
            assert len(backend.requests) == 6
            assert daemon.metric('wayleave_backend_broken{backend="app"}') == 1
            daemon.wait_log("event=backend-broken")
            backend.answer = whoami
            await asyncio.sleep(1.2)
            assert await status_of(daemon, **sid("u-ann")) == 101, "one request tries, and it is back"
            assert daemon.metric('wayleave_backend_broken{backend="app"}') == 0
            daemon.wait_log("event=backend-mended")
    # Nobody listens there any more.
    async with Daemon(CHECK % (backend.url, "retries = 0", "")) as daemon:
        assert await status_of(daemon, **sid("u-ann")) == 503


async def test_a_slow_backend():
    hold = threading.Event()

    def slow(request):
        hold.wait(20)
        return whoami(request)
    with Backend(slow) as backend:
        async with Daemon(CHECK % (backend.url, "retries = 0", "")) as daemon:
            began = time.monotonic()
            assert await status_of(daemon, **sid("u-ann")) == 503
            assert time.monotonic() - began > 0.8, "the backend's timeout: it would answer after 20 s"
        policy = (CHECK % (backend.url, "retries = 0", "")).replace("timeout = 1s", "timeout = 20s")
        async with Daemon(policy, limits='handshake_timeout = "1s"') as daemon:
            began = time.monotonic()
            assert await status_of(daemon, **sid("u-bob")) == 503
            assert time.monotonic() - began > 0.8, "the handshake's"
            # Clients that go away while they wait leave nothing behind.
            for i in range(20):
                Raw(daemon.port).send(head("/ws", f"Cookie: sid=u-{i}")).reset()
            await asyncio.to_thread(wait_until, lambda: daemon.metric("wayleave_sockets") == 0, "all to be gone")
            hold.set()
            assert await status_of(daemon, **sid("u-ann")) == 101
        hold.clear()
        daemon = Daemon(policy)
        async with daemon:  # and a stop while somebody waits is a clean one
            task = asyncio.create_task(status_of(daemon, **sid("u-carl")))
            await asyncio.to_thread(wait_until, lambda: daemon.metric("wayleave_sockets") == 1, "the client")
        assert await task == 503
        hold.set()


async def test_bytes_that_come_early_are_not_lost():
    hold = threading.Event()

    def slow(request):
        hold.wait(20)
        return whoami(request)
    with Backend(slow) as backend:
        async with Daemon((CHECK % (backend.url, "", "")).replace("1s", "20s")) as daemon:
            raw = Raw(daemon.port)
            raw.send(head("/ws", "Cookie: sid=u-ann"))
            await asyncio.to_thread(backend.wait_for, 1)
            text = b'{"type":"$ping","$id":"early"}'
            raw.send(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
            await asyncio.sleep(0.2)
            hold.set()
            status, fields = raw.read_head()
            assert status == 101 and KEY and fields
            frames = [json.loads(raw.read_frame()[1]) for _ in range(2)]
            assert frames[0]["user"] == "ann" and frames[1] == {"type": "$pong", "re": "early"}, frames
            raw.close()
            hold.clear()
            flood = Raw(daemon.port)
            flood.send(head("/ws", "Cookie: sid=u-bob"))
            flood.send_anyway(b"x" * 300_000)
            assert flood.read_head()[0] == 400
            hold.set()


async def test_concurrency_is_bounded():
    hold = threading.Event()
    most, now, lock = [0], [0], threading.Lock()

    def slow(request):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        hold.wait(20)
        time.sleep(0.02)
        with lock:
            now[0] -= 1
        return whoami(request)
    with Backend(slow) as backend:
        policy = (CHECK % (backend.url, "concurrency = 3", "")).replace("timeout = 1s", "timeout = 20s")
        async with Daemon(policy, workers=2) as daemon:
            tasks = [asyncio.create_task(status_of(daemon, **sid(f"u-{i}"))) for i in range(12)]
            await asyncio.to_thread(wait_until, lambda: daemon.metric('wayleave_backend_waiting{backend="app"}') == 9, "nine to wait")
            hold.set()
            assert set(await asyncio.gather(*tasks)) == {101}
            assert most[0] == 3, most


async def test_requests_are_signed():
    with Backend(lambda r: (200, {"sub": "a"})) as backend:
        policy = CHECK % (backend.url + "/base", 'sign = file "../keys/app.hmac"', "")
        daemon = Daemon(policy)
        secret = b"s" * 40
        daemon.write("keys/app.hmac", b"whsec_" + base64.b64encode(secret) + b"\n")
        os.chmod(daemon.path("keys/app.hmac"), 0o644)
        assert "error[E017]" in run("lint", daemon.path("routes.d")).stdout
        os.chmod(daemon.path("keys/app.hmac"), 0o600)
        async with daemon:
            assert await status_of(daemon, **sid("u-ann")) == 101
            asked = backend.requests[0]
            assert asked.path == "/base/whoami"
            stamp, name = asked.headers["webhook-timestamp"], asked.headers["webhook-id"]
            mac = hmac.new(secret, f"{name}.{stamp}.".encode(), hashlib.sha256).digest()
            assert asked.headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
            assert abs(int(stamp) - time.time()) < 30


async def test_https_needs_a_certificate_that_is_trusted():
    daemon = Daemon("")
    certificate, key = daemon.path("backend.pem"), daemon.path("backend.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=backend", "-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Backend(whoami, wrap=lambda s: context.wrap_socket(s, server_side=True)) as backend:
        daemon.write("routes.d/test.route", CHECK % (backend.url, "retries = 0", ""))
        async with daemon:
            assert await status_of(daemon, **sid("u-ann")) == 503
            assert not backend.requests
            async with Daemon(CHECK % (backend.url, "retries = 0", ""), env={"SSL_CERT_FILE": certificate}) as trusting:
                assert await status_of(trusting, **sid("u-ann")) == 101


# --- keys at a URL ---

KEYS = """
token demo {
    keys       = url "%s/jwks"
    algorithms = { "ES256", "EdDSA" }
    issuer     = "https://issuer.example"
    audience   = "tests"
    from subprotocol "wayleave.v1"
    claim sub  : string required
    claim name : string else "nobody"
}
"""


class Issuer:
    """Keys of several algorithms, published as a JWKS; tokens are made by `wayleave token`."""

    def __init__(self, daemon, names):
        self.daemon, self.keys = daemon, {}
        for name, algorithm in names.items():
            path = daemon.new_key(name, algorithm)
            with open(path, encoding="ascii") as file:
                jwk = json.load(file)["keys"][0]
            jwk["kid"] = name
            with open(path, "w", encoding="ascii") as file:
                json.dump({"keys": [jwk]}, file)
            self.keys[name] = jwk

    def public(self, *names, more=()):
        private = {"d", "p", "q", "dp", "dq", "qi"}
        return {"keys": [{k: v for k, v in self.keys[name].items() if k not in private} for name in names] + list(more)}


async def test_keys_at_a_url():
    with Backend(None) as backend:
        daemon = Daemon(KEYS % backend.url + ROUTE)
        issuer = Issuer(daemon, {"one.key": "ES256", "two.key": "EdDSA", "mac.key": "HS256", "rsa.key": "RS256"})
        foreign = {"kty": "EC", "crv": "P-521", "kid": "big", "x": "AA", "y": "AA"}
        symmetric = issuer.keys["mac.key"]
        backend.answer = lambda _: (200, issuer.public("one.key", "rsa.key", more=[foreign, symmetric]))
        async with daemon:
            assert await status_of(daemon, token=daemon.token("ann", key="one.key")) == 101
            daemon.wait_log("event=keys-fetched")
            assert daemon.metric("wayleave_token_cache_misses_total") == 1
            assert await status_of(daemon, token=daemon.token("ann", key="one.key")) == 101
            assert daemon.metric("wayleave_token_cache_hits_total") == 1
            assert await status_of(daemon, token=daemon.token("ann", key="rsa.key")) == 401, "RS256 is not among the algorithms"
            assert len(backend.requests) == 1
            # The issuer has a new key: its first token makes the daemon look, and waits.
            backend.answer = lambda _: (time.sleep(0.3), (200, issuer.public("one.key", "two.key", more=[symmetric])))[1]
            answers = await asyncio.gather(*[status_of(daemon, token=daemon.token(f"u{i}", key="two.key")) for i in range(8)])
            assert set(answers) == {101} and len(backend.requests) == 2, (answers, len(backend.requests))
            assert await status_of(daemon, token=daemon.token("ann", key="mac.key")) == 401, "a secret that was published is none"
            assert len(backend.requests) == 2, "at most one fetch a minute for unknown keys"
            # A reload keeps the set; nothing is fetched, and the issuer may be down.
            backend.answer = lambda _: (500, "")
            daemon.write("routes.d/more.route", "route more /more { auth = none allow connect }\n")
            assert daemon.reload().returncode == 0
            assert await status_of(daemon, token=daemon.token("ann", key="two.key")) == 101
            assert len(backend.requests) == 2
            assert daemon.metric(f'wayleave_keys_known{{url="{backend.url}/jwks"}}') == 1


async def test_the_issuer_is_down_at_the_start():
    with Backend(lambda _: (503, "")) as backend:
        daemon = Daemon(KEYS % backend.url + ROUTE)
        issuer = Issuer(daemon, {"one.key": "ES256"})
        async with daemon:  # it starts
            assert await status_of(daemon, token=daemon.token("ann", key="one.key")) == 503
            daemon.wait_log("event=keys-unavailable")
            assert daemon.metric(f'wayleave_keys_known{{url="{backend.url}/jwks"}}') == 0
            backend.answer = lambda _: (200, issuer.public("one.key"))
            await asyncio.to_thread(wait_until, lambda: daemon.metric(f'wayleave_keys_known{{url="{backend.url}/jwks"}}') == 1,
                                    "the next attempt")
            assert await status_of(daemon, token=daemon.token("ann", key="one.key")) == 101
            assert daemon.log().count("event=keys-unavailable") == 1, "told once"


async def test_lint_explain_and_test_touch_no_network():
    with Backend(whoami) as backend:
        policy = (CHECK % (backend.url, "", "cache = 1s")) + KEYS % backend.url + ROUTE.replace("route chat /ws", "route keys /keys") + """
test "stated claims need nobody" at "/ws" {
    as cookie { sub = "ann" }
    expect allow connect "/ws"
}
test "nor keys" at "/keys" {
    as demo { sub = "ann" }
    expect allow connect "/keys"
}
"""
        daemon = Daemon(policy)
        linted = run("lint", "--config", daemon.config)
        assert linted.returncode == 0, linted.stdout
        assert run("test", daemon.path("routes.d")).returncode == 0
        told = run("explain", "--config", daemon.config, "--as", "cookie", '{"sub": "ann"}', "connect", "/ws")
        assert told.returncode == 0, told
        assert not backend.requests


# --- nothing of it is written down ---

async def test_canaries():
    """No token, cookie, secret claim or answer of a backend is in a log, a metric, a status or an explanation."""
    told = {"sub": "canary-user", "phone": "canary-phone", "roles": ["member"], "more": "canary-answer"}
    with Backend(lambda r: (200, told) if "good" in str(r.headers) else (401, {"why": "canary-no"})) as backend:
        tokens = TOKEN_BLOCK.replace("claim name", 'from query "token"\n    from cookie "jwt"\n    claim mail : string else "" secret\n    claim name')
        policy = (CHECK % (backend.url, "retries = 0", "cache = 1s")).replace("auth    = cookie", "auth    = { demo, cookie }\n    detail = true")
        policy = policy.replace('deny connect if "banned" in user.roles because "you are out"', 'deny connect if path like "*/no" because "not here"')
        policy = tokens + policy.replace("join user/{user.sub}", 'message say { allow  deny if user.sub == "nobody"  publish to room/a }')
        async with Daemon(policy.replace("/ws {", "/ws, /no {"), more="") as daemon:
            daemon.edit("wayleave.toml", 'level = "debug"', 'level = "trace"')
            assert daemon.reload().returncode == 0
            good = daemon.token("canary-sub", mail="canary-mail", name="canary-name")
            forged = good[:-8] + "canaryXX"
            expired = daemon.token("canary-sub", expires="-1h")
            secrets = {"canary-phone", "canary-answer", "canary-no", "canary-mail", "canary-cookie-good", "canary-cookie-bad"}
            for token in (good, forged, expired):
                secrets |= set(token.split(".")[1:]) | {token}
                for where in ("/ws", "/no"):
                    await status_of(daemon, where, token=token)
                    await status_of(daemon, f"{where}?token={token}", subprotocols=["wayleave.v1"])
                    await status_of(daemon, where, extra_headers={"Cookie": f"jwt={token}"})
                    await status_of(daemon, where, extra_headers={"Authorization": f"Bearer {token}"})
            for cookie in ("canary-cookie-good", "canary-cookie-bad"):
                for where in ("/ws", "/no"):
                    await status_of(daemon, where, **sid(cookie))
                    await status_of(daemon, where, extra_headers={"X-Session": cookie})
            ann = await Client.open(daemon, token=good)
            answers = [await ann.ask("$auth", token=token) for token in (good, forged, expired)]
            answers.append(await ann.ask("say"))
            assert [answer["type"] for answer in answers] == ["$ok", "$error", "$error", "$ok"], answers
            backend.close()
            await status_of(daemon, **sid("canary-cookie-bad"))
            await asyncio.sleep(1.1)
            await status_of(daemon, **sid("canary-cookie-good"))
            live = ["--config", daemon.config]
            session = ann.hello["session"]
            shown = {
                "log": daemon.log(), "metrics": daemon.admin("/metrics")[1],
                "status": run("status", *live).stdout + run("status", "--format", "json", *live).stdout,
                "sessions": run("sessions", *live).stdout + run("sessions", "--format", "json", *live).stdout,
                "explain": "".join(run("explain", "--live", session, *live, *more).stdout
                                   for more in (["message", "say", "{}"], ["message", "say", "{}", "--format", "json"])),
                "explain --as": run("explain", "--as", "demo", '{"sub": "a", "mail": "canary-mail"}', "connect", "/ws", *live).stdout,
                "answers": json.dumps(answers),
            }
            daemon.write("token.jwt", good)
            shown["explain --jwt"] = run("explain", "--jwt", daemon.path("token.jwt"), "connect", "/ws", *live).stdout
            assert "handshake-refused" in shown["log"] and shown["metrics"] and shown["explain"] and shown["sessions"]
            for where, text in shown.items():
                for secret in secrets:
                    assert secret not in text, f"{secret} is in {where}:\n{text}"


if __name__ == "__main__":
    main(globals())
