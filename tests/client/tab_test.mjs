// What pages use of the browser client, with sockets, locks and workers that the test speaks for, without a browser.
import assert from "node:assert/strict";
import { after, test } from "node:test";

class Socket {
  static all = [];
  bufferedAmount = 0;
  sent = [];
  constructor(url, protocols) { Object.assign(this, { url, protocols }); Socket.all.push(this); }
  send(text) { this.sent.push(JSON.parse(text)); this.onsent?.(JSON.parse(text)); }
  close() {}
  say(m) { this.onmessage({ data: JSON.stringify(m) }); }
}
const reported = [];
Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
Object.assign(globalThis, {
  location: { href: "https://app.example.com/page" }, WebSocket: Socket, addEventListener() {},
  document: { visibilityState: "visible", addEventListener() {} }, reportError: (error) => reported.push(error.message),
});
const later = globalThis.setInterval;
globalThis.setInterval = (...args) => later(...args).unref();
const timer = globalThis.setTimeout;
globalThis.setTimeout = (...args) => timer(...args).unref();
const alive = later(() => {}, 1000); // the clients' own timers keep nobody here
after(() => clearInterval(alive));
const { connect, Refused, Unknown } = await import("../../daemon/client/wayleave.js");

const turn = () => new Promise((resolve) => timer(resolve, 20));
const hello = (channels = []) => ({ type: "$hello", session: "1", ping_every: 25000, max_message: 1000, channels, reconnect: { min: 1, max: 5 } });
async function online(options, channels) {
  Socket.all.length = 0;
  const bus = connect("/ws", { share: "none", ...options });
  for (let i = 0; i < 20 && !Socket.all.length; ++i) await turn();
  const socket = Socket.all.pop();
  socket.say(hello(channels));
  await turn();
  return { bus, socket };
}
const news = (type, epoch, offset, more) => ({ type, ...more, $: { channel: "news", id: `${epoch}${offset}`, at: 1, epoch, offset } });

test("the address, the token and the status", async () => {
  const { bus, socket } = await online({ token: () => "secret" });
  assert.equal(socket.url, "wss://app.example.com/ws");
  assert.deepEqual(socket.protocols, ["wayleave.v1", "secret"]);
  assert.deepEqual([bus.status.state, bus.status.via, bus.status.transport], ["online", "alone", "websocket"]);
  assert.ok(Object.isFrozen(bus.status));
  assert.throws(() => connect("/ws", { token: () => "x" }), TypeError);
});

test("types, types below one, all; a handler that throws stops no other", async () => {
  const { bus, socket } = await online({}, [{ channel: "news", epoch: "a", offset: 0 }]);
  const heard = [];
  bus.on("call.ring", () => { throw Error("mine"); });
  for (const type of ["call.ring", "call.*", "*", "other", "call"]) bus.on(type, (m, meta) => heard.push([type, meta.offset]));
  const once = [];
  bus.once("call.ring", () => once.push(1));
  const stopper = new AbortController();
  bus.on("*", () => heard.push("aborted"), { signal: stopper.signal });
  stopper.abort();
  socket.say(news("call.ring", "a", 1));
  socket.say(news("call.ring", "a", 1)); // a replay and what is live may overlap
  socket.say(news("call.ring", "a", 2));
  await turn();
  assert.deepEqual(heard, [["call.ring", 1], ["call.*", 1], ["*", 1], ["call.ring", 2], ["call.*", 2], ["*", 2]]);
  assert.deepEqual(once, [1]);
  assert.deepEqual(reported.splice(0), ["mine", "mine"]);
});

test("a numbering that has begun anew is a gap, whoever says it first", async () => {
  const { bus, socket } = await online({}, [{ channel: "news", epoch: "a", offset: 3 }]);
  socket.say(news("x", "b", 1));
  await turn();
  assert.deepEqual([...bus.status.gap], ["news"]);
  bus.channel("news").loaded();
  assert.deepEqual([...bus.status.gap], []);
  socket.say(news("x", "b", 2));
  await turn();
  assert.deepEqual([...bus.status.gap], []);
});

