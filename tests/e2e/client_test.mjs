// The browser client in a browser, in each way to share: BINARY chromium|firefox. The daemon's `sessions` is the judge.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { WebSocketServer } from "ws";
import { patience, waitUntil } from "./daemon.mjs";
import { World, hasState, heard, hears, launch, source } from "./client_world.mjs";

const browserName = process.argv[3] ?? "chromium";
const many = browserName === "chromium" ? 10 : 5; // Firefox opens pages slowly
const isChromium = browserName === "chromium";
const only = process.env.ONLY;
const modes = ["worker", "tabs", "none"];
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// A worker that does as it is told, so that it can die, hang and throw; one of another version.
const client = readFileSync(join(source, "wayleave.js"), "utf8");
// An old endpoint that wayleave folds: it greets, and says back what it hears.
const old = new WebSocketServer({ port: 0, host: "127.0.0.1" });
old.on("connection", (socket) => {
  socket.send('{"hello":[1,2]}');
  socket.on("message", (data, binary) => (String(data) === "end" ? socket.close(4000, "over") : socket.send(data, { binary })));
});
const folding = (policy) => policy.replace("    message say {", '    stream old to old "/"\n    message say {')
  .replace("route app", `backend old { url = "http://127.0.0.1:${old.address().port}" }\nroute app`);
const world = await new World().start({ edit: folding, files: {
  "wayleave-told.js": `${client}
if (globalThis.SharedWorkerGlobalScope) new BroadcastChannel("told").onmessage = ({ data }) => {
  if (data === "close") close();
  if (data === "hang") for (const end = Date.now() + 60000; Date.now() < end;);
  if (data === "throw") throw Error("told to");
};`,
  "wayleave-other.js": client.replace("const talk = 1;", "const talk = 2;"),
  // It greets only once it is told to, so that the first tab has given it up.
  "wayleave-late.js": client.replace('const loaded = import("./wayleave-holder.js");', `
  const told = new Promise((resolve) => { new BroadcastChannel("told").onmessage = resolve; });
  const loaded = told.then(() => import("./wayleave-holder.js"));`),
  "wayleave-broken.js": "this is no script",
} });
const browser = await launch(browserName);
const at = (tab, f, ...args) => tab.evaluate(f, ...args);
const via = (tab) => at(tab, () => client.status.via);
const tell = (tab, what) => at(tab, (word) => new BroadcastChannel("told").postMessage(word), what);
const join_ = (tab, name = "room/a") => at(tab, (which) => { client.channel(which).on("*", () => {}); }, name);
const texts = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => `n${from + i}`);
const publish = (channel, text) => world.publish(channel, { type: "note", text });
const say = (tab, fields, o) => at(tab, ([what, how]) => client.send("say", what, how).then((m) => m.type, (e) => (e instanceof Refused ? `Refused ${e.error}` : e instanceof Unknown ? "Unknown" : String(e))), [fields, o]);
const hasVia = (tab, how) => tab.waitForFunction((wanted) => client.status.via === wanted && client.status.state === "online", how, { timeout: patience });

let users = 0;
async function tabs(count, share, options = {}, user = `u${++users}`) {
  const context = await browser.newContext();
  const all = [];
  for (let i = 0; i < count; ++i) all.push(await world.tab(context, user, { share, ...options }));
  for (const tab of all) await hasState(tab, "online");
  return { context, user, all };
}

