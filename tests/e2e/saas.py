"""An example with an application of its own (`saas`, `django`) as a user starts it, on free ports and in a copy of its own."""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request

from client import Client
from daemon import BINARY, PATIENCE, no_bug_in, wait_until

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples")


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Page(Client):
    """What it hears while it waits for something else is kept, as a page does."""

    def __init__(self, socket):
        super().__init__(socket)
        self.kept = []
        self.number = 0

    async def first(self, right):
        for message in self.kept:
            if right(message):
                self.kept.remove(message)
                return message
        while not right(message := await self.next()):
            self.kept.append(message)
        return message

    async def wait_for(self, type, **members):
        return await self.first(lambda m: m["type"] == type and all(m.get(k) == v for k, v in members.items()))

    async def ask(self, type, **members):
        self.number += 1
        await self.send(type, more={"$id": self.number, **members.pop("more", {})}, **members)
        return await self.first(lambda m: m.get("re") == self.number)


class Saas:
    def __init__(self, name="saas"):
        self.name = name
        self.root = tempfile.mkdtemp(prefix="wayleave-saas-")
        shutil.copytree(EXAMPLES, os.path.join(self.root, "examples"), ignore=shutil.ignore_patterns("run"))
        shutil.copy(os.path.join(EXAMPLES, "run"), os.path.join(self.root, "examples/run"))
        self.example = os.path.join(self.root, "examples", name)
        self.config = os.path.join(self.example, "run/at/wayleave.toml")
        self.app_port, self.port, self.admin_port = free_ports(3)
        self.environment = {**os.environ, "WAYLEAVE": BINARY, "APP_PORT": str(self.app_port), "WAYLEAVE_PORT": str(self.port),
                            "ADMIN_PORT": str(self.admin_port), "RUN_DIRECTORY": os.path.join(self.example, "run")}
        self.origin = f"http://127.0.0.1:{self.app_port}"
        self.log_path = os.path.join(self.root, "log")
        self.processes = []

    def spawn(self, *command, **options):
        with open(self.log_path, "ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, **options)
        self.processes.append(process)
        return process

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def run(self):
        """Both, by the script; a session of its own, so that it can be sent what a terminal sends."""
        process = self.spawn(os.path.join(self.root, "examples/run"), self.name, start_new_session=True)
        wait_until(lambda: f"Open {self.origin}" in self.log() or process.poll() is not None, "the example to say its address")
        assert process.poll() is None, self.log()
        return process

    def start_app(self):
        process = self.spawn(sys.executable, "-B", os.path.join(self.example, "app.py"))
        wait_until(lambda: self.answers(self.app_port), "the application")
        return process

    def start_daemon(self):
        process = self.spawn(BINARY, "serve", "--config", self.config)
        wait_until(lambda: self.answers(self.port) or process.poll() is not None, "the daemon")
        assert process.poll() is None, self.log()
        return process

    def metric(self, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=PATIENCE) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(name + " "):
                    return float(line.rsplit(" ", 1)[1])
        return 0.0

    @staticmethod
    def answers(port):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
        log = self.log()
        if kind:
            print("--- the example's log:", *log.splitlines()[-40:], sep="\n    ", file=sys.stderr)
        shutil.rmtree(self.root, ignore_errors=True)
        no_bug_in(log)

    # --- what a browser does ---

    def post(self, path, form, cookie="", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.app_port, timeout=PATIENCE)
        body = form if isinstance(form, bytes) else json.dumps(form).encode()
        connection.request("POST", path, body, {"Content-Type": "application/json", "Cookie": cookie, **headers})
        answer = connection.getresponse()
        answer.body = answer.read()
        connection.close()
        return answer

    def login(self, name):
        answer = self.post("/login", {"name": name})
        assert answer.status == 200, answer.status
        return answer.getheader("Set-Cookie").split(";")[0]

    async def page(self, cookie):
        """A connection with its first state."""
        client = await Page.open(self, "/ws", origin=self.origin, extra_headers={"Cookie": cookie})
        client.state = await client.wait_for("state")
        return client
