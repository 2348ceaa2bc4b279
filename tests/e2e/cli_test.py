#!/usr/bin/python3
"""The commands: what they print, where, and what they end with."""
import base64
import hashlib
import json
import os
import pty
import re
import shutil
import socket
import stat
import subprocess
import tempfile

from daemon import BINARY, TOKEN_BLOCK, Daemon, run
from runner import main

POLICY = TOKEN_BLOCK.strip() + """

route chat /ws {
    auth    = demo
    origins = { none }
    allow connect
    limit connections to 9 per user.sub
    limit messages to 9/s per user.sub
    message say {
        set from = user.name
        allow
        publish to room/all
    }
}
"""
MISTAKE = ('user.name == "x"', 'user.nmae == "x"')
DENIED = POLICY.replace("allow connect", 'allow connect\n    deny connect if user.name == "x" because "no"')


def ended(result, code, *texts):
    """Exit status, and texts that stand in the output or the complaint."""
    output = result.stdout + result.stderr
    assert result.returncode == code, f"ended with {result.returncode}, not {code}: {output[-3000:]}"
    for text in texts:
        assert text in output, f"{text!r} is not in: {output[-6000:]}"
    return result


def test_usage():
    for arguments in ((), ("serv",), ("serve", "--confg", "x"), ("lint", "--config"), ("status", "--format", "yaml"), ("token",),
                      ("lint", "--format", "xml"), ("lint", "--explain"), ("lint", "--explain", "W301", "x.route"),
                      ("token", "--key", "a", "--new-key", "HS256", "--out", "b"), ("token", "--new-key", "HS999", "--out", "b"),
                      ("serve", "extra"), ("fmt",), ("fmt", "--check"), ("fmt", "-", "x.route"), ("fmt", "--config", "x")):
        result = ended(run(*arguments), 64)
        assert result.stderr and not result.stdout, f"{arguments}: {result}"
    ended(run("serv"), 64, "there is no command `serv`; did you mean `serve`?")
    ended(run("zebra"), 64, "there is no command `zebra`; `wayleave --help` lists them")
    for arguments in (("--help",), ("serve", "--help"), ("lint", "--help"), ("token", "--help")):
        assert "--config" in ended(run(*arguments), 0).stdout or arguments in (("--help",), ("token", "--help"))


def test_completions():
    """Every command and every option stands in each of the three, and the shells that are here can read them."""
    texts = {}
    for shell in ("bash", "zsh", "fish"):
        texts[shell] = ended(run("completions", shell), 0).stdout
        if shutil.which(shell):
            checked = subprocess.run([shell, "-n"], input=texts[shell], capture_output=True, text=True, check=False)
            assert checked.returncode == 0 and not checked.stderr, checked.stderr
    commands = re.findall(r"^  (\w+)  ", ended(run("--help"), 0).stdout.split("Subcommands:")[1], re.M)
    assert len(commands) >= 12, commands
    for command in commands:
        options = set(re.findall(r"^ +(?:-\w,)?(--[a-z-]+)", ended(run(command, "--help"), 0).stdout, re.M)) - {"--help"}
        assert options or command == "version", command
        for name, text in texts.items():
            assert re.search(rf"\b{command}\b", text), f"{command} is not in {name}"
            for option in options:
                wanted = f"-l {option[2:]}" if name == "fish" else option
                lines = [one for one in text.splitlines() if name == "zsh" or command in one]
                assert any(wanted in one for one in lines), f"{option} of {command} is not in {name}"


def completed(*words):
    """What bash offers for the last word."""
    script = (ended(run("completions", "bash"), 0).stdout + f"COMP_WORDS=(wayleave {' '.join(map(repr, words))})\n"
              f'COMP_CWORD={len(words)}\n_wayleave\nprintf "%s\\n" "${{COMPREPLY[@]}}"\n')
    shell = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, cwd=os.path.dirname(__file__))
    return shell.stdout.split()


def test_bash_completes():
    assert completed("re") == ["reload", "reopen"]
    assert completed("lint", "--format", "") == ["text", "json", "sarif"]
    assert completed("status", "--format", "") == ["text", "json"]
    assert completed("token", "--new-key", "E") == ["ES256", "EdDSA"]
    assert completed("bans", "l") == ["lift"]
    assert completed("serve", "--t") == ["--take-over"]
    assert completed("serve", "-c", "cli_t") == ["cli_test.py"] == completed("fmt", "cli_t")
    assert completed("sessions", "--user", "") == []
    assert "completions" not in completed("")
    ended(run("completions", "tcsh"), 64)