const steps = {};
// Where ways to share differ in nothing that a step is about, Firefox, whose pages open slowly, takes one of them.
const briefly = (mode) => isChromium || mode === "worker";
for (const mode of modes) {
  const shared = mode !== "none";
  steps[`${mode}: ${many} tabs, one session`] = async () => {
    const { context, user, all } = await tabs(shared ? many : 3, mode);
    await world.hasSessions(user, shared ? 1 : 3);
    for (const tab of all) await join_(tab);
    await sleep(300);
    assert.equal(await say(all.at(-1), { room: "a", text: "n1" }), "$ok");
    assert.equal(await say(all[0], { room: "a", text: "darn" }), "Refused forbidden");
    publish(`user/${user}`, "n2");
    for (const tab of all) {
      await hears(tab, 2);
      assert.deepEqual((await heard(tab)).sort(), ["n1", "n2"]);
    }
    await context.close();
    await world.hasSessions(user, 0);
  };

  if (briefly(mode)) steps[`${mode}: a folded endpoint looks like a WebSocket`] = async () => {
    const { context, all } = await tabs(2, mode);
    for (const tab of all) {
      await at(tab, () => {
        window.said = [];
        window.folded = client.stream("old");
        folded.onmessage = ({ data }) => said.push(typeof data === "string" ? data : [...new Uint8Array(data)]);
        folded.addEventListener("close", (event) => said.push([event.code, event.reason]));
      });
    }
    await at(all[0], async () => { await folded.send('{"big": 1.50}'); await folded.send(new Uint8Array([0, 255])); });
    await all[0].waitForFunction(() => said.length >= 2 && folded.readyState === 1);
    assert.deepEqual((await at(all[0], () => said)).slice(-2), [JSON.stringify({ big: 1.5 }), [0, 255]]);
    if (shared) await all[1].waitForFunction(() => said.length >= 2);
    await at(all[0], () => folded.send("end"));
    await all[0].waitForFunction(() => folded.readyState === 3);
    assert.deepEqual((await at(all[0], () => said)).at(-1), [4000, "over"]);
    await context.close();
  };

  steps[`${mode}: a cut line, nothing missed and nothing twice`] = async () => {
    const { context, all } = await tabs(isChromium ? 3 : 2, mode);
    for (const tab of all) await join_(tab, "room/cut");
    await sleep(300);
    for (let i = 0; i < 3; ++i) {
      publish("room/cut", `n${2 * i + 1}`);
      world.line.cut();
      publish("room/cut", `n${2 * i + 2}`);
      if (i === 0) assert.equal(await say(all[1], { room: "other", text: "kept" }, { once: true }), "$ok");
    }
    for (const tab of all) {
      await hears(tab, 6);
      await sleep(100);
      assert.deepEqual(await heard(tab), texts(1, 6));
    }
    await context.close();
  };

  steps[`${mode}: the daemon is killed, and drained`] = async () => {
    const { context, user, all } = await tabs(2, mode);
    for (const tab of all) await join_(tab, "room/restart");
    await sleep(200);
    publish("room/restart", "n1");
    await hears(all[0], 1);
    for (const signal of ["SIGKILL", "SIGTERM"]) {
      world.daemon.process.kill(signal);
      await world.daemon.ended;
      await all[0].waitForFunction(() => client.status.state !== "online");
      const answer = say(all[1], { room: "restart", text: signal }, { once: true });
      await world.daemon.start();
      assert.equal(await answer, "$ok");
      // What was in memory is gone, and both tabs are told. Their own word may be among it, so they load anew.
      for (const tab of all) await tab.waitForFunction(() => client.status.gap.includes("room/restart"));
      for (const tab of all) await at(tab, () => client.channel("room/restart").loaded());
      assert.deepEqual(await at(all[0], () => client.status.gap.filter((name) => name.startsWith("room"))), []);
      assert.deepEqual((await at(all[0], () => client.channel("room/restart").history())).messages.map((m) => m.text), [signal]);
      publish("room/restart", `after ${signal}`);
      for (const tab of all) await waitUntil(async () => (await heard(tab)).includes(`after ${signal}`), signal);
    }
    for (const tab of all) {
      const list = await heard(tab);
      assert.equal(new Set(list).size, list.length, `${list}`);
    }
    await context.close();
  };

  if (briefly(mode)) steps[`${mode}: by events, the daemon is killed`] = async () => {
    world.line.upgrade = "refuse";
    const { context, all } = await tabs(2, mode);
    for (const tab of all) await join_(tab, "room/events");
    await sleep(300);
    publish("room/events", "n1");
    for (const tab of all) await hears(tab, 1);
    world.daemon.process.kill("SIGKILL");
    await world.daemon.ended;
    const answer = say(all[1], { room: "events", text: "n2" }, { once: true });
    await world.daemon.start();
    assert.equal(await answer, "$ok");
    for (const tab of all) await tab.waitForFunction(() => client.status.gap.includes("room/events"));
    world.line.upgrade = "pass";
    await context.close();
  };

  if (shared) steps[`${mode}: the page goes elsewhere and comes back`] = async () => {
    const { context, user, all } = await tabs(1, mode);
    await all[0].goto(`${world.origin}/wayleave.d.ts`).catch(() => {});
    await all[0].goto(world.origin);
    await all[0].waitForFunction(() => window.ready);
    await at(all[0], ([who, token, how]) => { window.token = token; begin(who, how); }, [user, world.token(user), { share: mode }]);
    await hasState(all[0], "online");
    await world.hasSessions(user, 1);
    await context.close();
    await world.hasSessions(user, 0);
  };

  steps[`${mode}: a token that expires, a new one, yesterday's`] = async () => {
    const context = await browser.newContext();
    const user = `u${++users}`;
    // On leeway it lives for 60 s at most; so the old token is refused by the door.
    const tab = await world.tab(context, user, { share: mode }, "-2m");
    await hasState(tab, "stopped");
    assert.deepEqual(await at(tab, () => [client.status.reason, tokens]), ["unauthenticated", 2]);
    await at(tab, (token) => { window.token = token; client.reconnect(); }, world.token(user));
    await hasState(tab, "online");
    await at(tab, () => { window.token = null; client.reconnect(); });
    await hasState(tab, "stopped");
    assert.equal(await at(tab, () => client.status.reason), "signed_out");
    await context.close();
    const mallory = await tabsOf("mallory", mode);
    await hasState(mallory, "stopped");
    assert.deepEqual(await at(mallory, () => [client.status.reason, client.status.because]), ["forbidden", "mallory may not come in"]);
    await mallory.context().close();
  };

  steps[`${mode}: WebSockets are blocked, and pass again`] = async () => {
    world.line.upgrade = "refuse";
    const { context, user, all } = await tabs(2, mode);
    assert.deepEqual(await at(all[1], () => [client.status.state, client.status.transport]), ["online", "sse"]);
    for (const tab of all) await join_(tab, "room/sse");
    await sleep(400);
    publish("room/sse", "n1");
    assert.equal(await say(all[0], { room: "sse", text: "n2" }), "$ok");
    for (const tab of all) await hears(tab, 2);
    world.line.cut();
    publish("room/sse", "n3");
    for (const tab of all) await hears(tab, 3);
    publish(`user/${user}`, "mine");
    for (const tab of all) await hears(tab, 4);
    world.line.upgrade = "pass";
    await at(all[0], () => dispatchEvent(new Event("online")));
    await all[0].waitForFunction(() => client.status.transport === "websocket");
    publish("room/sse", "n4");
    for (const tab of all) {
      await hears(tab, 5);
      assert.deepEqual(await heard(tab), ["n1", "n2", "n3", "mine", "n4"]);
    }
    await world.hasSessions(user, shared ? 1 : 2);
    await context.close();
  };
}

