#!/usr/bin/python3
"""What comes in the box: init, doctor, bench, and one frame of top."""
import json
import os
import stat
import subprocess
import tempfile

from daemon import BINARY, PATIENCE, Daemon, run, wait_until
from runner import main

POLICY = """
route open /ws {
    auth = none
    allow connect
    allow subscribe, publish on bench
    deny publish on bench if path == "/none"
}
route shut /shut { auth = none  allow connect }
"""


def test_init_writes_what_lint_and_the_tests_accept():
    with tempfile.TemporaryDirectory() as root:
        for kind in ("chat", "saas", "notifications", "proxy"):
            directory = os.path.join(root, kind)
            made = run("init", directory, "--kind", kind)
            assert made.returncode == 0 and f"wayleave serve --config {directory}/wayleave.toml" in made.stdout, made
            config = os.path.join(directory, "wayleave.toml")
            linted = run("lint", "--strict", "--config", config)
            assert linted.returncode == 0, linted.stdout + linted.stderr
            tested = run("test", "--fail-under", "100", "--config", config)
            assert tested.returncode == 0, tested.stdout + tested.stderr
            formatted = run("fmt", "--check", os.path.join(directory, "routes.d"))
            assert formatted.returncode == 0, formatted.stdout + formatted.stderr
            for key in os.listdir(os.path.join(directory, "keys")):
                mode = os.stat(os.path.join(directory, "keys", key)).st_mode
                assert stat.S_IMODE(mode) == 0o600, (key, oct(mode))
            again = run("init", directory, "--kind", kind)
            assert again.returncode == 73 and "is there already" in again.stderr, again
        assert run("init", os.path.join(root, "x"), "--kind", "game").returncode == 64
        with open(os.path.join(root, "file"), "w", encoding="ascii"):
            pass
        assert run("init", os.path.join(root, "file", "below")).returncode == 73
        # What it wrote runs, and takes the token that it tells how to make.
        directory = os.path.join(root, "notifications")
        config = os.path.join(directory, "wayleave.toml")
        with open(config, encoding="utf-8") as file:
            text = file.read()
        with open(config, "w", encoding="utf-8") as file:
            file.write(text.replace("127.0.0.1:8080", "127.0.0.1:0").replace("127.0.0.1:9180", "127.0.0.1:0"))
        with open(os.path.join(root, "stderr"), "wb") as stderr:
            daemon = subprocess.Popen([BINARY, "serve", "--config", config], stderr=stderr)
        try:
            wait_until(lambda: run("status", "--config", config).returncode == 0, "the daemon that init has set up")
        finally:
            daemon.terminate()
            assert daemon.wait(PATIENCE) == 0


def observations(done):
    return {one["about"]: one for one in map(json.loads, done.stdout.splitlines())}


def test_doctor_names_what_is_wrong_and_what_to_do():
    policy = POLICY + """
backend here { url = "http://127.0.0.1:HERE" }
backend gone { url = "http://127.0.0.1:1" }
"""
    with Daemon(POLICY) as daemon:
        well = observations(run("doctor", "--config", daemon.config, "--format", "json"))
        assert well["daemon"]["state"] == "ok" and "runs" in well["daemon"]["text"], well
        assert well["policy"]["state"] in ("ok", "warning"), well
        daemon.write("routes.d/test.route", policy.replace("HERE", str(daemon.admin_port)))
        done = run("doctor", "--config", daemon.config, "--format", "json")
        assert done.returncode == 2, done
        found = observations(done)
        assert found["backend here"]["state"] == "ok" and "404" in found["backend here"]["text"], found
        assert found["backend gone"]["state"] == "error" and found["backend gone"]["remedy"], found
        daemon.write("routes.d/test.route", "route broken {")
        assert daemon.reload().returncode == 78
        done = run("doctor", "--config", daemon.config, "--format", "json")
        found = observations(done)
        assert done.returncode == 2 and found["policy"]["state"] == "error", found
        assert found["policy in force"]["state"] == "warning" and "refused" in found["policy in force"]["text"], found
        text = run("doctor", "--config", daemon.config).stdout
        assert "-> `wayleave lint` says why" in text, text
        daemon.write("routes.d/test.route", POLICY)
    assert run("doctor", "--config", "/nowhere/wayleave.toml").returncode == 66
    with Daemon(POLICY) as daemon:
        daemon.edit("wayleave.toml", 'format = "text"', 'format = "text"\nfile = "missing/wayleave.log"')
        daemon.edit("wayleave.toml", "[admin]", '[admin]\ntoken_file = "keys/demo.key"')
        os.chmod(daemon.path("keys/demo.key"), 0o644)
        found = observations(run("doctor", "--config", daemon.config, "--format", "json"))
        assert found["log.file"]["state"] == "error" and "No such file" in found["log.file"]["text"], found
        assert found["console"]["state"] == "error" and "chmod 0600" in found["console"]["remedy"], found
        log = daemon.path("missing/wayleave.log")
        daemon.write("missing/wayleave.log", "")
        os.chmod(log, 0o644)
        os.chmod(daemon.path("keys/demo.key"), 0o600)
        found = observations(run("doctor", "--config", daemon.config, "--format", "json"))
        assert found["log.file"]["state"] == "warning" and "chmod 0640" in found["log.file"]["remedy"], found
        assert found["console"]["state"] == "ok", found
        os.chmod(log, 0o640)
        assert "log.file" not in observations(run("doctor", "--config", daemon.config, "--format", "json"))
        full = subprocess.run(f"{BINARY} status --config {daemon.config} >/dev/full", shell=True, capture_output=True, text=True)
        assert full.returncode == 74 and "takes no more" in full.stderr, full


