// The holder of the browser client, without a browser. SEED=n node --test repeats one run, RUNS=n makes more.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createHolder } from "../../daemon/client/wayleave-holder.js";
import { Clock, Server, envOf, randomOf } from "./world.mjs";

// What a tab keeps (wayleave.js does the same): how far it has come, and what was not answered.
class Tab {
  heard = new Map(); // channel -> offsets, "gap" where something was missed
  positions = new Map();
  wanted = new Set();
  pending = new Map();
  answers = new Map();

  constructor(id) { this.id = id; }

  attach(holder) {
    this.holder = holder;
    holder.receive(this.id, { do: "hello", visible: true, token: this.token !== undefined, channels: [...this.wanted], positions: Object.fromEntries(this.positions) });
    for (const item of [...this.pending.values()]) {
      if (!item.handed || item.once) holder.receive(this.id, { do: "send", item });
      else { this.answers.set(item.id, null); this.pending.delete(item.id); }
    }
  }

  want(name) { this.wanted.add(name); this.holder?.receive(this.id, { do: "channel", name }); }

  send(item) {
    const whole = { lane: 1, ...item, text: JSON.stringify({ type: "say", channel: item.channel ?? "a", text: item.id, $id: item.id, ...(item.once && { $dedup: item.id }) }) };
    this.pending.set(item.id, whole);
    whole.handed = this.status?.state === "online";
    this.holder?.receive(this.id, { do: "send", item: whole });
  }

  receive(m) {
    if (m.do === "status") this.status = m.status;
    if (m.do === "sent" && this.pending.has(m.id)) this.pending.get(m.id).handed = true;
    if (m.do === "answer" && this.pending.delete(m.id)) this.answers.set(m.id, m.m);
    if (m.do === "token") this.token(m, (answer) => this.holder.receive(this.id, { do: "token", number: m.number, ...answer }));
    if (m.do === "at") this.stands(m.m);
    if (m.do === "in" && m.m.$ && (m.all || this.wanted.has(m.m.$.channel))) this.hear(m.m.$);
  }

  stands(m) {
    const pos = this.positions.get(m.channel);
    const there = pos && pos.epoch === m.epoch;
    const missed = m.recovered === false && !(there && pos.offset >= m.offset);
    if (missed || (pos && m.epoch && !there)) this.list(m.channel).push("gap");
    if (m.epoch && (!there || missed)) this.positions.set(m.channel, { epoch: m.epoch, offset: m.offset });
  }

  hear({ channel, epoch, offset }) {
    const pos = this.positions.get(channel);
    if (pos?.epoch === epoch && offset <= pos.offset) return;
    this.list(channel).push(offset);
    this.positions.set(channel, { epoch, offset });
  }

  list(name) { return this.heard.get(name) ?? this.heard.set(name, []).get(name); }
}

const start = (seed, options = {}, more = {}) => {
  const random = randomOf(seed);
  const clock = new Clock();
  const server = new Server(clock, random);
  const tabs = new Map();
  const holderOf = () => {
    const holder = createHolder(options, envOf(clock, random, server, more), (to, m) => {
      for (const tab of to ? [tabs.get(to)] : tabs.values()) if (tab?.holder === holder || !tab?.holder) tab?.receive(structuredClone(m));
    });
    return holder;
  };
  const tab = (id, holder, setup = () => {}) => {
    const made = new Tab(id);
    tabs.set(id, made);
    made.holder = holder;
    setup(made);
    made.attach(holder);
    return made;
  };
  return { random, clock, server, tabs, holderOf, tab };
};

const inOrder = (list) => {
  for (let i = 1; i < list.length; ++i) {
    if (list[i] === "gap" || list[i - 1] === "gap") continue;
    assert.equal(list[i], list[i - 1] + 1, `out of order: ${list}`);
  }
};

