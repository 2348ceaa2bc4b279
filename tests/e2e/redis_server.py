"""A redis-server of the test's own, on a free port, and daemons that share it."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile

from daemon import PATIENCE, Daemon, wait_until


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Redis:
    def __init__(self, *options):
        assert shutil.which("redis-server"), "redis-server is not installed; see tests/packages.txt"
        self.directory = tempfile.mkdtemp(prefix="wayleave-redis-")
        self.port = free_port()
        self.options = options
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.directory, "--save", "",
             "--logfile", os.path.join(self.directory, "log"), *self.options], stdin=subprocess.DEVNULL)
        try:
            wait_until(lambda: self.ask("PING").startswith((b"+PONG", b"-NOAUTH")), "redis-server")
        except BaseException:
            self.kill()
            raise
        return self

    def ask(self, *words):
        try:
            with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as one:
                one.sendall(f"*{len(words)}\r\n".encode() + b"".join(f"${len(w)}\r\n{w}\r\n".encode() for w in words))
                return one.recv(65536)
        except OSError:
            return b""

    def count(self, kind):
        """How many keys there are of a kind."""
        return sum(f"}}:{kind}:".encode() in line or line.endswith(f"}}:{kind}".encode())
                   for line in self.ask("KEYS", "wayleave:1:*").split(b"\r\n"))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGCONT)
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def node(self, policy, name="", like=None, settings="", **options):
        """A daemon that shares this Redis; it has the key of `like`, so that a token is good at both."""
        name = f'node_name = "{name}"\n' if name else ""
        daemon = Daemon(policy, more=f'\n[broker]\nkind = "redis"\n[redis]\nserver = "127.0.0.1:{self.port}"\n{name}{settings}\n',
                        **options)
        if like is not None:
            shutil.copy(like.path("keys/demo.key"), daemon.path("keys/demo.key"))
        return daemon


def ready(daemon):
    return daemon.admin("/readyz")[0] == 200


def first_tag():
    """Of partition 0: the smallest number whose slot is below 64."""
    def crc16(data):
        crc = 0
        for byte in data:
            crc ^= byte << 8
            for _ in range(8):
                crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xffff
        return crc
    return next(str(n) for n in range(1000) if crc16(str(n).encode()) % 16384 < 64)
