#!/usr/bin/python3
"""Listeners that come, go and change by a reload, while clients of the others and of those that go stay connected."""
import json
import os
import socket

from activation_test import listening
from daemon import PATIENCE, Daemon, run, wait_until
from raw import TEXT, Raw, frame, head
from runner import main
from tls_test import TLS, make_certificate, trusting

POLICY = "route open /ws { auth = none  allow connect  message say { allow } }"
ASK = frame(TEXT, b'{"type":"say","$id":1}')


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def with_listeners(daemon, *tables):
    """All but the first, which stays."""
    text = daemon.read("wayleave.toml")
    first, rest = text.split("[policy]", 1)
    first = first.split("# more", 1)[0]
    more = "".join(f"[[listen]]\n{table}\n\n" for table in tables)
    daemon.write("wayleave.toml", f"{first}# more\n{more}[policy]{rest}")


def reload(daemon, *options, code=0):
    done = run("reload", "--config", daemon.config, *options)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


def listeners(daemon):
    return json.loads(run("status", "--config", daemon.config, "--format", "json").stdout)["listeners"]


def enter(port, **options):
    return Raw(port, **options).upgrade()


def lives(raw):
    raw.send(ASK)
    while said := raw.read_frame():
        if b"$ok" in said[1]:
            return True
    return False


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False


def test_listeners_come_and_go():
    port = free_port()
    shown = f"http://127.0.0.1:{port}"
    with Daemon(POLICY, workers=3) as daemon:
        first = enter(daemon.port)
        with_listeners(daemon, f'address = "127.0.0.1:{port}"')
        told = reload(daemon, "--dry-run").stdout
        assert f"listener {shown}: added" in told, told
        assert refused(port), "a dry run changes nothing"
        told = json.loads(reload(daemon, "--format", "json").stdout)
        assert told["listeners"] == {"added": [shown], "removed": [], "changed": []}, told
        assert f"listener {shown}: added" in told["changes"] and not told["restart_needed"], told
        daemon.wait_log(f"listening on {shown}")
        second = [enter(port) for _ in range(12)]
        assert listeners(daemon)[1] == shown, listeners(daemon)

        with_listeners(daemon)
        told = reload(daemon, "--dry-run").stdout
        assert f"listener {shown}: removed" in told, told
        enter(port).close()
        told = reload(daemon)
        assert f"listener {shown}: removed" in told.stdout and "next start" not in told.stderr, told
        daemon.wait_log(f"not listening on {shown} any more")
        wait_until(lambda: refused(port), "the end of the listener")
        assert len(listeners(daemon)) == 1
        assert lives(first) and all(lives(one) for one in second)
        enter(daemon.port).close()


def test_by_signal():
    port = free_port()
    with Daemon(POLICY) as daemon:
        with_listeners(daemon, f'address = "127.0.0.1:{port}"')
        daemon.hang_up()
        enter(port).close()


def test_a_port_that_is_taken_refuses_the_whole_reload():
    good = free_port()
    taken = listening()
    with Daemon(POLICY) as daemon:
        before = listeners(daemon)
        number = taken.getsockname()[1]
        with_listeners(daemon, f'address = "127.0.0.1:{good}"', f'address = "127.0.0.1:{number}"')
        daemon.edit("routes.d/test.route", "allow connect", "deny connect")
        for options in ("--dry-run",), ():
            told = reload(daemon, *options, code=78).stderr
            assert f"127.0.0.1:{number}: Address already in use; stop the other program" in told, told
        daemon.hang_up()
        daemon.wait_log("event=reload-refused", 2)
        assert daemon.log().count("Address already in use") >= 2, daemon.log()
        assert refused(good) and listeners(daemon) == before
        enter(daemon.port).close()  # by the old policy
        taken.close()
        reload(daemon)
        assert len(listeners(daemon)) == 3


def test_overlapping_addresses_change_places():
    """Both are ours, so that the port is not taken by another."""
    port = free_port()
    with Daemon(POLICY) as daemon:
        with_listeners(daemon, f'address = "127.0.0.1:{port}"')
        reload(daemon)
        kept = enter(port)
        with_listeners(daemon, f'address = "0.0.0.0:{port}"')
        assert f"0.0.0.0:{port}: added" in reload(daemon).stdout
        enter(port).close()
        assert lives(kept)


def secure(daemon, port):
    return enter(port, wrap=lambda s: trusting(daemon).wrap_socket(s, server_hostname="localhost"))