async function randomRun(seed) {
  const world = start(seed, { queue: { messages: 1000 } });
  const { random, clock, server, tabs } = world;
  server.channel("joined").joined = true;
  server.oldDaemon = random() < 0.5;
  const blocked = random() < 0.4;
  const free = (server.refuse = blocked ? (kind) => (kind === "websocket" ? { code: 1006 } : null) : null);
  let holder = world.holderOf();
  for (const id of ["t1", "t2", "t3"]) world.tab(id, holder, (tab) => ["a", "b"].forEach((name) => tab.wanted.add(name)));
  await clock.run(500);
  for (const tab of tabs.values()) assert.equal(tab.status.state, "online");
  let number = 0;
  const steps = {
    publish: () => { for (let i = 0; i < 1 + random() * 4; ++i) server.publish(["a", "b", "joined"][Math.floor(random() * 3)], { type: "n" }); },
    send: () => {
      const tab = [...tabs.values()][Math.floor(random() * 3)];
      tab.send({ id: `m${++number}`, once: random() < 0.5, lane: Math.floor(random() * 3), channel: random() < 0.5 ? "a" : "b" });
    },
    cut: () => server.cut(),
    down: () => { server.refuse = () => ({ code: 1006 }); clock.after(random() * 5000, () => { server.refuse = free; }); server.cut(); },
    // The holder ends, with a word or without, and another takes its place.
    lead: () => {
      const old = holder;
      if (random() < 0.5) old.destroy();
      holder = world.holderOf();
      for (const tab of tabs.values()) tab.holder = holder;
      old.destroy();
      for (const tab of tabs.values()) tab.attach(holder);
    },
    bye: () => { for (const link of server.links) link.bye({ code: 1001, reason: "drain", reconnect: { after_ms: Math.floor(random() * 1000) } }); },
    idle: () => clock.run(random() * 15_000),
  };
  const names = Object.keys(steps);
  for (let i = 0; i < 150; ++i) {
    const name = random() < 0.5 ? "publish" : names[Math.floor(random() * names.length)];
    await steps[name]();
    await clock.run(random() * 400);
  }
  server.refuse = free;
  await clock.run(120_000);
  for (const [id, tab] of tabs) {
    assert.equal(tab.status.state, "online", id);
    assert.equal(tab.status.queued, 0);
    assert.equal(tab.pending.size, 0, `${id} waits for ${[...tab.pending.keys()]}`);
    for (const [name, list] of tab.heard) {
      inOrder(list);
      assert.ok(!list.includes("gap"), `${id} ${name} has a gap`);
      assert.equal(list.at(-1), server.channel(name).messages.length, `${id} ${name} is behind`);
      assert.equal(list[0], 1, `${id} ${name} begins late`);
    }
    for (const [which, answer] of tab.answers) {
      const times = server.done.filter(([one]) => one === which).length;
      assert.ok(times <= 1, `${which} was done ${times} times`);
      if (answer?.type === "$ok") assert.equal(times, 1);
      if (answer?.type === "$error") assert.equal(times, 0, `${which} was refused and done`);
    }
  }
  assert.equal(server.links.size, 1);
}

const seeds = process.env.SEED ? [Number(process.env.SEED)] : Array.from({ length: Number(process.env.RUNS ?? 60) }, () => Math.floor(Math.random() * 1e9));
test("random schedules: once and in order in every tab, done at most once", async () => {
  for (const seed of seeds) {
    try {
      await randomRun(seed);
    } catch (error) {
      console.log(`SEED=${seed}`);
      throw error;
    }
  }
});

// --- one thing at a time ---

const beginning = async (options, setup, more) => {
  const world = start(7, options, more);
  const holder = world.holderOf();
  setup?.(world);
  const tab = world.tab("t", holder, (made) => world.prepare?.(made));
  await world.clock.run(1000);
  return { ...world, holder, tab };
};
const refusing = (info) => (world) => { world.server.refuse = () => info; };
const problem = (status, error, retryAfter) => ({ status, problem: { error, detail: "why" }, retryAfter });

test("what closes and what comes again", async () => {
  const cases = [
    [{ code: 1006 }, "online"], [{ code: 1001 }, "online"], [{ code: 1012 }, "online"], [{ code: 4429 }, "online"], [{ code: 4408 }, "online"],
    [{ code: 1002 }, "stopped"], [{ code: 1008 }, "stopped"], [{ code: 1009 }, "stopped"], [{ code: 4403 }, "stopped"], [{ code: 4409 }, "stopped"],
  ];
  for (const [info, state] of cases) {
    const { server, clock, tab } = await beginning();
    for (const link of [...server.links]) link.end(info);
    await clock.run(5000);
    assert.equal(tab.status.state, state, `after ${info.code}`);
    if (state === "stopped") assert.equal(tab.status.reason, `close_${info.code}`);
  }
});

