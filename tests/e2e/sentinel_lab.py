"""A primary, a replica and three Sentinels of the test's own."""
import os
import subprocess

from daemon import Daemon, wait_until
from redis_server import Redis


class Sentinel(Redis):
    def start(self):
        path = os.path.join(self.directory, "sentinel.conf")
        if not os.path.exists(path):
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"port {self.port}\nbind 127.0.0.1\ndir {self.directory}\n"
                           f"logfile {self.directory}/log\n"
                           f"sentinel monitor mymaster 127.0.0.1 {self.options[0]} 2\n"
                           "sentinel down-after-milliseconds mymaster 1000\n"
                           "sentinel failover-timeout mymaster 10000\n")
        self.process = subprocess.Popen(["redis-server", path, "--sentinel"], stdin=subprocess.DEVNULL)
        try:
            wait_until(lambda: self.ask("PING").startswith(b"+PONG"), "the Sentinel")
        except BaseException:
            self.kill()
            raise
        return self


class Lab:
    """A primary, its replica, and three Sentinels that know both."""

    def __enter__(self):
        self.primary = Redis().start()
        self.replica = Redis("--replicaof", "127.0.0.1", str(self.primary.port), "--repl-diskless-sync-delay", "0").start()
        self.sentinels = [Sentinel(str(self.primary.port)).start() for _ in range(3)]
        wait_until(lambda: b"state=online" in self.primary.ask("INFO", "replication"), "the replica is connected")
        for one in self.sentinels:
            wait_until(lambda: self.known(one, "num-slaves") == "1" and self.known(one, "num-other-sentinels") == "2",
                       "a Sentinel knows the others")
        return self

    @staticmethod
    def known(sentinel, name):
        parts = sentinel.ask("SENTINEL", "MASTER", "mymaster").decode().split("\r\n")
        return parts[parts.index(name) + 2] if name in parts else None

    def __exit__(self, *_):
        for one in (*self.sentinels, self.replica, self.primary):
            one.__exit__()

    def node(self, policy, settings="", **options):
        names = ", ".join(f'"127.0.0.1:{one.port}"' for one in self.sentinels)
        return Daemon(policy, more=f'\n[broker]\nkind = "redis"\n[redis]\nsentinels = [{names}]\nprimary = "mymaster"\n{settings}\n',
                      **options)
