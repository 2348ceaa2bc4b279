#!/usr/bin/python3
"""What a changed policy does to live connections, and what is told before, beside and after it: reload --dry-run,
sessions, explain --live, the shadow policy, and policies that must pass their tests."""
import json
import re

from client import Client, status_of
from daemon import TOKEN_BLOCK, Daemon, run
from runner import main

POLICY = TOKEN_BLOCK + """
route chat /ws {
    auth    = demo
    origins = { none }
    allow connect
    join user/{user.sub}
    allow subscribe on room/*
    limit messages to 20/s per user.sub
    message say {
        field text : string required
        allow
        deny if text == "darn" because "we do not say that here"
        publish to room/lobby
    }
}
test "nobody swears" at "/ws" {
    as demo { sub = "a" name = "a" }
    expect deny message "say" { text = "darn" }
    expect allow subscribe "room/lobby"
    expect allow message "say" { text = "hi" }
}
"""
ROOMS = ("allow subscribe on room/*", 'allow subscribe on room/* if user.name != "bob"')
DOOR = ("allow connect\n", 'allow connect if user.name != "carol"\n')
POLICY_FILE = "routes.d/test.route"


def dry_run(daemon):
    done = run("reload", "--dry-run", "--format", "json", "--config", daemon.config)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def crowd(daemon):
    clients = {name: await Client.open(daemon, user=name) for name in ("alice", "bob", "carol")}
    for client in clients.values():
        await client.subscribe("room/lobby")
    return clients


async def test_the_prediction_comes_true():
    async with Daemon(POLICY) as daemon:
        clients = await crowd(daemon)
        told = dry_run(daemon)
        assert told["changed"] is False and told["impact"]["untouched"] == 3 and told["tests"] == [], told
        daemon.edit(POLICY_FILE, *ROOMS)
        daemon.edit(POLICY_FILE, *DOOR)
        told = dry_run(daemon)
        impact = told["impact"]
        assert impact == {"connections": 3, "untouched": 0, "staying": 1, "losing": 1, "ending": 1, "returning": 0,
                          "subscriptions_lost": 1, "channels_joined": 0, "keys_gone": 0}, impact
        assert '+ allow connect if not (user.name == "carol")' in told["diff"], told["diff"]
        for client in clients.values():  # a dry run changes nothing
            await client.must("say", text="still here")
        text = run("reload", "--dry-run", "--config", daemon.config).stdout
        assert "1 loses subscriptions, 1 is closed" in text and "1 subscription would end" in text, text

        assert daemon.reload().returncode == 0
        lost = await clients["bob"].wait_for("$unsubscribed", channel="room/lobby")
        assert lost["reason"] == "policy_changed" and lost["because"] == "no rule allows this", lost
        messages, code = await clients["carol"].closed()
        assert code == 4403 and messages[-1]["reason"] == "policy_changed", (messages, code)
        await clients["alice"].must("say", text="hello")
        await clients["alice"].wait_for("say", text="hello")
        await clients["bob"].must("say", text="I may still talk")
        assert daemon.metric("wayleave_reload_closed_total") == 1
        assert daemon.metric("wayleave_reload_unsubscribed_total") == 1
        assert daemon.metric("wayleave_reload_reevaluated_total") == 2


async def test_a_dry_run_runs_the_tests_and_refuses_what_would_be_refused():
    async with Daemon(POLICY) as daemon:
        daemon.edit(POLICY_FILE, 'deny if text == "darn"', 'deny if text == "heck"')
        (change,) = dry_run(daemon)["tests"]
        assert change["title"] == "nobody swears" and change["before"] == "" and "it is allowed by" in change["after"], change
        daemon.edit(POLICY_FILE, "text ==", "txet ==")
        refused = run("reload", "-n", "--config", daemon.config)
        assert refused.returncode == 78 and "there is no `txet`" in refused.stderr, refused
        assert "would be refused" in refused.stderr, refused.stderr
        assert daemon.metric('wayleave_reloads_total{result="refused"}') == 0