test("$bye comes before the code", async () => {
  const { server, clock, tab, holder } = await beginning();
  [...server.links][0].bye({ code: 1009, reason: "too_big", because: "it was", reconnect: { after_ms: 3000 } });
  await clock.run(2500);
  assert.equal(tab.status.state, "waiting");
  holder.receive("t", { do: "wake", wake: true, visible: true });
  await clock.run(100);
  assert.equal(tab.status.state, "waiting", "the server said when");
  await clock.run(1000);
  assert.equal(tab.status.state, "online");
  [...server.links][0].bye({ code: 1001, reason: "over", because: "enough", reconnect: false });
  await clock.run(100_000);
  assert.deepEqual([tab.status.state, tab.status.reason, tab.status.because], ["stopped", "over", "enough"]);
  holder.receive("t", { do: "reconnect" });
  await clock.run(1000);
  assert.equal(tab.status.state, "online");
});

test("a refused handshake is asked for its reason by a stream", async () => {
  const kinds = [];
  const forbidden = await beginning({}, ({ server }) => { server.refuse = (kind) => (kinds.push(kind), kind === "sse" ? problem(403, "forbidden") : { code: 1006 }); });
  assert.deepEqual(kinds, ["websocket", "sse"]);
  assert.deepEqual([forbidden.tab.status.state, forbidden.tab.status.reason, forbidden.tab.status.because], ["stopped", "forbidden", "why"]);

  const limited = await beginning({}, ({ server }) => { server.refuse = (kind) => (kind === "sse" ? problem(429, "limited", 20_000) : { code: 1006 }); });
  assert.deepEqual([limited.tab.status.state, limited.tab.status.reason], ["waiting", "limited"]);
  assert.equal(limited.server.arrivals.length, 2);
  limited.server.refuse = null;
  await limited.clock.run(21_000);
  assert.equal(limited.tab.status.state, "online");

  // Somebody else's page is no verdict.
  const portal = await beginning({}, refusing({ status: 404, problem: {} }));
  assert.deepEqual([portal.tab.status.state, portal.tab.status.reason], ["waiting", "http_404"]);
});

test("where WebSockets are blocked the stream stays, until they pass again", async () => {
  for (const blocked of [{ code: 1006 }, "hang"]) {
    const { server, clock, tab } = await beginning({}, ({ server: it }) => { it.refuse = (kind) => (kind === "websocket" ? blocked : null); });
    await clock.run(8000);
    assert.deepEqual([tab.status.state, tab.status.transport], ["online", "sse"]);
    server.channel("a");
    tab.want("a");
    await clock.run(500);
    server.publish("a", {});
    server.refuse = null;
    await clock.run(320_000);
    assert.deepEqual([tab.status.state, tab.status.transport], ["online", "websocket"]);
    server.publish("a", {});
    await clock.run(500);
    assert.deepEqual(tab.heard.get("a"), [1, 2]);
    assert.equal(server.links.size, 1);
  }
});

// A tab whose token() is `make(n)`: an answer, or undefined, which never comes.
const withToken = (make) => (world) => {
  world.asked = 0;
  world.prepare = (tab) => { tab.token = (m, answer) => { const said = make(++world.asked); if (said) answer(said); }; };
};

test("4401 asks for a token once, and twice in a row stops", async () => {
  for (const [end, renew] of [[(link) => link.end({ code: 4401 })], [(link) => link.bye({ code: 4401, reason: "expired", reconnect: false })], [(link) => link.bye({ code: 1000, reason: "x", reconnect: false, renew: true })]]) {
    const world = await beginning({}, withToken((n) => ({ token: `t${n}` })));
    assert.equal(world.tab.status.state, "online");
    await world.clock.run(60_000);
    for (const link of [...world.server.links]) end(link);
    await world.clock.run(1000);
    assert.equal(world.tab.status.state, "online");
    for (const link of [...world.server.links]) end(link);
    await world.clock.run(100_000);
    assert.equal(world.tab.status.state, "stopped");
    assert.equal(world.server.arrivals.length, 2);
  }
});

