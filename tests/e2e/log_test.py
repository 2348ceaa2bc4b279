#!/usr/bin/python3
"""Why was this user refused? The log alone must say it, in each of its forms."""
import asyncio
import json
import os
import re

from client import Client, status_of
from daemon import TOKEN_BLOCK, Daemon, wait_until
from runner import main

POLICY = TOKEN_BLOCK + """
token hidden {
    keys = file "../keys/demo.key"
    issuer = "https://hidden.example"
    from subprotocol "wayleave.v1"
    user = "email"
    claim email : string required secret
}
route chat /ws {
    auth = demo
    origins = { none }
    allow connect
    deny connect if user.name == "mallory" because "mallory may not chat"
    allow subscribe on room/:room
    deny subscribe on room/staff because "the staff room is for staff"
}
route quiet /quiet { auth = hidden  origins = { none }  allow connect }
"""


def lines_of(daemon, event, **fields):
    """The fields of the text lines of this event that have these."""
    found = []
    for line in daemon.log().splitlines():
        if f" event={event} " not in line:
            continue
        message, _, rest = line.partition(f" event={event} ")
        have = {name: quoted or word for name, quoted, word in re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))', rest)}
        if all(have.get(name) == value for name, value in fields.items()):
            found.append({"message": message, **have})
    return found


def decision_of(daemon, text):
    """The file and line of the rule with this text."""
    number = next(i for i, line in enumerate(daemon.read("routes.d/test.route").splitlines(), 1) if text in line)
    return f"test.route:{number}"


async def test_each_of_many_users_behind_one_address_has_a_line():
    with Daemon(POLICY) as daemon:
        names = [f"user{i}" for i in range(40)]
        clients = [await Client.open(daemon, user=name) for name in names]
        for client in clients:
            for _ in range(3):
                answer = await client.ask("$subscribe", channel="room/staff")
                assert answer["type"] == "$error", answer
        for name, client in zip(names, clients):
            wait_until(lambda: lines_of(daemon, "message-refused", user=name), f"the line about {name}")
            line = lines_of(daemon, "message-refused", user=name)[0]
            assert "the staff room is for staff" in line["message"], line
            assert line["session"] == client.hello["session"], line
            assert (line["ip"], line["route"], line["action"], line["target"], line["reason"]) == \
                ("127.0.0.1", "chat", "subscribe", "room/staff", "forbidden"), line
            assert line["decision"].endswith("/" + decision_of(daemon, "deny subscribe")), line
            assert decision_of(daemon, "deny subscribe") in line["rule"], line


async def test_a_connection_has_a_line_at_each_end():
    with Daemon(POLICY) as daemon:
        alice = await Client.open(daemon, user="alice")
        await alice.ask("$subscribe", channel="room/a")
        # The log is written by a thread of its own, so that a line may come after the answer.
        opened = wait_until(lambda: lines_of(daemon, "connection-opened", user="alice"), "the line about the beginning")
        assert opened[0]["decision"].endswith(decision_of(daemon, "allow connect")), daemon.log()
        await alice.close()
        wait_until(lambda: lines_of(daemon, "connection-closed", user="alice"), "the line about the end")
        end = lines_of(daemon, "connection-closed", user="alice")[0]
        assert end["reason"] == "client" and end["code"] == "1000" and end["messages_in"] == "1", end
        assert end["session"] == opened[0]["session"] and int(end["bytes_out"]) > 0 and "seconds" in end, end

        daemon.edit("wayleave.toml", "[log]", "[log]\nconnections = false")
        daemon.reload()
        bob = await Client.open(daemon, user="bob")
        await bob.close()
        loud = await Client.open(daemon, user="loud")
        await loud.raw("x" * 2_000_000)
        wait_until(lambda: lines_of(daemon, "connection-closed", user="loud"), "the end of who was refused")
        assert lines_of(daemon, "connection-closed", user="loud")[0]["reason"] == "too_big"
        assert not lines_of(daemon, "connection-opened", user="bob") and not lines_of(daemon, "connection-closed", user="bob")


async def test_who_may_not_come_in_is_named():
    with Daemon(POLICY) as daemon:
        assert await status_of(daemon, user="mallory") == 403
        assert await status_of(daemon, token=daemon.token("late", name="late", expires="-1h")) == 401
        wait_until(lambda: lines_of(daemon, "handshake-refused", user="mallory"), "the line about mallory")
        line = lines_of(daemon, "handshake-refused", user="mallory")[0]
        assert "mallory may not chat" in line["message"] and line["target"] == "/ws", line
        wait_until(lambda: lines_of(daemon, "handshake-refused", user="late"), "the line about who came too late")
        assert "expired" in lines_of(daemon, "handshake-refused", user="late")[0]["message"]


async def test_a_secret_user_is_a_hash():
    with Daemon(POLICY) as daemon:
        token = daemon.token("x", issuer="https://hidden.example", audience=None, email="carol@example.org")
        carol = await Client.open(daemon, "/quiet", token=token)
        await carol.ask("$subscribe", channel="room/a")
        wait_until(lambda: lines_of(daemon, "message-refused", route="quiet"), "the line about carol")
        line = lines_of(daemon, "message-refused", route="quiet")[0]
        assert re.fullmatch("secret:[0-9a-f]{16}", line["user"]), line
        wait_until(lambda: lines_of(daemon, "connection-opened", user=line["user"]), "the line about the beginning")
        assert "carol@" not in daemon.log()


async def test_json_has_the_same_fields():
    daemon = Daemon(POLICY)
    daemon.edit("wayleave.toml", 'format = "text"', 'format = "json"')
    daemon.start(wait=False)
    try:
        wait_until(lambda: '"event":"started"' in daemon.log(), "the start")
        daemon.port = int(re.search(r"http://127.0.0.1:(\d+)", daemon.log()).group(1))
        alice = await Client.open(daemon, user="alice")
        await alice.ask("$subscribe", channel="room/staff")
        wait_until(lambda: '"message-refused"' in daemon.log(), "the line")
        lines = [json.loads(line) for line in daemon.log().splitlines()]
        fields = next(line["fields"] for line in lines if line["event"] == "message-refused")
        assert list(fields) == ["session", "user", "ip", "route", "action", "target", "reason", "decision", "rule"], fields
        assert fields["user"] == "alice" and fields["target"] == "room/staff"
        await alice.close()
    finally:
        daemon.stop()


async def test_without_a_journal_nothing_is_lost():
    if os.path.exists("/run/systemd/journal/socket"):
        return
    daemon = Daemon(POLICY)
    daemon.edit("wayleave.toml", 'format = "text"', 'format = "journald"')
    daemon.start()
    try:
        assert daemon.log().count("the journal does not take lines") == 1, daemon.log()
    finally:
        daemon.stop()


async def test_what_is_too_much_is_counted():
    with Daemon(POLICY) as daemon:
        daemon.edit("wayleave.toml", "[log]", "[log]\nrate = 1")
        daemon.reload()
        clients = await asyncio.gather(*(Client.open(daemon, user=f"u{i}") for i in range(30)))
        wait_until(lambda: daemon.metric('wayleave_log_dropped_total{cause="rate"}') > 0, "the lines that were left out")
        for client in clients:
            await client.close()


if __name__ == "__main__":
    main(globals())