async def test_an_unchanged_policy_is_said_to_be_so():
    async with Daemon(POLICY) as daemon:
        alice = await Client.open(daemon, user="alice")
        text = daemon.read(POLICY_FILE)
        daemon.write(POLICY_FILE, "# another layout\n" + text.replace("\n    ", "\n\n  "))
        done = daemon.reload()
        assert done.returncode == 0 and "the policy means the same" in done.stdout, done
        await alice.quiet()
        assert daemon.metric("wayleave_reload_reevaluated_total") == 0


async def test_sessions_and_explain_live():
    async with Daemon(POLICY) as daemon:
        alice = await Client.open(daemon, user="alice")
        listed = json.loads(run("sessions", "--format", "json", "--config", daemon.config).stdout)
        (session,) = listed["sessions"]
        assert session["session"] == alice.hello["session"] and session["route"] == "chat", (session, alice.hello)
        assert session["ip"] == "127.0.0.1" and session["channels"] == 1 and not listed["more"], session
        assert session["user"] == "alice", session
        shown = run("sessions", "--config", daemon.config).stdout
        assert shown.startswith("SESSION ") and alice.hello["session"] in shown, shown
        for name, value, other in (("user", session["user"], "nobody"), ("route", session["route"], "other"),
                                   ("ip", "127.0.0.0/8", "10.0.0.0/8"), ("channel", "no/channel", None)):
            for text, found in ((value, name != "channel"), (other, False)):
                if text:
                    shown = run("sessions", f"--{name}", text, "--config", daemon.config).stdout
                    assert (alice.hello["session"] in shown) == found, (name, text, shown)
        assert run("sessions", "--ip", "10.0", "--config", daemon.config).returncode == 64

        def explain(*question, expect):
            done = run("explain", "--live", alice.hello["session"], "--config", daemon.config, "--format", "json", *question)
            assert done.returncode == expect, done
            return json.loads(done.stdout) if done.stdout else done.stderr
        for _ in range(5):
            await alice.must("say", text="hi")
        told = explain("message", "say", '{"text": "hi"}', expect=0)
        assert told["effects"] == ["publishes to room/lobby"] and told["limits"][0]["left"] in range(12, 20), told
        told = explain("message", "say", '{"text": "darn"}', expect=1)
        assert told["because"] == "we do not say that here" and told["client"] == "$error forbidden", told
        (decided,) = [rule for rule in told["rules"] if rule["decided"]]
        assert decided["why"] == ['text == "darn": text is "darn"'], decided
        assert {"ip is 127.0.0.1", "tls is false", 'text is "darn"'} <= set(told["facts"]), told
        # The same decision in the answer to the client's message, in the log and in the metric.
        await alice.refused("say", "forbidden", text="darn")
        daemon.wait_log(f"decision={told['decision']}")
        series = f'wayleave_decisions_total{{decision="{told["decision"]}",reason="forbidden",route="{session["route"]}"}}'
        assert daemon.metric(series) == 1
        assert explain("subscribe", "room/a", expect=0)["place"].endswith("test.route:17:5")
        assert explain("connect", "/ws", expect=0)["verdict"] == "allow"
        gone = run("explain", "--live", "0" * 16, "--config", daemon.config, "message", "say")
        assert gone.returncode == 2 and "there is no session" in gone.stderr, gone
        nonsense = run("explain", "--live", "zz", "--config", daemon.config, "message", "say")
        assert nonsense.returncode == 2 and "16 hexadecimal digits" in nonsense.stderr, nonsense


async def test_detail_names_the_decision():
    async with Daemon(POLICY.replace("allow connect\n", "allow connect\n    detail = true\n")) as daemon:
        alice = await Client.open(daemon, user="alice")
        error = await alice.refused("say", "forbidden", text="darn")
        assert re.fullmatch(r"[0-9a-f]{12}/test\.route:\d+", error["decision"]), error


