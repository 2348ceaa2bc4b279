// What pages use of the browser client, with a socket that the test speaks for: a tab alone, without a browser.
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

test("a follower hears nothing of a new leader before that knows how far the follower has come", async () => {
  const granted = (name, options, f = options) => (name.startsWith("wayleave:tab:") ? f() : new Promise(() => {}));
  navigator.locks = { request: granted };
  const bus = new BroadcastChannel("wayleave:1:wss://app.example.com/ws:u");
  const said = [];
  bus.onmessage = ({ data }) => said.push(data);
  const client = connect("/ws", { share: "tabs", user: "u" });
  const heard = [];
  client.channel("news").on("x", (m, meta) => heard.push(meta.offset));
  for (let i = 0; i < 20 && !said.some((m) => m.do === "who"); ++i) await turn();
  bus.postMessage({ do: "greet", from: "L" });
  bus.postMessage({ do: "in", from: "L", m: news("x", "a", 5) }); // before it has read the tab's hello
  for (let i = 0; i < 20 && !said.some((m) => m.do === "hello"); ++i) await turn();
  const { tab } = said.find((m) => m.do === "hello");
  bus.postMessage({ do: "status", from: "L", to: tab, status: { state: "online", since: 1, queued: 0 } });
  for (const offset of [3, 4, 5]) bus.postMessage({ do: "in", from: "L", m: news("x", "a", offset) });
  await turn();
  await turn();
  assert.deepEqual(heard, [3, 4, 5]);
  assert.equal(client.status.via, "follower");
  client.close();
  bus.close();
  delete navigator.locks;
});