test("the first handler subscribes, the last one to go unsubscribes, drawn anew says nothing", async () => {
  const { bus, socket } = await online();
  const room = bus.channel("room/a");
  const off = [room.on("x", () => {}), bus.channel("room/a").on("y", () => {})];
  await turn();
  off[0]();
  off[1]();
  const again = room.on("x", () => {});
  await turn();
  const words = () => socket.sent.map((m) => m.type).filter((type) => type !== "$ping");
  assert.deepEqual(words(), ["$subscribe"]);
  again();
  again();
  await turn();
  assert.deepEqual(words(), ["$subscribe", "$unsubscribe"]);
});

test("answers, refusals, and what is given up", async () => {
  const { bus, socket } = await online();
  socket.onsent = (m) => {
    if (m.type === "good") socket.say({ type: "$ok", re: m.$id, data: 7 });
    if (m.type === "bad") socket.say({ type: "$error", re: m.$id, error: "limited", because: "slow", retry_after: 50, rule: "a:1" });
  };
  assert.equal((await bus.send("good", { a: 1 })).data, 7);
  const refused = await bus.send("bad", {}).catch((error) => error);
  assert.ok(refused instanceof Refused);
  assert.deepEqual([refused.error, refused.because, refused.retryAfter, refused.rule], ["limited", "slow", 50, "a:1"]);
  assert.ok(await bus.send("silent", {}, { timeout: 10 }).catch((error) => error) instanceof Unknown);
  const stopper = new AbortController();
  const given = bus.send("silent", {}, { signal: stopper.signal }).catch((error) => error.name);
  stopper.abort();
  assert.equal(await given, "AbortError");
  assert.equal((await bus.send("long", { text: "x".repeat(2000) }).catch((error) => error)).error, "too_big");
  await bus.send("once", {}, { once: true, timeout: 10 }).catch(() => {});
  const said = socket.sent.find((m) => m.type === "once");
  assert.equal(said.$dedup, said.$id);
  bus.close();
  assert.equal((await bus.send("good", {}).catch((error) => error)).error, "closed");
  assert.deepEqual([bus.status.state, bus.status.reason], ["stopped", "closed"]);
});

test("what nobody listens for is said in the console: a refused channel, the end", async () => {
  const said = [];
  const { warn } = console;
  console.warn = (text) => said.push(text);
  try {
    const { bus, socket } = await online();
    const refuse = (channel) => socket.say({ type: "$error", re: socket.sent.findLast((m) => m.type === "$subscribe").$id, channel, error: "forbidden", because: "not yours" });
    bus.channel("room/a").on("x", () => {});
    await turn();
    refuse("room/a");
    const heard = [];
    bus.channel("room/b").on("x", () => {});
    bus.channel("room/b").on("$error", (m) => heard.push(m.error));
    await turn();
    refuse("room/b");
    await turn();
    assert.deepEqual(heard, ["forbidden"]);
    socket.say({ type: "$bye", code: 4403, reason: "disconnected", because: "go", reconnect: false });
    socket.onclose({ code: 4403 });
    await turn();
    assert.equal(bus.status.state, "stopped");
    assert.deepEqual(said, ["wayleave: room/a: forbidden: not yours", "wayleave: stopped: disconnected: go"]);
    const { bus: other } = await online();
    other.close();
    assert.equal(said.length, 2, "an end that the page wanted is none");
  } finally {
    console.warn = warn;
  }
});

test("a line that is cut has no quality", async () => {
  const { bus, socket } = await online();
  socket.say({ type: "$pong", re: "ping" });
  await turn();
  assert.equal(bus.status.quality, "good");
  socket.onclose({ code: 1006 });
  await turn();
  assert.notEqual(bus.status.state, "online");
  assert.deepEqual([bus.status.quality, bus.status.rtt], [undefined, undefined]);
  bus.close();
});

test("a token that no subprotocol can be is not shown", async () => {
  const real = globalThis.WebSocket;
  globalThis.WebSocket = class { constructor(url, [, token]) { throw new DOMException(`The subprotocol '${token}' is invalid.`, "SyntaxError"); } };
  const { warn } = console;
  console.warn = () => {};
  try {
    const bus = connect("/ws", { share: "none", token: () => "secret=/" });
    for (let i = 0; i < 50 && bus.status.state !== "stopped"; ++i) await turn();
    assert.deepEqual([bus.status.state, bus.status.because], ["stopped", "no subprotocol can be this token"]);
    bus.close();
  } finally {
    globalThis.WebSocket = real;
    console.warn = warn;
  }
});