async function tabsOf(user, share) {
  return world.tab(await browser.newContext(), user, { share });
}

steps["channels with acknowledgements: what was handled is not said again, what was not is"] = async () => {
  const context = await browser.newContext();
  const user = `u${++users}`;
  const progress = () => JSON.parse(world.daemon.run("progress", "--config", world.daemon.path("wayleave.toml"), `inbox/${user}`, user)).acknowledged ?? 0;
  for (let i = 1; i <= 3; ++i) publish(`inbox/${user}`, `n${i}`);
  const inbox = (tab) => at(tab, (name) => new Promise((resolve) => {
    client.channel(name).on("$subscribed", (m) => resolve(m.acks));
    client.channel(name).on("note", (m, meta) => { if (m.text === "n3") window.acknowledge = meta.ack; });
  }), `inbox/${user}`);
  const tab = await world.tab(context, user, { share: "tabs", ack: "manual" });
  await hasState(tab, "online");
  if (!(await inbox(tab))) return context.close(); // an older daemon, which does not say so
  await hears(tab, 3);
  assert.deepEqual(await heard(tab), texts(1, 3));
  assert.equal(progress(), 0);
  await at(tab, () => client.reconnect()); // all are said again, and heard once
  await sleep(500);
  await at(tab, () => acknowledge());
  await waitUntil(() => progress() === 3, "the acknowledgement");
  assert.deepEqual(await heard(tab), texts(1, 3));
  await tab.close();
  publish(`inbox/${user}`, "n4");
  const next = await world.tab(context, user, { share: "worker" });
  await hasState(next, "online");
  await inbox(next);
  await waitUntil(() => progress() === 4, "what a handler has taken");
  assert.deepEqual(await heard(next), ["n4"]);
  await context.close();
};