def test_tls_comes_and_goes():
    """The first one makes what TLS needs in each worker; later ones take over what is left of those that went."""
    ports = [free_port() for _ in range(4)]
    with Daemon(POLICY, workers=3) as daemon:
        make_certificate(daemon)
        kept = []
        for port in ports:
            with_listeners(daemon, f'address = "127.0.0.1:{port}"\n{TLS}')
            assert f"listener https://127.0.0.1:{port}: added" in reload(daemon).stdout
            kept += [secure(daemon, port) for _ in range(6)]
            secure(daemon, port).close()
        with_listeners(daemon)
        reload(daemon)
        assert all(refused(port) for port in ports)
        assert all(lives(one) for one in kept)
        for one in kept:
            one.close()
        wait_until(lambda: daemon.metric("wayleave_connections") == 0, "the end of the connections")
        files = daemon.open_files()
        for _ in range(10):
            with_listeners(daemon, *(f'address = "127.0.0.1:{port}"\n{TLS}' for port in ports[:2]))
            reload(daemon)
            secure(daemon, ports[1]).close()
            with_listeners(daemon)
            reload(daemon)
        wait_until(lambda: daemon.open_files() <= files, "that no descriptor is left")


def test_broken_tls_of_a_new_listener():
    port = free_port()
    with Daemon(POLICY) as daemon:
        with_listeners(daemon, f'address = "127.0.0.1:{port}"\n{TLS}')
        told = reload(daemon, code=78).stderr
        assert "chain.pem" in told, told
        assert refused(port)


