"""Starts a wayleave daemon of a test's own: free ports, a directory, a key, and a service manager that listens."""
import asyncio
import copy
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

# A test waits for conditions. This is only the point at which it gives up, also where a sanitizer makes all slow.
PATIENCE = 60

BINARY = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.environ.get("WAYLEAVE", "wayleave")


def is_sanitized():
    """With AddressSanitizer: it takes several times as long, and more memory."""
    with open(BINARY, "rb") as file:
        return b"__asan_init" in file.read()


ACTIVATOR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "activate.py")

TOKEN_BLOCK = """
token demo {
    keys     = file "../keys/demo.key"
    issuer   = "https://issuer.example"
    audience = "tests"
    from subprotocol "wayleave.v1"
    from header "Authorization"
    claim sub  : string required
    claim name : string else "nobody"
}
"""

BASE_SETTINGS = """
{top}
workers = {workers}

[[listen]]
address = "{address}"
{tls}

[policy]
directory = "routes.d"

[log]
level = "debug"
format = "text"

[control]
socket = "run/control.sock"

[admin]
address = "127.0.0.1:0"

[limits]
close_timeout = "{close_timeout}"
{limits}

{more}
"""


def run(*arguments, **options):
    """A wayleave command that is expected to end by itself."""
    options.setdefault("timeout", PATIENCE * 2)
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, **options)


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"gave up waiting for: {what}"
        time.sleep(0.02)


def no_bug_in(stderr):
    for sign in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer", "runtime error:", "event=bug"):
        assert sign not in stderr, f"the daemon has a bug ({sign}):\n{stderr[-8000:]}"


class ServiceManager:
    """What systemd is to a daemon with Type=notify: a datagram socket."""

    def __init__(self, path):
        self.path = path
        self.messages = []
        self._changed = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        # Reads at once: a full queue would block the daemon, as no service manager does.
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            text = self._socket.recv(65536).decode()
            with self._changed:
                self.messages.append(text)
                self._changed.notify_all()

    def wait_for(self, line, after=0, count=1):
        """Waits until `count` messages past the first `after` hold this line; returns the last of them."""
        def found():
            return [m for m in self.messages[after:] if any(one.startswith(line) for one in m.splitlines())]
        with self._changed:
            there = self._changed.wait_for(lambda: len(found()) >= count, timeout=PATIENCE)
            assert there, f"the service manager never heard {line!r} {count} times; it heard {self.messages}"
            return found()[count - 1]