async def test_shadow():
    shadow = POLICY.replace('text == "darn"', 'text == "heck"')
    async with Daemon(POLICY) as daemon:
        settings = daemon.read("wayleave.toml")
        daemon.write("next.d/test.route", shadow)
        daemon.write("wayleave.toml",
                     settings.replace('directory = "routes.d"', 'directory = "routes.d"\nshadow = "next.d"\nshadow_share = 1.0'))
        done = daemon.reload()
        assert done.returncode == 0, done.stderr
        alice = await Client.open(daemon, user="alice")
        await alice.must("say", text="heck")
        await alice.refused("say", "forbidden", text="darn")
        await alice.must("say", text="hello")
        daemon.wait_log("event=shadow-differs", 2)
        lines = [line for line in daemon.log().splitlines() if "shadow-differs" in line]
        assert re.search(r"message say is allowed by \S*routes\.d/test\.route:\d+:\d+, and by the shadow policy refused by "
                         r"\S*next\.d/test\.route:\d+:\d+", lines[0]), lines
        assert daemon.metric("wayleave_shadow_differences_total") == 2
        assert daemon.metric("wayleave_shadow_compared_total") == 4  # and the handshake
        daemon.write("next.d/test.route", "nonsense")
        refused = daemon.reload()
        assert refused.returncode == 78 and "policy.shadow" in refused.stderr, refused
        daemon.write("wayleave.toml", settings)
        assert daemon.reload().returncode == 0
        await alice.must("say", text="heck")
        assert daemon.metric("wayleave_shadow_differences_total") == 2


async def test_required_tests():
    async with Daemon(POLICY) as daemon:
        settings = daemon.read("wayleave.toml")
        daemon.write("wayleave.toml", settings.replace('directory = "routes.d"', 'directory = "routes.d"\nrequire_tests = true'))
        assert daemon.reload().returncode == 0
        daemon.edit(POLICY_FILE, 'text == "darn"', 'text == "heck"')
        refused = daemon.reload()
        assert refused.returncode == 78 and "test `nobody swears`" in refused.stderr, refused
        alice = await Client.open(daemon, user="alice")
        await alice.refused("say", "forbidden", text="darn")
        started = run("serve", "--config", daemon.config)
        assert started.returncode == 78 and "test `nobody swears`" in started.stderr, started
        text = daemon.read(POLICY_FILE)
        daemon.write(POLICY_FILE, text[:text.index('test "nobody')])
        refused = daemon.reload()
        assert refused.returncode == 78 and "has no test" in refused.stderr, refused


async def test_aliases():
    policy = POLICY.replace("route chat /ws {", "route chat /ws/:team, /w/:team {") \
                   .replace("join user/{user.sub}", "join team/{team}\n    alias /old where team = query \"t\"\n"
                            "    alias /red where team = \"red\" until 2020-01-31\n")
    policy = policy[:policy.index('test "nobody')]
    async with Daemon(policy) as daemon:
        for path, team in (("/ws/a", "a"), ("/w/b", "b"), ("/old?t=c", "c"), ("/red", "red")):
            client = await Client.open(daemon, path, user="alice")
            assert [c["channel"] for c in client.hello["channels"]] == [f"team/{team}"], client.hello
        assert daemon.metric("wayleave_expired_alias_handshakes_total") == 1
        for address in "/old", "/red":
            for name in "wayleave_handshakes_by_alias_total", "wayleave_sessions_by_alias":
                assert daemon.metric(f'{name}{{alias="{address}",route="chat"}}') == 1, (name, address)
        status = run("status", "--config", daemon.config, "--format", "json")
        assert json.loads(status.stdout)["aliases"] == [
            {"address": "/old", "route": "chat", "handshakes": 1, "sessions": 1},
            {"address": "/red", "route": "chat", "until": "2020-01-31", "handshakes": 1, "sessions": 1}], status
        assert "aliases                      address=/red route=chat until=2020-01-31 handshakes=1 sessions=1\n" in run(
            "status", "--config", daemon.config).stdout
        assert await status_of(daemon, "/old", user="alice") == 400
        daemon.edit(POLICY_FILE, "allow connect\n", "allow connect\n    alias_expiry = refuse\n")
        assert daemon.reload().returncode == 0
        assert await status_of(daemon, "/red", user="alice") == 404


async def test_max_lifetime():
    async with Daemon(POLICY.replace("allow connect\n", "allow connect\n    max_lifetime = 1s\n")) as daemon:
        alice = await Client.open(daemon, user="alice")
        messages, code = await alice.closed()
        assert code == 1001 and messages[-1]["reason"] == "max_lifetime" and messages[-1]["reconnect"], (messages, code)


if __name__ == "__main__":
    main(globals())