def test_version():
    text = ended(run("version"), 0).stdout
    assert re.search(r"wayleave \d+\.\d+\.\d+", text), text
    for library in ("libwebsockets", "OpenSSL", "simdjson", "libev"):
        assert library in text, f"{library} is not in {text}"
    assert re.fullmatch(r"wayleave \d+\.\d+\.\d+\n", ended(run("--version"), 0).stdout)


def test_lint():
    with Daemon(DENIED) as daemon:
        assert ended(run("lint", "--config", daemon.config), 0).stdout == "1 file, no errors\n"
        daemon.edit("routes.d/test.route", *MISTAKE)
        result = ended(run("lint", "--config", daemon.config), 2, "error[E002]", "there is no `user.nmae`",
                       "did you mean `user.name`?")
        assert not result.stderr, result.stderr
        lines = result.stdout.splitlines()
        number = daemon.read("routes.d/test.route").split(MISTAKE[1])[0].count("\n") + 1
        assert re.search(rf"--> \S*routes\.d/test\.route:{number}:\d+$", result.stdout, re.M), result.stdout
        source = next(i for i, line in enumerate(lines) if MISTAKE[1] in line)
        column = lines[source].index("user.nmae")
        assert lines[source + 1][column:].startswith("^" * len("user.nmae")), result.stdout
        assert lines[-1] == "1 error, 0 warnings", lines[-1]
        # Every mistake, not the first alone, in whichever file; what is no sentence comes before what has no meaning.
        daemon.write("routes.d/more.route", 'route a /a { auth = nobody\n allow connect if frm }\n'
                                            'route b /b { allow connect if 1 == "a" }\n')
        result = ended(run("lint", "--config", daemon.config), 2, "user.nmae", "no token `nobody`", "no `frm`", "no `auth`",
                       "cannot compare")
        assert result.stdout.count("error[") == 6, result.stdout
        daemon.write("routes.d/more.route", "route a /a { auth = none  allow conect }\n"
                                            "route b /b { auth = none  alow connect }\n")
        result = ended(run("lint", "--config", daemon.config), 2, "did you mean `connect`", "`alow`")
        assert result.stdout.count("error[E001]") == 2, result.stdout


def test_lint_paths():
    with Daemon(DENIED) as daemon:
        directory, file = daemon.path("routes.d"), daemon.path("routes.d/test.route")
        for path in (directory, file):
            ended(run("lint", path), 0, "1 file, no errors")
        daemon.edit("routes.d/test.route", *MISTAKE)
        for path in (directory, file):
            ended(run("lint", path), 2, "user.nmae")
        ended(run("lint", daemon.path("nothing.route")), 2, "nothing.route")
        ended(run("lint", daemon.config + ".none", "--config", daemon.path("none.toml")), 2)
        os.chmod(daemon.path("keys/demo.key"), 0o604)
        daemon.edit("routes.d/test.route", *reversed(MISTAKE))
        ended(run("lint", file), 2, "demo.key")


UGLY = "route chat /ws{auth=none # public\r\n\r\n\r\n allow connect}"
FORMATTED = "route chat /ws {\n    auth = none  # public\n\n    allow connect\n}\n"


def test_fmt():
    with tempfile.TemporaryDirectory() as directory:
        def write(name, text):
            path = os.path.join(directory, name)
            with open(path, "w", newline="") as file:
                file.write(text)
            return path

        def read(path):
            with open(path, newline="") as file:
                return file.read()

        ugly, link = write("a.route", UGLY), os.path.join(directory, "link.route")
        good, broken = write("good.route", FORMATTED), write("broken.rout", "route chat {")
        os.chmod(ugly, 0o640)
        os.symlink("a.route", link)
        assert ended(run("fmt", "--check", ugly, good), 1).stdout == ugly + "\n"
        assert ended(run("fmt", "--check", good), 0).stdout == ""
        assert ended(run("fmt", "--check", ugly, broken), 2, "error[E001]", "broken.rout:1:").stdout == ugly + "\n"
        assert read(ugly) == UGLY, "--check writes nothing"
        before = os.stat(good)
        assert ended(run("fmt", link, good), 0).stdout == link + "\n"
        assert read(ugly) == FORMATTED and os.path.islink(link), "the target is replaced, not the link"
        assert stat.S_IMODE(os.stat(ugly).st_mode) == 0o640
        assert os.stat(good).st_ino == before.st_ino and os.stat(good).st_mtime_ns == before.st_mtime_ns, "left alone"
        # A directory means its *.route files; a broken file is not touched, the others are formatted.
        write("a.route", UGLY), write("bad.route", "route chat {  \n"), write("note.txt", UGLY)
        ended(run("fmt", directory), 2, "bad.route:1:", ugly)
        assert read(ugly) == FORMATTED and read(os.path.join(directory, "bad.route")) == "route chat {  \n"
        assert read(os.path.join(directory, "note.txt")) == UGLY
        assert sorted(os.listdir(directory)) == ["a.route", "bad.route", "broken.rout", "good.route", "link.route", "note.txt"]
        ended(run("fmt", os.path.join(directory, "none.route")), 2, "E013", "none.route")