test("a token function that throws, hangs, or has nobody", async () => {
  const throws = await beginning({}, withToken(() => ({ error: "the login is away" })));
  await throws.clock.run(600_000);
  assert.deepEqual([throws.tab.status.state, throws.tab.status.reason, throws.tab.status.because], ["waiting", "token", "the login is away"]);
  assert.equal(throws.server.arrivals.length, 0);

  let asked = 0;
  const hangs = await beginning({}, withToken(() => void ++asked));
  await hangs.clock.run(600_000);
  assert.equal(hangs.tab.status.reason, "token");
  assert.ok(asked > 10 && asked < 80, `${asked} times in ten minutes`);

  const nobody = await beginning({}, withToken(() => ({ token: null })));
  assert.deepEqual([nobody.tab.status.state, nobody.tab.status.reason], ["stopped", "signed_out"]);
});

test("what comes before the past was asked for comes again behind it", async () => {
  for (const kind of ["websocket", "sse"]) {
    const world = await beginning({ transports: [kind] });
    world.tab.want("a");
    await world.clock.run(1000);
    for (let i = 0; i < 5; ++i) world.server.publish("a", { type: "n" });
    await world.clock.run(1000);
    world.server.random = () => 0; // it arrives at once: after the tab, and before its question is on its way
    world.server.publish("a", { type: "n" });
    world.tab.wanted.add("a");
    const late = new Tab("late");
    late.wanted.add("a");
    late.positions.set("a", { epoch: "ea", offset: 3 });
    world.tabs.set("late", late);
    late.holder = world.holder;
    late.attach(world.holder);
    await world.clock.run(1000);
    assert.deepEqual(late.list("a"), [4, 5, 6], kind);
    assert.deepEqual(world.tab.list("a"), [1, 2, 3, 4, 5, 6], kind);
  }
});

test("a page that comes after the sign-out signs in again", async () => {
  const world = await beginning({}, withToken(() => ({ token: null })));
  assert.equal(world.tab.status.reason, "signed_out");
  const late = new Tab("late");
  late.token = (m, answer) => answer({ token: "fresh" });
  world.tabs.set("late", late);
  late.attach(world.holder);
  await world.clock.run(1000);
  assert.equal(late.status.state, "online");
  assert.equal(world.tab.status.state, "online");
});

test("a token is refreshed before it ends; yesterday's makes no loop", async () => {
  for (const fresh of [true, false]) {
    let asked = 0;
    let auths = 0;
    const world = await beginning({}, (it) => {
      withToken(() => (++asked, { token: fresh ? `t${asked}` : "old" }))(it);
      it.server.hello = () => ({ expires: it.clock.now / 1000 + 1000 });
      it.server.auth = (m, say) => { ++auths; say({ type: "$ok", expires: it.clock.now / 1000 + 1000 }); };
    });
    assert.equal(asked, 1);
    await world.clock.run(790_000);
    assert.equal(auths, 0);
    await world.clock.run(20_000);
    assert.equal(asked, 2);
    assert.equal(auths, fresh ? 1 : 0);
    await world.clock.run(10_000_000);
    assert.ok(asked < 20, `${asked} times`);
    assert.equal(world.tab.status.state, "online");
  }
});

test("what waits has bounds, and urgent goes first", async () => {
  const { server, clock, tab } = await beginning({ queue: { messages: 10 } }, refusing({ code: 1006 }));
  for (let i = 0; i < 100_000; ++i) tab.send({ id: `x${i}`, lane: i % 3 });
  tab.send({ id: "now", lane: 0 });
  await clock.run(10);
  assert.equal(tab.status.queued, 10);
  assert.equal(tab.pending.size, 10);
  assert.equal([...tab.answers.values()].filter((m) => m.error === "queue_full").length, 99_991);
  server.refuse = null;
  await clock.run(60_000);
  assert.equal(tab.pending.size, 0);
  assert.equal(server.done.length, 10);
  assert.ok(server.done.every(([id]) => id === "now" || Number(id.slice(1)) % 3 === 0), "urgent stays longest");
});

