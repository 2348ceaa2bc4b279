#!/usr/bin/python3
"""examples/cluster as it stands, but for its ports: two nodes behind HAProxy and behind nginx, of which one is killed."""
import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request

import websockets
from client import Client
from daemon import BINARY, PATIENCE, run, wait_until
from redis_server import free_port
from runner import main

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


class Cluster:
    def __init__(self, balancer):
        assert shutil.which(balancer), f"{balancer} is not installed; see tests/packages.txt"
        self.balancer = balancer
        self.root = tempfile.mkdtemp(prefix="wayleave-cluster-")
        self.directory = os.path.join(self.root, "examples/cluster")
        shutil.copytree(os.path.join(ROOT, "examples/cluster"), self.directory, ignore=shutil.ignore_patterns("run", "two.toml"))
        os.symlink(os.path.abspath(os.path.join(ROOT, "examples/chat")), os.path.join(self.root, "examples/chat"))
        os.makedirs(os.path.join(self.root, "daemon"))
        os.symlink(os.path.abspath(os.path.join(ROOT, "daemon/client")), os.path.join(self.root, "daemon/client"))
        ports = {port: str(free_port()) for port in ("8080", "8081", "8082", "9181", "9182", "6399")}
        self.port = int(ports["8080"])
        for name in ("start", "wayleave.toml", "haproxy.cfg", "nginx.conf", "routes.d/chat.route"):
            path = os.path.join(self.directory, name)
            with open(path, encoding="utf-8") as file:
                text = re.sub("|".join(ports), lambda found: ports[found.group()], file.read())
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        self.process = None

    def config(self, node):
        return os.path.join(self.directory, {"one": "wayleave.toml", "two": "two.toml"}[node])

    def __enter__(self):
        # A group of its own: what it starts goes with it, whatever happens.
        self.process = subprocess.Popen([os.path.join(self.directory, "start"), BINARY, self.balancer], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            wait_until(lambda: self.nodes() == ["one", "two"], "both nodes")
            wait_until(lambda: self.get("/") == 200, "the page through the balancer")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        finally:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.root, ignore_errors=True)

    def nodes(self, node="two"):
        asked = run("nodes", "--config", self.config(node), "--format", "json")
        return [one["name"] for one in json.loads(asked.stdout)["nodes"]] if asked.returncode == 0 else []

    def connections(self, node):
        asked = run("status", "--config", self.config(node), "--format", "json")
        return json.loads(asked.stdout)["connections"] if asked.returncode == 0 else 0

    def signal_first(self, number):
        found = subprocess.run(["pgrep", "-g", str(self.process.pid), "-f", "serve --config wayleave.toml"],
                               capture_output=True, text=True, check=True)
        os.kill(int(found.stdout.split()[0]), number)

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def token(self, user, **names):
        made = run("token", "--key", os.path.join(self.directory, "run/keys.jwks"), "--issuer", "https://example.com/demo",
                   "--audience", "chat", "--subject", user, "--claim", f"name={user}", "--expires", "1h")
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()


async def spread(cluster):
    """Two clients at each node. A balancer that asked a node before it was ready leaves it out for a while."""
    for _ in range(PATIENCE):
        clients = {}
        try:
            for user in ("ann", "bob", "eve", "max"):
                clients[user] = await Client.open(cluster, "/ws/chat", token=cluster.token(user))
                await clients[user].subscribe("room/lobby")
        except websockets.InvalidStatusCode as refused:
            assert refused.status_code in (502, 503), refused
        if cluster.connections("one") == cluster.connections("two") == 2:
            return clients
        for client in clients.values():
            await client.close()
        await asyncio.to_thread(wait_until, lambda: cluster.connections("one") + cluster.connections("two") == 0, "all are gone")
        await asyncio.sleep(1)
    raise AssertionError("the balancer never gave both nodes two clients")


async def a_node_is_taken_away(balancer):
    with Cluster(balancer) as cluster:
        assert cluster.get("/client/wayleave.js") == 200
        clients = await spread(cluster)
        await clients["ann"].must("chat.say", room="lobby", text="hello")
        said = {user: await client.wait_for("chat.say", text="hello") for user, client in clients.items()}
        cluster.signal_first(signal.SIGKILL)
        gone, there = [], []
        for user, client in clients.items():
            try:
                await client.must("$ping", "$pong")
                there.append(user)
            except Exception:  # pylint: disable=broad-except
                gone.append(user)
        assert len(gone) == len(there) == 2, (gone, there)
        await clients[there[0]].must("chat.say", room="lobby", text="while you were away")
        for user in gone:
            for _ in range(100):
                try:
                    back = await Client.open(cluster, "/ws/chat", token=cluster.token(user))
                    break
                except Exception:  # pylint: disable=broad-except
                    await asyncio.sleep(0.2)
            position = said[user]["$"]
            told = await back.must("$subscribe", "$subscribed", channel="room/lobby",
                                   since={"epoch": position["epoch"], "offset": position["offset"]})
            assert told["recovered"] is True, told
            await back.wait_for("chat.say", text="while you were away")
            await back.close()
        await asyncio.to_thread(wait_until, lambda: cluster.nodes() == ["two"], "the others know it")
        assert cluster.get("/") == 200


async def newcomers_are_let_in(balancer, number):
    """Also before the balancer has asked the node again how it is."""
    with Cluster(balancer) as cluster:
        await spread(cluster)
        cluster.signal_first(number)
        for i in range(8):
            client = await Client.open(cluster, "/ws/chat", token=cluster.token(f"new{i}"))
            await client.must("$ping", "$pong")
        assert cluster.connections("two") >= 2 + 8


async def test_newcomers_behind_haproxy():
    await newcomers_are_let_in("haproxy", signal.SIGKILL)
    await newcomers_are_let_in("haproxy", signal.SIGTERM)


async def test_newcomers_behind_nginx():
    await newcomers_are_let_in("nginx", signal.SIGKILL)
    await newcomers_are_let_in("nginx", signal.SIGTERM)


async def test_behind_haproxy():
    await a_node_is_taken_away("haproxy")


async def test_behind_nginx():
    await a_node_is_taken_away("nginx")


main(globals())