def test_fmt_as_a_filter():
    def fmt(text, *arguments):
        return subprocess.run([BINARY, "fmt", *arguments, "-"], input=text.encode(), capture_output=True, timeout=20)

    result = fmt(UGLY)
    assert result.returncode == 0 and result.stdout.decode() == FORMATTED, result
    assert fmt(FORMATTED, "--check").returncode == 0 and fmt("", "--check").returncode == 0
    result = fmt(UGLY, "--check")
    assert result.returncode == 1 and FORMATTED.encode() not in result.stdout, result
    result = fmt("route chat {")
    assert result.returncode == 2 and not result.stdout and b"standard input:1:" in result.stderr, result


def test_nothing_of_a_mistake_reaches_a_log_or_a_terminal_raw():
    with Daemon(POLICY) as daemon:
        daemon.write("routes.d/bad.route", 'route a /a { auth = none  allow connect if "\x1b[31m\x07" }\n')
        result = ended(run("lint", "--config", daemon.config), 2)
        assert "\x1b" not in result.stdout and "\x07" not in result.stdout, repr(result.stdout)


def on_a_terminal(arguments, **environment):
    """The output of a command on a pseudo-terminal."""
    leader, follower = pty.openpty()
    process = subprocess.Popen([BINARY, *arguments], stdout=follower, stderr=follower, stdin=follower,
                               env={**os.environ, "TERM": "xterm", **environment})
    os.close(follower)
    text = b""
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:  # the terminal's way to say that nobody has it open any more
            break
        if not data:
            break
        text += data
    os.close(leader)
    process.wait()
    return text.decode()


def test_colours():
    with Daemon(DENIED) as daemon:
        daemon.edit("routes.d/test.route", *MISTAKE)
        arguments = ["lint", "--config", daemon.config]
        assert "\x1b[" in on_a_terminal(arguments), "no colours on a terminal"
        assert "\x1b" not in on_a_terminal(arguments, NO_COLOR="1")
        assert "\x1b" not in on_a_terminal(arguments, TERM="dumb")
        assert "\x1b" not in run(*arguments).stdout


def test_settings():
    with Daemon(POLICY) as daemon:
        text = ended(run("settings", "--config", daemon.config), 0).stdout
        assert re.search(r'^log\.level = "debug" +# \S*wayleave\.toml:\d+$', text, re.M), text
        assert re.search(r'^limits\.drain = "30s" +# default$', text, re.M), text
        # What it prints is a settings file with the same meaning.
        daemon.write("again.toml", text)
        again = ended(run("settings", "--config", daemon.path("again.toml")), 0).stdout
        strip = lambda printed: re.sub(r" +#.*", "", printed)
        assert strip(again) == strip(text), again


def test_broken_settings():
    with Daemon(POLICY) as daemon:
        for old, new, *texts in (
            ('level = "debug"', 'levl = "debug"', "levl", "level"), ('level = "debug"', 'level = "loud"', "log.level", "loud"),
            ("workers = 2", 'workers = "2"', "workers"), ("workers = 2", "workers = 257", "workers", "256"),
            ("workers = 2", "wrokers = 2", "wrokers", "workers"), ("[policy]", "[policy", "wayleave.toml"),
            ('address = "127.0.0.1:0"', 'address = "localhost:0"', "address"), ("[control]", "[contrl]", "contrl", "control"),
            ('close_timeout = "1s"', 'close_timeout = "1"', "close_timeout"),
            ('close_timeout = "1s"', "close_timeout = 1", "close_timeout"),
        ):
            daemon.edit("wayleave.toml", old, new)
            for command in ("serve", "settings"):
                result = ended(run(command, "--config", daemon.config), 78, *texts)
                assert re.search(r"wayleave\.toml:\d+", result.stderr), result.stderr
            ended(run("lint", "--config", daemon.config), 2, *texts)
            daemon.edit("wayleave.toml", new, old)


def test_missing_files():
    with Daemon(POLICY) as daemon:
        nowhere = daemon.path("nowhere.toml")
        for command in ("serve", "settings", "status", "reload"):
            ended(run(command, "--config", nowhere), 66, "nowhere.toml")
        os.rename(daemon.path("routes.d"), daemon.path("elsewhere"))
        ended(run("serve", "--config", daemon.config), 78, "routes.d")
        os.rename(daemon.path("elsewhere"), daemon.path("routes.d"))
        os.unlink(daemon.path("keys/demo.key"))
        ended(run("serve", "--config", daemon.config), 78, "demo.key", "No such file")