def test_what_a_listener_does_changes_at_its_place():
    port = free_port()
    with Daemon(POLICY) as daemon:
        make_certificate(daemon)
        with_listeners(daemon, f'address = "127.0.0.1:{port}"')
        reload(daemon)
        plain = enter(port)
        with_listeners(daemon, f'address = "127.0.0.1:{port}"\n{TLS}')
        told = json.loads(reload(daemon, "--format", "json").stdout)
        assert told["listeners"]["changed"] == [f"https://127.0.0.1:{port}"], told
        safe = secure(daemon, port)
        with_listeners(daemon, f'address = "127.0.0.1:{port}"\nserve = ["api"]')
        reload(daemon)
        assert Raw(port).send(head()).read_head()[0] == 404
        assert lives(plain) and lives(safe), "who is connected stays"
        with_listeners(daemon, f'address = "127.0.0.1:{port}"\nproxy_protocol = true')
        daemon.edit("wayleave.toml", "workers", 'trusted_proxies = ["127.0.0.1"]\nworkers')
        reload(daemon)
        proxied = Raw(port)
        proxied.send(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n")
        proxied.upgrade()
        with_listeners(daemon)
        reload(daemon)
        assert lives(proxied)


def test_unix_sockets_and_their_files():
    with Daemon(POLICY) as daemon:
        there = daemon.path("run/ws.sock")
        with_listeners(daemon, 'address = "unix:run/ws.sock"\nmode = "0600"')
        reload(daemon)
        assert os.stat(there).st_mode & 0o777 == 0o600
        one = socket.socket(socket.AF_UNIX)
        one.connect(there)
        with_listeners(daemon, 'address = "unix:run/ws.sock"\nmode = "0600"\nserve = ["clients"]')
        reload(daemon)
        assert os.path.exists(there), "the file stays where only the service changes"
        with_listeners(daemon, 'address = "unix:run/ws.sock"\nmode = "0666"')
        assert "listen has changed" in reload(daemon).stderr and os.stat(there).st_mode & 0o777 == 0o600
        with_listeners(daemon)
        reload(daemon)
        assert not os.path.exists(there)
        with open(there, "w", encoding="ascii"):
            pass
        with_listeners(daemon, 'address = "unix:run/ws.sock"')
        for options in ("--dry-run",), ():
            assert "it is no socket; remove it" in reload(daemon, *options, code=78).stderr
        assert os.path.exists(there), "what is not ours stays"
        one.close()


def test_a_unix_socket_whose_file_is_gone_is_opened_again():
    with Daemon(POLICY) as daemon:
        there = daemon.path("run/ws.sock")
        with_listeners(daemon, 'address = "unix:run/ws.sock"\nmode = "0600"')
        reload(daemon)
        stays = socket.socket(socket.AF_UNIX)
        stays.settimeout(PATIENCE)
        stays.connect(there)
        os.unlink(there)
        assert f"listener unix:{there}: added" in reload(daemon, "--dry-run").stdout
        assert f"listener unix:{there}: added" in reload(daemon).stdout
        assert os.stat(there).st_mode & 0o777 == 0o600
        for one in (stays, socket.socket(socket.AF_UNIX)):
            one.settimeout(PATIENCE)
            if one is not stays:
                one.connect(there)
            one.sendall(head())
            assert one.recv(12) == b"HTTP/1.1 101"
            one.close()
        assert "listener" not in reload(daemon).stdout
        daemon.stop()
        assert not os.path.exists(there)


def test_one_socket_has_one_listener_however_it_is_written():
    with Daemon(POLICY) as daemon:
        os.symlink("run", daemon.path("link"))
        with_listeners(daemon, 'address = "unix:run/ws.sock"')
        reload(daemon)
        with_listeners(daemon, 'address = "unix:link/ws.sock"')
        assert "listener" not in reload(daemon).stdout, "it is the same"
        for other in ("link/ws.sock", "run/../run/ws.sock"):
            with_listeners(daemon, 'address = "unix:run/ws.sock"', f'address = "unix:{other}"')
            assert "is listened on twice" in reload(daemon, code=78).stderr


def test_a_dry_run_names_tls_as_it_will_be():
    with Daemon(POLICY) as daemon:
        make_certificate(daemon)
        port = free_port()
        with_listeners(daemon, f'address = "127.0.0.1:{port}"')
        reload(daemon)
        with_listeners(daemon, f'address = "127.0.0.1:{port}"\n{TLS}')
        for options in ("--dry-run",), ():
            assert f"listener https://127.0.0.1:{port}: " in reload(daemon, *options).stdout
        with_listeners(daemon, f'address = "127.0.0.1:{port}"')
        assert f"listener http://127.0.0.1:{port}: " in reload(daemon, "--dry-run").stdout


def test_sockets_of_a_service_manager():
    """One that nobody names any more is kept, so that it is found again; what was not passed is asked for."""
    daemon = Daemon(POLICY)
    mine = listening()
    daemon.sockets = {"extra": [mine]}
    with_listeners(daemon, 'name = "extra"')
    with daemon:
        port = mine.getsockname()[1]
        enter(port).close()
        with_listeners(daemon)
        assert f"127.0.0.1:{port}: removed" in reload(daemon).stdout
        daemon.wait_log("event=socket-unused")
        with_listeners(daemon, 'name = "others"')
        for options in ("--dry-run",), ():
            told = reload(daemon, *options, code=78).stderr
            assert "no socket of this name was passed" in told and "FileDescriptorName=others" in told, told
        with_listeners(daemon, 'name = "extra"')
        assert "listener extra: added" in reload(daemon, "--dry-run").stdout
        reload(daemon)
        enter(port).close()


def test_who_takes_over_gets_what_is_listened_on_then():
    port = free_port()
    with Daemon(POLICY) as daemon:
        with_listeners(daemon, f'address = "127.0.0.1:{port}"')
        reload(daemon)
        other = daemon.successor()
        other.start()
        daemon.check_end()
        enter(port).close()
        with_listeners(other)
        reload(other)
        wait_until(lambda: refused(port), "the end of the listener")
        other.stop()
        daemon.process, daemon.stderr_path = other.process, other.stderr_path



def test_what_a_successor_does_not_name_is_closed():
    """Its clients would wait there for ever."""
    port = free_port()
    daemon = Daemon(POLICY)
    with_listeners(daemon, f'address = "127.0.0.1:{port}"')
    with daemon:
        enter(port).close()
        with_listeners(daemon)
        other = daemon.successor()
        other.start()
        daemon.check_end()
        wait_until(lambda: refused(port), "the end of the listener")
        enter(other.port).close()
        other.stop()
        daemon.process, daemon.stderr_path = other.process, other.stderr_path


def test_a_port_that_the_kernel_has_chosen_may_be_written_down():
    with Daemon(POLICY) as daemon:
        raw = enter(daemon.port)
        daemon.edit("wayleave.toml", '[[listen]]\naddress = "127.0.0.1:0"', f'[[listen]]\naddress = "127.0.0.1:{daemon.port}"')
        assert "listener" not in reload(daemon, "--dry-run").stdout
        reload(daemon)
        assert len(listeners(daemon)) == 1
        assert lives(raw)
        assert lives(enter(daemon.port))


if __name__ == "__main__":
    main(globals())
