#!/usr/bin/python3
"""examples/behind-nginx as its readers have it: Debian's nginx before the daemon, buffering on."""
import asyncio
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import urllib.error
import urllib.request

import websockets
from daemon import PATIENCE, Daemon, run, wait_until
from runner import main

EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/behind-nginx")
HOST = "app.example.com"


def text_of(name):
    with open(os.path.join(EXAMPLE, name), encoding="utf-8") as file:
        return file.read()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Edge:
    """The daemon with the example's policy, and nginx with its configuration."""

    def __init__(self):
        # The settings of the example, but for places.
        wanted = text_of("wayleave.toml")
        top = "\n".join(line for line in wanted.split("[[listen]]")[0].splitlines() if line and not line.startswith("#"))
        self.daemon = Daemon(text_of("routes.d/app.route"), top=top, more='[client]\npath = "/wayleave.js"\n',
                             env={"CREDENTIALS_DIRECTORY": ""})
        for name in ("session.secret", "server.secret"):
            self.daemon.write(f"creds/{name}", os.urandom(32).hex())
            os.chmod(self.daemon.path(f"creds/{name}"), 0o600)
        self.daemon._env["CREDENTIALS_DIRECTORY"] = self.daemon.path("creds")
        self.daemon.start()
        self.port = free_port()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}",
                        "-addext", f"subjectAltName=DNS:{HOST}", "-keyout", self.daemon.path("tls.key"),
                        "-out", self.daemon.path("tls.pem")], check=True, capture_output=True)
        site = text_of("nginx.conf")
        for old, new in (("127.0.0.1:8080", f"127.0.0.1:{self.daemon.port}"), ("listen 443", f"listen 127.0.0.1:{self.port}"),
                         ("/etc/ssl/app.example.com.pem", self.daemon.path("tls.pem")),
                         ("/etc/ssl/private/app.example.com.key", self.daemon.path("tls.key")),
                         ("/var/www/app", self.daemon.path("www"))):
            assert old in site, old
            site = site.replace(old, new)
        self.daemon.write("www/index.html", "the page")
        self.daemon.write("nginx.conf", f"""
daemon off; pid {self.daemon.path('nginx.pid')}; error_log {self.daemon.path('nginx.log')}; worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {self.daemon.path('t1')}; proxy_temp_path {self.daemon.path('t2')};
    fastcgi_temp_path {self.daemon.path('t3')}; uwsgi_temp_path {self.daemon.path('t4')}; scgi_temp_path {self.daemon.path('t5')};
{site}
}}
""")
        if os.getuid() == 0:  # its workers are nobody then, and read the page
            os.chmod(self.daemon.root, 0o755)
        self.nginx = subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-c", self.daemon.path("nginx.conf")],
                                      stderr=subprocess.DEVNULL)
        self.context = ssl.create_default_context(cafile=self.daemon.path("tls.pem"))
        wait_until(lambda: self.get("/")[0] == 200, f"nginx: {self.daemon.path('nginx.log')}")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.nginx.terminate()
        self.nginx.wait(PATIENCE)
        self.daemon.__exit__(*error)

    def token(self, subject, key="session.secret", *more):
        return run("token", "--key", self.daemon.path("creds/" + key), "--subject", subject, *more).stdout.strip()

    def connect(self, token, **headers):
        return websockets.connect(f"wss://{HOST}/ws", host="127.0.0.1", port=self.port, ssl=self.context, server_hostname=HOST,
                                  subprotocols=["wayleave.v1", token], origin=f"https://{HOST}", compression=None,
                                  extra_headers=headers, open_timeout=PATIENCE)

    def request(self, path, **headers):
        return urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", headers={"Host": HOST, **headers})

    def open(self, path, data=None, **headers):
        context = ssl.create_default_context(cafile=self.daemon.path("tls.pem"))
        context.check_hostname = False
        request = self.request(path, **headers)
        request.data = data
        return urllib.request.urlopen(request, context=context, timeout=PATIENCE)

    def get(self, path, data=None, **headers):
        try:
            with self.open(path, data, **headers) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (urllib.error.URLError, ConnectionError):
            return 0, ""


async def test_a_page_comes_by_nginx_and_the_daemon_knows_from_where():
    with Edge() as edge:
        # What the client writes itself is nothing: nginx knows from where he comes.
        async with edge.connect(edge.token("ann"), **{"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.8",
                                                      "X-Forwarded-Proto": "http"}) as socket_:
            hello = json.loads(await asyncio.wait_for(socket_.recv(), PATIENCE))
            assert hello["type"] == "$hello" and hello["user"] == "ann", hello
            sessions = json.loads(run("sessions", "--format", "json", "--config", edge.daemon.config).stdout)["sessions"]
            assert [one["ip"] for one in sessions] == ["127.0.0.1"], sessions
            await socket_.send(json.dumps({"type": "$subscribe", "channel": "room/lobby", "$id": 1}))
            assert json.loads(await asyncio.wait_for(socket_.recv(), PATIENCE))["type"] == "$subscribed"
        assert edge.get("/")[1] == "the page"
        status, client = edge.get("/wayleave.js")
        assert status == 200 and "export" in client, status
        # Past nginx, without TLS: refused by the policy, which believes nobody else.
        try:
            async with websockets.connect(f"ws://{HOST}/ws", host="127.0.0.1", port=edge.daemon.port,
                                          subprotocols=["wayleave.v1", edge.token("ann")], origin=f"https://{HOST}",
                                          extra_headers={"X-Forwarded-For": "203.0.113.7"}):
                raise AssertionError("came in without TLS")
        except websockets.InvalidStatusCode as refused:
            assert refused.status_code == 403, refused
        assert edge.daemon.metric("wayleave_unknown_clients_total") == 0


def test_the_api_is_not_for_the_world():
    with Edge() as edge:
        server = edge.token("shop", "server.secret", "--audience", "app-api")
        status, _ = edge.get("/api/publish", json.dumps({"channel": "user/ann", "data": {}}).encode(),
                             Authorization=f"Bearer {server}", **{"Content-Type": "application/json"})
        assert status == 403, status


def test_an_event_stream_is_not_held_back():
    with Edge() as edge:
        with edge.open("/ws?channel=room/lobby", Authorization=f"Bearer {edge.token('ann')}", Accept="text/event-stream",
                       Origin=f"https://{HOST}") as stream:
            lines = []
            while not any(re.match(r'data: .*"\$hello"', line) for line in lines):
                lines.append(stream.readline().decode())
            assert run("publish", "room/lobby", '{"type": "news"}', "--config", edge.daemon.config).returncode == 0
            while not any('"news"' in line for line in lines):
                lines.append(stream.readline().decode())


if __name__ == "__main__":
    main(globals())
