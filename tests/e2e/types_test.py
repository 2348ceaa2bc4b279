#!/usr/bin/python3
"""What `wayleave types` prints, for a compiler that we did not write: it takes the good programs and no other."""
import os
import shutil
import subprocess
import tempfile

from daemon import run
from runner import main

CLIENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../daemon/client")
POLICY = """
backend app { url = "http://127.0.0.1:9" }
route chat /chat {
    auth = none
    origins = none
    allow connect
    allow subscribe on room/:room(int), news
    stream tasks to app "/ws"
    message task.update {
        strict = true
        field id    : int as "task.id" required
        field state : string in { "open", "done" } else "open"
        field tags  : list of string else {}
        allow
        deny if id < 0 then error "no_such_task"
        publish to news
    }
    message say { field text : string required  allow  publish to news as said }
    message call.* { field to : string required  allow }
    message call.end { strict = true  allow  reply }
}
"""
GOOD = """
import { connect, Refused } from "./wayleave.js";
import type { Wire } from "./wire";
declare module "./wire" { interface WireIn { "from.server": { at: number } } }
const client = connect<Wire>("/chat");
client.send("task.update", { task: { id: 7, more: "x" }, state: "done", tags: ["a"] });
client.send("say", { text: "hi", anything: [1] });
client.send("call.start", { to: "bob" });
client.send("call.end", {});
client.channel("room/7").on("task.update", (m) => { const id: number = m.task.id; const s: "open" | "done" | undefined = m.state; });
client.channel("news").on("said", (m) => { const text: string = m.text; });
client.on("from.server", (m) => { const at: number = m.at; });
client.on("call.end", (m) => { const type: "call.end" = m.type; });
client.stream("tasks").send("raw");
const why = (e: Refused<Wire["reason"]>) => e.error === "no_such_task" || e.error === "limited";
"""
BAD = {
    "a member that is missing": 'client.send("task.update", { state: "open" });',
    "a member of another type": 'client.send("task.update", { task: { id: "7" } });',
    "a value outside of its set": 'client.send("task.update", { task: { id: 7 }, state: "closed" });',
    "a member that no field declares": 'client.send("task.update", { task: { id: 7 }, stat: "open" });',
    "a member of an empty message": 'client.send("call.end", { to: "bob" });',
    "an unknown type": 'client.send("task.delete", { task: { id: 7 } });',
    "an unknown channel": 'client.channel("rooms/7");',
    "a channel that is no number": 'client.channel("room/x");',
    "an unknown stream": 'client.stream("task");',
    "an unknown reason": 'const w: Wire["reason"] = "nosuch";',
    "what is not there": 'client.channel("news").on("said", (m) => { const n: number = m.text; });',
}


def compiled(directory, text):
    with open(os.path.join(directory, "program.ts"), "w", encoding="utf-8") as file:
        file.write(text)
    return subprocess.run(["tsc", "--strict", "--noEmit", "--target", "es2022", "--moduleResolution", "node", "program.ts"],
                          cwd=directory, capture_output=True, text=True, timeout=120)


def test_types():
    with tempfile.TemporaryDirectory() as directory:
        policy = os.path.join(directory, "chat.route")
        with open(policy, "w", encoding="utf-8") as file:
            file.write(POLICY)
        printed = run("types", policy)
        assert printed.returncode == 0 and printed.stdout == run("types", "--route", "chat", policy).stdout, printed
        with open(os.path.join(directory, "wire.d.ts"), "w", encoding="utf-8") as file:
            file.write(printed.stdout)
        shutil.copy(os.path.join(CLIENT, "wayleave.d.ts"), directory)
        good = compiled(directory, GOOD)
        assert good.returncode == 0, good.stdout
        # One run for all: each line is one error.
        bad = compiled(directory, GOOD + "".join(line + "\n" for line in BAD.values()))
        first = GOOD.count("\n") + 1
        told = {int(line.split("(")[1].split(",")[0]) for line in bad.stdout.splitlines() if line.startswith("program.ts(")}
        missed = [what for number, what in enumerate(BAD, first) if number not in told]
        assert not missed and min(told) >= first, (missed, bad.stdout)


def test_which_route():
    with tempfile.TemporaryDirectory() as directory:
        policy = os.path.join(directory, "chat.route")
        with open(policy, "w", encoding="utf-8") as file:
            file.write(POLICY + 'route echo /echo { auth = none  dialect = "echo"  allow connect }\n')
        assert run("types", policy).returncode == 0, "an echo has no types"
        for name in ("echo", "nosuch"):
            none = run("types", "--route", name, policy)
            assert none.returncode == 2 and not none.stdout and name in none.stderr, none
        with open(policy, "a", encoding="utf-8") as file:
            file.write("route other /other { auth = none  allow connect }\n")
        several = run("types", policy)
        assert several.returncode == 2 and "chat, other" in several.stderr, several
        assert "channel: never;" in run("types", "--route", "other", policy).stdout


if __name__ == "__main__":
    main(globals())