class Daemon:
    def __init__(self, policy, *, more="", top="", limits="", workers=2, tls="", address="127.0.0.1:0", static=None,
                 env=None, algorithm="HS256", nofile=None, close_timeout="1s"):
        self.root = tempfile.mkdtemp(prefix="wayleave-e2e-")
        self.config = self.path("wayleave.toml")
        self.process = None
        self.options = []  # of `serve`
        self.notify = "notify"
        self.sockets = {}  # that a service manager passes: lists by name
        self.port = self.admin_port = 0
        self._env = env or {}
        self._nofile = nofile
        self._tokens = {}
        self.algorithm = algorithm
        if static is not None:
            more += '\n[static]\ndirectory = "www"\n'
            for name, text in static.items():
                self.write(os.path.join("www", name), text)
        self.write("wayleave.toml", BASE_SETTINGS.format(top=top, workers=workers, address=address, tls=tls, limits=limits,
                                                         more=more, close_timeout=close_timeout))
        self.write("routes.d/test.route", policy)
        os.mkdir(self.path("keys"))
        self.new_key("demo.key")

    # --- files ---

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, text):
        """As an editor does that cares: at no moment is the file half written."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + "~", "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.replace(path + "~", path)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def edit(self, name, old, new):
        text = self.read(name)
        assert old in text, f"{old!r} is not in {name}"
        self.write(name, text.replace(old, new))

    def new_key(self, name, algorithm=None):
        path = self.path("keys/" + name)
        made = run("token", "--new-key", algorithm or self.algorithm, "--out", path)
        assert made.returncode == 0, made.stderr
        return path

    def token(self, subject, *, key="demo.key", issuer="https://issuer.example", audience="tests", expires="1h", claims=(),
              **names):
        arguments = ["token", "--key", self.path("keys/" + key), "--subject", subject, f"--expires={expires}"]
        arguments += ["--issuer", issuer] if issuer else []
        arguments += ["--audience", audience] if audience else []
        for name, text in names.items():
            arguments += ["--claim", f"{name}={text}"]
        for claim in claims:  # "name=JSON"
            arguments += ["--claim-json", claim]
        known = tuple(arguments)
        if known not in self._tokens:
            made = run(*arguments)
            assert made.returncode == 0, made.stderr
            self._tokens[known] = made.stdout.strip()
        return self._tokens[known]

    # --- the process ---

    def start(self, wait=True):
        notify = self.path(self.notify)
        if os.path.exists(notify):
            os.unlink(notify)
        self.manager = ServiceManager(notify)
        environment = {**os.environ, "NOTIFY_SOCKET": notify, **self._env}
        self.stderr_path = self.path(f"stderr.{time.monotonic_ns()}")

        def limit_files():
            if self._nofile:
                resource.setrlimit(resource.RLIMIT_NOFILE, (self._nofile, self._nofile))

        passed = [(name, one.fileno()) for name, several in self.sockets.items() for one in several]
        activator = [sys.executable, "-B", ACTIVATOR, *(f"{name}={number}" for name, number in passed), "--"] if passed else []
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen([*activator, BINARY, "serve", "--config", self.config, *self.options],
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, env=environment,
                                            preexec_fn=limit_files, pass_fds=[number for _, number in passed])
        if wait:
            wait_until(lambda: "event=started" in self.log() or self.process.poll() is not None, "the start of the daemon")
            assert self.process.poll() is None, f"the daemon ended at its start:\n{self.log()}"
            self.manager.wait_for("READY=1")
            self.port = int(re.search(r'event=listening address="?https?://[^\s,]*:(\d+)', self.log()).group(1))
            self.admin_port = int(re.search(r"event=admin-listening address=\S*:(\d+)", self.log()).group(1))
        return self

    def successor(self):
        """A daemon of the same files that takes over from this one; not started yet. The files are still this one's."""
        other = copy.copy(self)
        other.options, other.notify, other.process = ["--take-over"], self.notify + "-next", None
        return other

    def log(self):
        with open(self.stderr_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_log(self, text, count=1):
        wait_until(lambda: self.log().count(text) >= count, f"{count} times {text!r} in the log:\n{self.log()[-4000:]}")

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self):
        return run("reload", "--config", self.config)

    def hang_up(self):
        """SIGHUP, and waits until the daemon says that it has dealt with it."""
        before = len(self.manager.messages)
        self.signal(signal.SIGHUP)
        self.manager.wait_for("RELOADING=1", before)
        return self.manager.wait_for("READY=1", before)

    def stop(self):
        """SIGTERM; the end must be a clean one."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        self.check_end()

    def check_end(self, code=0):
        ended = self.process.wait(PATIENCE)
        no_bug_in(self.log())
        assert ended == code, f"the daemon ended with {ended}, not {code}:\n{self.log()[-4000:]}"

    def __enter__(self):
        try:
            return self if self.process else self.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def __exit__(self, kind, *_):
        if kind:
            print("--- the daemon's log:", *self.log().splitlines()[-40:], sep="\n    ", file=sys.stderr)
        try:
            if kind is None:
                self.stop()
            else:
                no_bug_in(self.log())
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            shutil.rmtree(self.root, ignore_errors=True)

    async def __aenter__(self):
        return self.__enter__()

    async def __aexit__(self, *error):
        # In a thread, so that this test's clients can answer the daemon's good-bye.
        await asyncio.to_thread(self.__exit__, *error)

    # --- what it says about itself ---

    def admin(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name):
        """The value of one series, as `name` or `name{label="value"}`; 0 if it is not there."""
        for line in self.admin("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def refusals(self, reason):
        return self.metric(f'wayleave_refusals_total{{reason="{reason}"}}')

    def has_quarantine(self):
        """Of a sanitizer, which keeps what was freed and reserves terabytes of addresses to know it: its memory is not ours."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return any(line.startswith("VmSize:") and int(line.split()[1]) > 1 << 30 for line in file)

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cpu_share(self, seconds):
        """CPU of the process as a share of one core over the coming `seconds`."""
        cpu, wall = self.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        return (self.cpu_seconds() - cpu) / (time.monotonic() - wall)