test("acknowledged when all handlers have returned, and not when one has failed", async () => {
  const { bus, socket } = await online({}, [{ channel: "news", epoch: "a", offset: 3, acks: true }]);
  let finish;
  bus.on("slow", () => new Promise((resolve) => { finish = resolve; }));
  bus.on("broken", () => { throw Error("no"); });
  const acks = () => socket.sent.filter((m) => m.type === "$ack").map((m) => m.offset);
  socket.say(news("slow", "a", 1));
  socket.say(news("broken", "a", 2));
  await new Promise((resolve) => timer(resolve, 100));
  assert.deepEqual(acks(), []);
  finish();
  await new Promise((resolve) => timer(resolve, 100));
  assert.deepEqual(acks(), [1]);
});

// Tabs that share: the test is the leader, or the worker, and has all locks but those of tabs.
async function sharing(f) {
  navigator.locks = { request: (name, options, act = options) => (name.startsWith("wayleave:tab:") ? act() : new Promise(() => {})) };
  const bus = new BroadcastChannel("wayleave:1:wss://app.example.com/ws:u");
  const said = [];
  const world = { bus, said, leader: null };
  bus.onmessage = ({ data }) => {
    said.push(data);
    if (data.do === "who" && world.leader) bus.postMessage({ do: "greet", from: world.leader });
  };
  world.waitFor = async (done) => { for (let i = 0; i < 100 && !said.some(done); ++i) await turn(); return said.find(done); };
  try {
    await f(world);
  } finally {
    bus.close();
    delete navigator.locks;
    delete globalThis.SharedWorker;
  }
}
const leads = async (world, from) => {
  const { bus, said, waitFor } = world;
  world.leader = from;
  said.length = 0;
  bus.postMessage({ do: "greet", from });
  const { tab } = await waitFor((m) => m.do === "hello" && m.to === from);
  bus.postMessage({ do: "status", from, to: tab, status: { state: "online", since: 1, queued: 0 } });
  await turn();
  return tab;
};

test("a follower hears nothing of a new leader before that knows how far the follower has come", () => sharing(async ({ bus, waitFor }) => {
  const client = connect("/ws", { share: "tabs", user: "u" });
  const heard = [];
  client.channel("news").on("x", (m, meta) => heard.push(meta.offset));
  await waitFor((m) => m.do === "who");
  bus.postMessage({ do: "greet", from: "L" });
  bus.postMessage({ do: "in", from: "L", m: news("x", "a", 5) }); // before it has read the tab's hello
  const { tab } = await waitFor((m) => m.do === "hello");
  bus.postMessage({ do: "status", from: "L", to: tab, status: { state: "online", since: 1, queued: 0 } });
  for (const offset of [3, 4, 5]) bus.postMessage({ do: "in", from: "L", m: news("x", "a", offset) });
  await turn();
  await turn();
  assert.deepEqual(heard, [3, 4, 5]);
  assert.equal(client.status.via, "follower");
  client.close();
}));

test("what is said between two leaders waits for the next one, and is not called unknown", () => sharing(async (world) => {
  const { bus, said, waitFor } = world;
  const client = connect("/ws", { share: "tabs", user: "u" });
  await waitFor((m) => m.do === "who");
  await leads(world, "L");
  assert.equal(client.status.state, "online");
  const before = client.send("asked", {}).catch((error) => error);
  const { tab: own, item: passed } = await waitFor((m) => m.do === "send" && m.to === "L");
  bus.postMessage({ do: "sent", from: "L", to: own, id: passed.id });
  const unread = client.send("unread", {});
  await waitFor((m) => m.do === "send" && m.item.text.includes("unread"));
  world.leader = null;
  bus.postMessage({ do: "gone", from: "L" });
  await waitFor((m) => m.do === "who");
  const between = client.send("said", {});
  await turn();
  assert.ok(!said.some((m) => m.do === "send" && m.item.text.includes("said")), "nobody leads");
  const tab = await leads(world, "M");
  assert.ok(await before instanceof Unknown, "the first leader has passed it on");
  await waitFor((m) => m.do === "send" && m.to === "M" && m.item.text.includes("said"));
  for (const { item } of said.filter((m) => m.do === "send" && m.to === "M"))
    bus.postMessage({ do: "answer", from: "M", to: tab, id: item.id, m: { type: "$ok", re: item.id } });
  assert.deepEqual([(await unread).type, (await between).type], ["$ok", "$ok"]);
  client.close();
}));