test("too big, too old, volatile, given up", async () => {
  const { server, clock, tab, holder } = await beginning({ queue: { age: 60_000 } });
  tab.send({ id: "x".repeat(4001) });
  await clock.run(100);
  assert.equal([...tab.answers.values()][0].error, "too_big");
  server.refuse = () => ({ code: 1006 });
  server.cut();
  await clock.run(100);
  tab.send({ id: "volatile", volatile: true });
  tab.send({ id: "aborted" });
  holder.receive("t", { do: "abort", id: "aborted" });
  tab.send({ id: "old" });
  await clock.run(100_000);
  tab.send({ id: "new" });
  server.refuse = null;
  await clock.run(60_000);
  assert.equal(tab.answers.get("volatile").error, "offline");
  assert.equal(tab.answers.get("old").error, "too_old");
  assert.equal(tab.answers.get("new").type, "$ok");
  assert.deepEqual(server.done.map(([id]) => id), ["new"]);
});

test("what waited is paced as the server asks; what is said now is refused", async () => {
  const { server, clock, tab } = await beginning();
  const limit = () => {
    let free = 3;
    let last = 0;
    server.limit = (m) => {
      if (m.type !== "say") return 0;
      if (clock.now - last > 900) { free = 3; last = clock.now; }
      return free-- > 0 ? 0 : 1000;
    };
  };
  limit();
  for (let i = 0; i < 5; ++i) tab.send({ id: `now${i}` });
  await clock.run(500);
  assert.equal([...tab.answers.values()].filter((m) => m.error === "limited").length, 2);
  server.refuse = () => ({ code: 1006 });
  server.cut();
  await clock.run(100);
  for (let i = 0; i < 20; ++i) tab.send({ id: `later${i}` });
  server.refuse = null;
  await clock.run(60_000);
  const done = server.done.map(([id]) => id).filter((id) => id.startsWith("later"));
  assert.equal(done.length, 20);
  assert.deepEqual([...done].sort(), Array.from({ length: 20 }, (_, i) => `later${i}`).sort());
});

test("who does not answer is dead; who slept is asked first", async () => {
  const { server, clock, tab } = await beginning();
  server.deaf = true;
  await clock.run(60_000);
  assert.ok(server.arrivals.length > 1, "a silent server is left");
  server.deaf = false;
  await clock.run(60_000);
  assert.equal(tab.status.state, "online");
  const before = server.arrivals.length;
  clock.now += 90_000; // all timers are late
  await clock.run(20_000);
  assert.equal(server.arrivals.length, before, "sleep is no death");
  assert.equal(tab.status.state, "online");
});

test("a quiet line is asked about once in a while, and a stream that is silent is left although POSTs are answered", async () => {
  const quiet = await beginning();
  let pings = 0;
  const { hear } = quiet.server;
  quiet.server.hear = function count(link, m, text) { pings += m.type === "$ping"; return hear.call(this, link, m, text); };
  await quiet.clock.run(300_000);
  assert.ok(pings >= 5 && pings <= 10, `${pings} pings in five minutes`);
  assert.equal(quiet.server.arrivals.length, 1);

  const { server, clock, tab } = await beginning({ transports: ["sse"] });
  assert.equal(tab.status.transport, "sse");
  await clock.run(300_000);
  assert.equal(server.arrivals.length, 1);
  server.mute = true;
  await clock.run(100_000); // nothing has come on the stream, not even a comment
  assert.ok(server.arrivals.length > 1);
  assert.equal(tab.status.state, "online");

  const without = await beginning({ transports: ["sse"] }, (world) => { world.server.hello = () => ({ ping_every: 0 }); world.server.mute = true; });
  await without.clock.run(300_000);
  assert.equal(without.server.arrivals.length, 1, "a route without pings has no comments");
});

test("attempts that hang are given up, and begun anew in another network", async () => {
  for (const network of [false, true]) {
    const world = await beginning();
    const { server, clock, tab, holder } = world;
    server.refuse = () => "hang";
    server.cut();
    await clock.run(10_000); // the first WebSocket is given up, and events are asked for
    assert.notEqual(tab.status.state, "online");
    server.refuse = null; // what began hangs on
    const before = server.arrivals.length;
    if (network) {
      holder.receive("t", { do: "wake", visible: true, wake: true });
      await clock.run(2000);
      assert.equal(server.arrivals.length, before, "a page that is seen ends no attempt");
      holder.receive("t", { do: "wake", visible: true, wake: true, network: true });
    }
    await clock.run(network ? 500 : 25_000);
    assert.equal(tab.status.state, "online");
    assert.equal(server.links.size, 1);
  }
});