steps["tabs: the leader is closed"] = async () => {
  const { context, user, all } = await tabs(3, "tabs");
  for (const tab of all) await join_(tab, "room/lead");
  await sleep(200);
  publish("room/lead", "n1");
  for (const tab of all) await hears(tab, 1);
  const leader = await find(all, "leader");
  await all[leader].close();
  publish("room/lead", "n2");
  const rest = all.filter((_, i) => i !== leader);
  for (const tab of rest) await hears(tab, 2);
  publish("room/lead", "n3");
  for (const tab of rest) {
    await hears(tab, 3);
    assert.deepEqual(await heard(tab), texts(1, 3));
  }
  await world.hasSessions(user, 1);
  await context.close();
};

async function find(all, how) {
  const ways = await Promise.all(all.map(via));
  assert.ok(ways.includes(how), `${ways}`);
  return ways.indexOf(how);
}

steps["tabs: a thousand messages while the lead changes: each once, in order, in every tab"] = async () => {
  const { context, user, all } = await tabs(3, "tabs");
  for (const tab of all) await join_(tab, "room/many");
  await sleep(200);
  // The lead is robbed, as by a tab whose leader froze; the robbed one comes back as a follower.
  await at(all[2], (name) => {
    window.robbing = setInterval(() => navigator.locks.request(name, { steal: true }, () => {}).catch(() => {}), 200);
  }, `wayleave:1:${world.origin.replace("http", "ws")}/ws:${user}`);
  for (let i = 0; i < 20; ++i) {
    const sent = at(all[i % 3], async (from) => {
      for (let k = 0; k < 50; ++k) await client.send("say", { room: "many", text: `n${from + k}` }, { once: true });
    }, i * 50 + 1);
    await sent;
  }
  await at(all[2], () => clearInterval(window.robbing));
  for (const tab of all) {
    await hears(tab, 1000).catch(async () => {
      const list = await heard(tab);
      const missing = texts(1, 1000).filter((text) => !list.includes(text));
      assert.fail(`${missing.length} are missing: ${missing.slice(0, 20)}; ${JSON.stringify(await at(tab, () => client.status))}`);
    });
    assert.deepEqual(await heard(tab), texts(1, 1000));
  }
  await world.hasSessions(user, 1);
  await context.close();
};

steps["a worker that dies is followed by another, one that throws lives"] = async () => {
  const { context, user, all } = await tabs(3, "auto", { worker: "wayleave-told.js" });
  for (const tab of all) { assert.equal(await via(tab), "worker"); await join_(tab, "room/told"); }
  await sleep(200);
  publish("room/told", "n1");
  for (const tab of all) await hears(tab, 1);
  await tell(all[0], "throw");
  publish("room/told", "n2");
  for (const tab of all) await hears(tab, 2);
  await tell(all[0], "close");
  publish("room/told", "n3");
  for (const tab of all) {
    await hears(tab, 3);
    assert.deepEqual(await heard(tab), texts(1, 3));
  }
  if (isChromium) for (const tab of all) await hasVia(tab, "worker"); // Firefox gives a name again later
  await world.hasSessions(user, 1);
  for (let i = 0; i < 2; ++i) { // one that dies again and again is left
    await tell(all[0], "close");
    await sleep(1000);
  }
  for (const tab of all) await tab.waitForFunction(() => ["leader", "follower"].includes(client.status.via) && client.status.state === "online");
  await world.hasSessions(user, 1);
  await context.close();
};

steps["no worker: 404, no script, another version, another origin, by CSP: the tabs elect"] = async () => {
  const context = await browser.newContext();
  for (const worker of ["nowhere.js", "wayleave-broken.js", "wayleave-other.js", "http://localhost:1/wayleave.js"]) {
    const user = `u${++users}`;
    const two = [await world.tab(context, user, { worker }), await world.tab(context, user, { worker })];
    for (const tab of two) await hasState(tab, "online");
    assert.deepEqual((await Promise.all(two.map(via))).sort(), ["follower", "leader"], worker);
    await world.hasSessions(user, 1);
    for (const tab of two) await tab.close();
  }
  const user = `u${++users}`;
  await context.route(`${world.origin}/`, async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, headers: { ...answer.headers(), "content-security-policy": "worker-src 'none'" } });
  });
  const tab = await world.tab(context, user);
  await hasState(tab, "online");
  assert.equal(await via(tab), "leader");
  await context.close();
};