test("a tab that was robbed of the lead keeps what is said until it follows", () => sharing(async (world) => {
  let rob;
  let first = true;
  navigator.locks.request = (name, options, act = options) => {
    if (name.startsWith("wayleave:tab:")) return act();
    if (!first) return new Promise(() => {});
    first = false;
    return new Promise((resolve, reject) => { rob = () => reject(new DOMException("stolen", "AbortError")); act(); });
  };
  Socket.all.length = 0;
  const client = connect("/ws", { share: "tabs", user: "u" });
  for (let i = 0; i < 50 && !Socket.all.length; ++i) await turn();
  const socket = Socket.all.pop();
  socket.say(hello());
  await turn();
  assert.deepEqual([client.status.via, client.status.state], ["leader", "online"]);
  rob();
  await null;
  await null;
  const between = client.send("said", {});
  const tab = await leads(world, "M");
  const { item } = await world.waitFor((m) => m.do === "send" && m.to === "M");
  world.bus.postMessage({ do: "answer", from: "M", to: tab, id: item.id, m: { type: "$ok", re: item.id } });
  assert.equal((await between).type, "$ok");
  assert.ok(!socket.sent.some((m) => m.type === "said"));
  client.close();
}));

test("a worker that came too late for a tab gives way to that tab", () => sharing(async (world) => {
  const said = [];
  let port;
  globalThis.SharedWorker = class {
    constructor() { this.port = port = { postMessage: (m) => said.push(m), close() {} }; }
  };
  const begin = async (options) => {
    port = null;
    const client = connect("/ws", { user: "u", worker: "/wayleave.js", ...options });
    for (let i = 0; i < 50 && !port?.onmessage; ++i) await turn();
    return client;
  };
  const greet = () => port.onmessage({ data: { do: "greet", talk: 1, lock: "worker" } });
  // The leader answers before the worker: it is followed, and the worker opens nothing.
  const early = await begin();
  await leads(world, "L");
  greet();
  await turn();
  assert.deepEqual([early.status.via, said.length], ["follower", 0]);
  early.close();
  world.leader = null;
  // Or it leads only later.
  const late = await begin();
  greet();
  await turn();
  assert.equal(late.status.via, "worker");
  await leads(world, "L");
  assert.equal(late.status.via, "follower");
  assert.ok(said.some((m) => m.do === "leave" && m.moved), "the worker closes its socket at once");
  late.close();
  world.leader = null;
  // Who wants a worker alone stays with it.
  const alone = await begin({ share: "worker" });
  greet();
  await turn();
  world.bus.postMessage({ do: "greet", from: "L" });
  await turn();
  assert.equal(alone.status.via, "worker");
  alone.close();
}));

test("a worker that has died and still takes a tab in is asked for once more", () => sharing(async () => {
  const ports = [];
  let die;
  const { request } = navigator.locks;
  navigator.locks.request = (name, options, act) => {
    if (name !== "worker") return request(name, options, act);
    die ??= act;
    return new Promise(() => {});
  };
  globalThis.SharedWorker = class {
    constructor() { ports.push(this.port = { postMessage() {}, close() {} }); }
  };
  const greeted = async (which) => {
    for (let i = 0; i < 200 && !ports[which]?.onmessage; ++i) await turn();
    ports[which].onmessage({ data: { do: "greet", talk: 1, lock: "worker" } });
    await turn();
  };
  const client = connect("/ws", { user: "u", worker: "/wayleave.js" });
  await greeted(0);
  assert.equal(client.status.via, "worker");
  die();
  await greeted(2); // the second port is the dead one's
  assert.deepEqual([client.status.via, ports.length], ["worker", 3]);
  client.close();
}));