def test_bench_counts_what_it_did_and_says_what_was_refused():
    with Daemon(POLICY) as daemon:
        url = f"ws://127.0.0.1:{daemon.port}"
        done = run("bench", url + "/ws", "--connections", "20", "--publishers", "2", "--seconds", "1", "--format", "json")
        assert done.returncode == 0, done
        report = json.loads(done.stdout)
        assert report["connections"] == 20 and report["handshake"]["count"] == 20, report
        assert report["publications"] > 0 and report["failures"] == {}, report
        # Each publication goes to all; some were under way when the time was over.
        assert report["deliveries"] >= (report["publications"] - 2) * 20 * 0.5, report
        assert 0 < report["delivered"]["p50_us"] <= report["delivered"]["p99_us"] <= report["delivered"]["max_us"], report
        paced = json.loads(run("bench", url + "/ws", "--connections", "3", "--seconds", "2", "--rate", "20", "--format", "json").stdout)
        assert 0 < paced["publications"] <= 40, paced
        assert "publish to reader" in run("bench", url + "/ws", "--connections", "2", "--seconds", "1").stdout
        refused = run("bench", url + "/shut", "--connections", "2", "--seconds", "1")
        assert refused.returncode == 65 and "forbidden" in refused.stderr, refused
        nowhere = run("bench", url + "/nowhere", "--connections", "2", "--seconds", "1")
        assert nowhere.returncode == 65 and "answered 404" in nowhere.stderr, nowhere
        for wrong in ("http://127.0.0.1/", "wss://127.0.0.1/", "ws://", "ws://127.0.0.1:99999/", "ws://192.0.2.1/ws"):
            assert run("bench", wrong, "--seconds", "1").returncode == 64, wrong
        gone = run("bench", "ws://127.0.0.1:1/", "--connections", "2", "--seconds", "1")
        assert gone.returncode == 69 and "refused" in gone.stderr.lower(), gone


def test_top_shows_one_frame_where_there_is_no_terminal():
    with Daemon(POLICY) as daemon:
        load = subprocess.Popen([BINARY, "bench", f"ws://127.0.0.1:{daemon.port}/ws", "--connections", "5", "--seconds", "30"],
                                stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: daemon.metric("wayleave_deliveries_total") > 0, "deliveries")
            frame = json.loads(run("top", "--config", daemon.config, "--format", "json", "--every", "1s").stdout)
            rates = {rate["name"]: rate["per_second"] for rate in frame["rates"]}
            assert frame["connections"] == 5 and frame["state"] == "running", frame
            assert rates["deliveries"] > rates["publications"] > 0, frame
            assert frame["channels"][0]["channel"] == "bench" and frame["channels"][0]["subscribers"] == 5, frame
            assert len(frame["busy"]) == 5 and frame["busy"][0]["messages"] > 0, frame
            text = run("top", "--config", daemon.config, "--every", "500ms").stdout
            assert text.startswith("wayleave ") and "BUSY CONNECTION" in text, text
        finally:
            load.terminate()
            load.wait(PATIENCE)
    assert run("top", "--config", "/nowhere/wayleave.toml").returncode == 66


if __name__ == "__main__":
    main(globals())