steps["a worker that greets late gives way to the tab that leads: one session"] = async () => {
  const context = await browser.newContext();
  const user = `u${++users}`;
  const first = await world.tab(context, user, { worker: "wayleave-late.js" });
  await hasVia(first, "leader");
  await tell(first, "greet");
  const second = await world.tab(context, user, { worker: "wayleave-late.js" });
  await hasVia(second, "follower");
  for (const tab of [first, second]) await join_(tab, "room/late");
  await sleep(200);
  publish("room/late", "n1");
  for (const tab of [first, second]) await hears(tab, 1);
  await world.hasSessions(user, 1);
  await context.close();
};

steps["tabs that share by a worker follow a tab that begins to lead: one session, all once and in order"] = async () => {
  const { context, user, all } = await tabs(2, "auto");
  for (const tab of all) { assert.equal(await via(tab), "worker"); await join_(tab, "room/moved"); }
  await sleep(200);
  publish("room/moved", "n1");
  for (const tab of all) await hears(tab, 1);
  all.push(await world.tab(context, user, { share: "tabs" }));
  await join_(all[2], "room/moved");
  for (let i = 2; i <= 20; ++i) publish("room/moved", `n${i}`);
  for (const tab of all.slice(0, 2)) await hasVia(tab, "follower");
  for (let i = 21; i <= 30; ++i) publish("room/moved", `n${i}`);
  for (const tab of all.slice(0, 2)) {
    await hears(tab, 30);
    assert.deepEqual(await heard(tab), texts(1, 30));
  }
  await world.hasSessions(user, 1);
  await context.close();
};

steps["half of the client does not load: the status says so, and it comes later"] = async () => {
  for (const share of ["tabs", "none"]) {
    const context = await browser.newContext();
    await context.route("**/wayleave-holder.js*", (route) => route.abort());
    const tab = await world.tab(context, `u${++users}`, { share });
    await hasState(tab, "waiting");
    const { reason, because } = await at(tab, () => client.status);
    assert.equal(reason, "holder_missing");
    assert.match(because, /wayleave-holder/);
    await context.unroute("**/wayleave-holder.js*");
    await hasState(tab, "online"); // Firefox remembers the failure of an address
    await context.close();
  }
};

steps["two users in one browser never share"] = async () => {
  const context = await browser.newContext();
  const [one, two] = [await world.tab(context, "eve"), await world.tab(context, "adam")];
  for (const tab of [one, two]) await hasState(tab, "online");
  publish("user/eve", "for eve");
  publish("user/adam", "for adam");
  await hears(one, 1);
  await hears(two, 1);
  assert.deepEqual([await heard(one), await heard(two)], [["for eve"], ["for adam"]]);
  await world.hasSessions("eve", 1);
  await world.hasSessions("adam", 1);
  await assert.rejects(() => at(one, () => connect("/ws", { token: () => "x" })), /user/);
  await context.close();
};

steps["what is said offline outlives the page, and goes once"] = async () => {
  const user = `u${++users}`;
  const context = await browser.newContext();
  const tab = await world.tab(context, user, { share: "tabs", queue: { persist: true } });
  await hasState(tab, "online");
  world.line.down = true;
  world.line.cut();
  await tab.waitForFunction(() => client.status.state !== "online");
  await at(tab, () => { client.send("say", { room: "kept", text: "kept" }, { once: true }).catch(() => {}); });
  await sleep(300);
  world.line.down = false;
  await tab.close();
  const next = await world.tab(context, user, { share: "tabs", queue: { persist: true } });
  await hasState(next, "online");
  const count = async () => (await at(next, () => client.channel("room/kept").history())).messages.filter((m) => m.text === "kept").length;
  await waitUntil(async () => (await count()) === 1, "the kept message");
  await at(next, () => client.reconnect());
  await hasState(next, "online");
  assert.equal(await count(), 1);
  await context.close();
};