test("garbage is said to be garbage, without a loop", async () => {
  const world = await beginning({}, ({ server, clock }) => {
    server.open = (kind, on) => {
      server.arrivals.push(clock.now);
      clock.after(5, () => on.text("<html>"));
      return { send() {}, full: () => false, close() {} };
    };
  });
  await world.clock.run(600_000);
  assert.deepEqual([world.tab.status.state, world.tab.status.reason], ["waiting", "garbage"]);
  assert.ok(world.server.arrivals.length < 70, `${world.server.arrivals.length} in ten minutes`);
});

test("a refused channel is told, a limited one asked for again, a lost one is a gap", async () => {
  const { server, clock, tab, holder } = await beginning();
  const told = [];
  const receive = tab.receive.bind(tab);
  tab.receive = (m) => { if (m.m?.type === "$error") told.push(m.m.channel); receive(m); };
  tab.want("forbidden");
  tab.want("a");
  await clock.run(500);
  assert.deepEqual(told, ["forbidden"]);
  server.publish("a", {});
  let refused = 0;
  server.limit = (m) => (m.type === "$subscribe" && refused++ < 2 ? 700 : 0);
  server.cut();
  await clock.run(10_000);
  server.publish("a", {});
  await clock.run(500);
  assert.deepEqual(tab.heard.get("a"), [1, 2]);
  server.cut();
  server.lose("a");
  await clock.run(10_000);
  server.publish("a", {});
  await clock.run(500);
  assert.deepEqual(tab.heard.get("a"), [1, 2, "gap", 1]);
  holder.leave("t");
  await clock.run(500);
  assert.equal([...server.links][0].subscribed.has("a"), false);
});

test("what is stored outlives its holder, and is wiped with the sign-out", async () => {
  const kept = new Map();
  const store = {
    all: async () => [...kept.values()], put: async (item) => void kept.set(item.id, structuredClone(item)),
    remove: async (id) => void kept.delete(id), wipe: async () => kept.clear(),
  };
  const options = { queue: { persist: true } };
  const first = await beginning(options, refusing({ code: 1006 }), { store });
  first.tab.send({ id: "once", once: true });
  first.tab.send({ id: "plain" });
  await first.clock.run(100);
  assert.deepEqual([...kept.keys()], ["once"]);
  const second = await beginning(options, () => {}, { store });
  assert.deepEqual(second.server.done.map(([id]) => id), ["once"]);
  assert.equal(kept.size, 0);
  kept.set("x", { id: "x", text: "{}", lane: 1, at: 0, once: true });
  await beginning(options, withToken(() => ({ token: null })), { store });
  assert.equal(kept.size, 0);
  const full = { ...store, put: async () => { throw Error("quota"); } };
  const third = await beginning(options, () => {}, { store: full });
  third.tab.send({ id: "y", once: true });
  await third.clock.run(500);
  assert.equal(third.tab.answers.get("y").type, "$ok");
  assert.equal(third.tab.status.reason, "storage");
});

test("a thousand who were cut off together come back apart", async () => {
  const clock = new Clock();
  const random = randomOf(11);
  const all = [];
  for (let i = 0; i < 1000; ++i) {
    const server = new Server(clock, random);
    const tab = new Tab("t");
    const holder = createHolder({}, envOf(clock, random, server), (to, m) => tab.receive(m));
    tab.attach(holder);
    all.push({ server, tab });
  }
  await clock.run(20_000);
  const cut = clock.now;
  for (const { server } of all) { server.arrivals = []; server.cut(); }
  await clock.run(2000);
  const buckets = [0, 0, 0, 0, 0];
  for (const { server, tab } of all) {
    assert.equal(tab.status.state, "online");
    assert.equal(server.arrivals.length, 1);
    buckets[Math.min(4, Math.floor((server.arrivals[0] - cut) / 100))] += 1;
  }
  assert.ok(buckets.every((count) => count > 100 && count < 400), `arrivals in each 100 ms: ${buckets}`);
});