def test_addresses_in_use():
    with Daemon(POLICY) as daemon, socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        for port in (taken, daemon.port):  # another program's, and another wayleave's, which shares among its workers
            config = daemon.read("wayleave.toml").replace("127.0.0.1:0", f"127.0.0.1:{port}", 1)
            daemon.write("second.toml", config.replace("run/control", "run/second"))
            ended(run("serve", "--config", daemon.path("second.toml")), 69, f"127.0.0.1:{port}", "in use")
        config = daemon.read("wayleave.toml")
        daemon.write("second.toml", config.replace('[admin]\naddress = "127.0.0.1:0"', f'[admin]\naddress = "127.0.0.1:{taken}"')
                     .replace("run/control", "run/second"))
        ended(run("serve", "--config", daemon.path("second.toml")), 69, f"127.0.0.1:{taken}")
        ended(run("serve", "--config", daemon.config), 69, "control.sock", "another daemon")
        assert daemon.reload().returncode == 0, "the first daemon lost its control socket"
        daemon.write("second.toml", config.replace("127.0.0.1:0", "192.0.2.1:0", 1).replace("run/control", "run/second"))
        ended(run("serve", "--config", daemon.path("second.toml")), 69, "192.0.2.1")


def test_status():
    with Daemon(POLICY) as daemon:
        text = ended(run("status", "--config", daemon.config), 0).stdout
        assert re.search(r"^connections +0$", text, re.M) and re.search(r"^policy\.generation +1$", text, re.M), text
        answer = json.loads(ended(run("status", "--config", daemon.config, "--format", "json"), 0).stdout)
        assert answer["listeners"] == [f"http://127.0.0.1:{daemon.port}"] and answer["workers"] == 2, answer
        assert answer["policy"]["routes"] == ["chat"] and answer["state"] == "running", answer
        ended(run("status", "--socket", daemon.path("run/control.sock")), 0)
        assert stat.S_IMODE(os.stat(daemon.path("run/control.sock")).st_mode) == 0o600, "others may reload"
        config, path = daemon.config, daemon.path("run/control.sock")
        daemon.stop()
        for command in ("status", "reload"):
            ended(run(command, "--config", config), 69, "control.sock")
            ended(run(command, "--socket", path), 69)


def test_token():
    with tempfile.TemporaryDirectory() as root:
        for algorithm in ("HS256", "RS256", "ES256", "EdDSA"):
            key = os.path.join(root, algorithm)
            ended(run("token", "--new-key", algorithm, "--out", key), 0)
            assert stat.S_IMODE(os.stat(key).st_mode) == 0o600
            ended(run("token", "--new-key", algorithm, "--out", key), 73, "File exists")  # a key is never overwritten
            token = ended(run("token", "--key", key, "--subject", "a", "--claim", "name=b=c",
                              "--claim-json", "roles=[1]"), 0).stdout
            assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", token), token
            with open(key, encoding="utf-8") as file:
                first = json.load(file)["keys"][0]
            named = os.path.join(root, algorithm + "-named")
            ended(run("token", "--new-key", algorithm, "--out", named, "--kid", "key 7"), 0)
            with open(named, encoding="utf-8") as file:
                assert json.load(file)["keys"][0]["kid"] == "key 7"
            header = json.loads(base64.urlsafe_b64decode(
                ended(run("token", "--key", named, "--kid", "key 7"), 0).stdout.split(".")[0] + "=="))
            assert header["kid"] == "key 7", header
            ended(run("token", "--key", named, "--kid", first["kid"]), 65, "holds no private key")
            required = {name: first[name] for name in ("crv", "e", "k", "kty", "n", "x", "y") if name in first}
            digest = hashlib.sha256(json.dumps(required, separators=(",", ":"), sort_keys=True).encode()).digest()
            assert first["kid"] == base64.urlsafe_b64encode(digest).decode().rstrip("="), first["kid"]  # RFC 7638
        ended(run("token", "--new-key", "HS256", "--out", os.path.join(root, "long"), "--kid", "k" * 257), 64, "256 bytes")
        assert not os.path.exists(os.path.join(root, "long"))
        for wrong in (["--claim", "noequals"], ["--claim-json", "a={"], ["--expires", "soon"], ["--claim", "sub=b"]):
            ended(run("token", "--key", key, "--subject", "a", *wrong), 64)
        ended(run("token", "--key", os.path.join(root, "none")), 66, "none")
        with open(os.path.join(root, "bad"), "w", encoding="ascii") as bad:
            bad.write("{")
        ended(run("token", "--key", bad.name), 65, "bad")


if __name__ == "__main__":
    main(globals())