steps["a client that is closed stays closed; the others go on"] = async () => {
  const { context, user, all } = await tabs(2, "tabs");
  await at(all[0], () => client.close());
  assert.deepEqual(await at(all[0], () => [client.status.state, client.status.reason]), ["stopped", "closed"]);
  await at(all[0], () => dispatchEvent(new Event("online")));
  await hasVia(all[1], "leader");
  publish(`user/${user}`, "n1");
  await hears(all[1], 1);
  assert.deepEqual(await heard(all[0]), []);
  assert.equal(await say(all[0], { room: "a", text: "x" }), "Refused closed");
  await context.close();
};

// What takes its time goes on beside the others.
const slow = {};
slow["a worker that hangs is left after a while"] = async () => {
  const { context, user, all } = await tabs(1, "auto", { worker: "wayleave-told.js" });
  assert.equal(await via(all[0]), "worker");
  await tell(all[0], "hang");
  return async () => {
    await hasVia(all[0], "leader");
    await context.close();
  };
};
if (isChromium) {
  // It holds its lock, and hears nothing: as one that the browser has frozen.
  slow["a leader that hangs is robbed, and comes back as a follower"] = async () => {
    const own = await launch(browserName);
    const context = await own.newContext();
    const user = `u${++users}`;
    const leader = await world.tab(context, user, { share: "tabs" });
    await hasVia(leader, "leader");
    const other = await world.tab(context, user, { share: "tabs" });
    await hasVia(other, "follower");
    await at(leader, () => { setTimeout(() => { for (const end = Date.now() + 24000; Date.now() < end;); }, 100); });
    return async () => {
      await hasVia(other, "leader");
      await hasVia(leader, "follower");
      await world.hasSessions(user, 1);
      await own.close();
    };
  };
  steps["tabs: the leader crashes"] = async () => {
    const { context, user, all } = await tabs(2, "tabs");
    const leader = await find(all, "leader");
    const cdp = await context.newCDPSession(all[leader]);
    cdp.send("Page.crash").catch(() => {});
    await hasVia(all[1 - leader], "leader");
    await world.hasSessions(user, 1);
    await context.close();
  };
  steps["worker: a tab crashes, the other goes on"] = async () => {
    const { context, user, all } = await tabs(2, "worker");
    const cdp = await context.newCDPSession(all[0]);
    cdp.send("Page.crash").catch(() => {});
    publish(`user/${user}`, "n1");
    await hears(all[1], 1);
    await context.close();
    await world.hasSessions(user, 0);
  };
  steps["back from the back-forward cache"] = async () => {
    const own = await launch(browserName, { ignoreDefaultArgs: ["--disable-back-forward-cache"] });
    const context = await own.newContext();
    for (const share of modes) {
      const user = `u${++users}`;
      const tab = await world.tab(context, user, { share });
      await hasState(tab, "online");
      await at(tab, () => addEventListener("pageshow", (event) => { window.back = event.persisted; }));
      await tab.goto(`${world.origin}/wayleave.js`);
      await at(tab, () => history.back()).catch(() => {});
      await tab.waitForURL(`${world.origin}/`, { waitUntil: "commit" });
      await tab.waitForFunction(() => window.ready);
      // Where the browser does not keep the page, it is a new one.
      if (await at(tab, () => window.back)) {
        await hasState(tab, "online");
        publish(`user/${user}`, "n1");
        await hears(tab, 1);
        console.log(`      ${share}: kept`);
      }
      await tab.close();
    }
    await own.close();
  };
}

let failed = false;
async function run(name, step) {
  if (only && !name.includes(only)) return;
  const begin = Date.now();
  try {
    const rest = await step();
    if (rest) return () => run(name, rest);
    console.log(`ok    ${name} (${((Date.now() - begin) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed = true;
    console.log(`FAIL  ${name}`);
    console.error(error);
  }
}
const rests = [];
for (const [name, step] of Object.entries(slow)) rests.push(await run(name, step));
for (const [name, step] of Object.entries(steps)) await run(name, step);
for (const rest of rests) await rest?.();
await browser.close();
old.close();
if (failed) console.error("--- the daemon's log:\n" + world.daemon.log.split("\n").slice(-30).join("\n"));
await world.stop();
if (failed) process.exitCode = 1;
else console.log("all passed");
