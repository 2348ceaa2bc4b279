#!/usr/bin/python3
"""Keys for a daemon that is nobody's: what the service manager gives it, and what it cannot read."""
import os
import shutil
import subprocess

from client import Client
from daemon import BINARY, TOKEN_BLOCK, Daemon, no_bug_in, run
from runner import main

POLICY = TOKEN_BLOCK.replace('file "../keys/demo.key"', 'file credential "demo.key"') + """
route chat /ws { auth = demo  origins = { none }  allow connect }
"""
NOBODY = 65534


def credentials(daemon):
    """As systemd leaves them: in a directory for the service alone, with a mode that an access list makes wider."""
    directory = daemon.path("credentials")
    os.mkdir(directory, 0o700)
    shutil.copy(daemon.path("keys/demo.key"), directory)
    os.chmod(os.path.join(directory, "demo.key"), 0o440)
    return directory


def lint_as_nobody(daemon, **env):
    """With the settings; skipped where the tests are not run by root."""
    os.chmod(daemon.root, 0o755)
    made = subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", BINARY, "lint", "--config",
                           daemon.config], capture_output=True, text=True, env={**os.environ, **env})
    no_bug_in(made.stderr)
    return made.returncode, made.stdout + made.stderr


async def test_a_credential_is_a_key():
    daemon = Daemon(POLICY)
    daemon._env = {"CREDENTIALS_DIRECTORY": credentials(daemon)}
    with daemon:
        alice = await Client.open(daemon, user="alice")
        assert alice.hello["user"] == "alice"
        await alice.close()


def test_without_the_service_manager_it_is_said_what_to_do():
    daemon = Daemon(POLICY)
    env = {name: value for name, value in os.environ.items() if name != "CREDENTIALS_DIRECTORY"}
    out = run("lint", daemon.path("routes.d"), env=env)
    assert out.returncode == 2 and "$CREDENTIALS_DIRECTORY is not set" in out.stdout, out.stdout
    assert "LoadCredential=demo.key:/path" in out.stdout, out.stdout
    daemon.edit("routes.d/test.route", '"demo.key"', '"../demo.key"')
    out = run("lint", daemon.path("routes.d"), env={**env, "CREDENTIALS_DIRECTORY": "/tmp"})
    assert out.returncode == 2 and "a credential is named without a directory" in out.stdout, out.stdout


def test_what_an_unprivileged_daemon_may_read():
    if os.geteuid() != 0:
        return
    daemon = Daemon(POLICY)
    directory = credentials(daemon)
    for path, _, names in os.walk(directory):
        for name in [path] + [os.path.join(path, name) for name in names]:
            os.chown(name, NOBODY, NOBODY)
    code, out = lint_as_nobody(daemon, CREDENTIALS_DIRECTORY=directory)
    assert code == 0, out
    # Without it: a key of root's cannot be read, and one that everybody can read is refused. Both say how.
    daemon.edit("routes.d/test.route", 'file credential "demo.key"', 'file "../keys/demo.key"')
    os.chmod(daemon.path("keys"), 0o755)
    code, out = lint_as_nobody(daemon)
    assert code == 2 and "Permission denied" in out and "LoadCredential=" in out, out
    os.chmod(daemon.path("keys/demo.key"), 0o644)
    code, out = lint_as_nobody(daemon)
    assert code == 2 and "error[E017]" in out and "LoadCredential=" in out, out


def ask_as(daemon, *options):
    made = subprocess.run(["setpriv", *options, BINARY, "status", "--config", daemon.config], capture_output=True, text=True)
    return made.returncode, made.stderr


def test_the_control_socket_is_for_its_group():
    if os.geteuid() != 0:
        return
    group = 24680  # that nothing else has
    daemon = Daemon(POLICY.replace('file credential "demo.key"', 'file "../keys/demo.key"'))
    daemon.edit("wayleave.toml", "[control]", f'[control]\ngroup = "{group}"')
    os.chmod(daemon.root, 0o755)
    with daemon:
        stranger = [f"--reuid={NOBODY}", f"--regid={NOBODY}"]
        os.chmod(daemon.path("run"), 0o755)
        code, out = ask_as(daemon, "--reuid=0")
        assert code == 0, (code, out)
        code, out = ask_as(daemon, *stranger, f"--groups={group}")
        assert code == 0, (code, out)
        code, out = ask_as(daemon, f"--reuid={NOBODY}", f"--regid={group}", "--clear-groups")
        assert code == 0, (code, out)
        code, out = ask_as(daemon, *stranger, "--clear-groups")
        assert code == 69, (code, out)
        # An operator is not the daemon: he does not get the sockets that clients come to.
        taking = subprocess.run(["setpriv", *stranger, f"--groups={group}", "curl", "-s", "-X", "POST", "--unix-socket",
                                 daemon.path("run/control.sock"), "http://wayleave/take-over"], capture_output=True, text=True,
                                check=True)
        assert "for root and the daemon's user alone" in taking.stdout and "sockets" not in taking.stdout, taking.stdout
        assert "event=hand-over" not in daemon.log()
        os.chmod(daemon.path("run/control.sock"), 0o777)  # a slip of the operator opens nothing
        code, out = ask_as(daemon, *stranger, "--clear-groups")
        assert code == 77 and "control.group" in out, (code, out)
        code, out = ask_as(daemon, *stranger, f"--groups={group}")
        assert code == 0, (code, out)


if __name__ == "__main__":
    main(globals())
