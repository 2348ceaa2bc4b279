// The browser's end of wayleave's wire: one connection for each user, however many tabs there are. See README.md.
//
//   tab ── messages ──► holder ── frames ──► wayleave
//
// The holder (wayleave-holder.js) has the socket. It lives in a SharedWorker (this file again), in the tab that leads,
// or in each tab alone. A tab has the handlers and the promises, and knows how far it has come; so a new holder learns
// all that it must know from its tabs. In this order: errors, the tab, folded endpoints, the worker.

const talk = 1; // the version of what tabs and holders say to each other: an old worker lives as long as an old tab
const lanesByName = { urgent: 0, normal: 1, low: 2 };
const hex = (byte) => byte.toString(16).padStart(2, "0");
const uid = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), hex).join("");
const failed = Promise.reject(); // of a handler that has thrown, and was reported
failed.catch(() => {});
// With the socket comes what only its holder needs. Firefox remembers of a module that it did not load, and never asks
// again; so it is asked for by another address.
const holderFile = () => import("./wayleave-holder.js").catch((error) => {
  const again = import.meta.url.replace(/[^/]*$/, `wayleave-holder.js?${Date.now()}`);
  return import(/* webpackIgnore: true */ /* @vite-ignore */ again).catch(() => { throw error; });
});
const makeHolder = async (options, post) => {
  const { createHolder, world } = await holderFile();
  return createHolder(options, world(options), post);
};

// --- errors ---

export class Refused extends Error {
  constructor({ error, because, retry_after, rule }) {
    super(because ? `${error}: ${because}` : error);
    Object.assign(this, { error, because, retryAfter: retry_after, rule });
  }
}

export class Unknown extends Error {}

// --- the tab ---

export function connect(url, options = {}) {
  const { share = "auto", user = "", token, ack = "auto" } = options;
  if (token && share !== "none" && !options.user)
    throw TypeError("wayleave: `token` needs `user`, since tabs share a connection; or set `share` to \"none\"");
  const address = Object.assign(new URL(url, location.href), { hash: "" }).href.replace(/^http/, "ws");
  let id; // a new one for each holder
  const handlers = new Map(); // type or pattern -> functions
  const channels = new Map(); // name -> the same, of a channel
  const streams = new Map();
  const positions = new Map();
  const seen = new Set(); // ids of messages without a number
  const pending = new Map(); // $id -> what was said and is not answered
  const gap = new Set();
  const { queue, timeout, transports } = options;
  const holding = { url: address, user, queue, timeout, transports };
  const nothing = { rtt: undefined, quality: undefined }; // is known of a line that is cut
  let told = { state: "connecting", since: Date.now(), queued: 0 };
  let via = "nobody";
  let status;
  let post = () => {}; // to the holder
  let detach = () => {};
  let silence = 0; // pings without an answer
  let whoLeads = () => {};
  let closed = false;

  function show(changes = {}) {
    const { state, reason, because } = changes;
    if (state === "stopped" && told.state !== state && reason !== "closed" && reason !== "signed_out")
      console.warn(`wayleave: stopped: ${reason}${because ? `: ${because}` : ""}`);
    told = { ...told, ...changes };
    status = Object.freeze({ ...told, via, gap: Object.freeze([...gap]) });
    call(handlers.get("$status"), status);
  }

  // --- handlers ---

  function call(set, ...args) {
    return [...(set ?? [])].map((f) => {
      try {
        return f(...args);
      } catch (error) {
        reportError(error);
        return failed;
      }
    });
  }

  const listen = (map, type, f, { signal } = {}, gone = () => {}) => {
    const own = (...args) => f(...args); // the same function twice is two handlers
    const off = () => {
      if (map.get(type)?.delete(own)) {
        if (!map.get(type).size) map.delete(type);
        gone();
      }
    };
    if (signal?.aborted) return off;
    (map.get(type) ?? map.set(type, new Set()).get(type)).add(own);
    signal?.addEventListener("abort", off, { once: true });
    return off;
  };

  // "call.ring" is heard by "call.ring", "call.*" and "*"; the daemon's own words by their names alone.
  function dispatch(map, m, meta) {
    const type = m.type ?? "";
    const names = [type];
    const parts = type.split(".");
    while (parts.length > 1 && parts.pop()) names.push(`${parts.join(".")}.*`);
    if (type[0] !== "$") names.push("*");
    return names.flatMap((name) => call(map?.get(name), m, meta));
  }

  function heard({ m, all, acks }) {
    const { $ } = m;
    const own = channels.get($?.channel ?? m.channel);
    if (!all && !own) return;
    if (m.stream) return stream(m.stream).hear(m);
    if (m.type === "$unsubscribed") positions.delete(m.channel);
    if ($?.epoch) {
      const pos = positions.get($.channel);
      if (pos?.epoch === $.epoch && $.offset <= pos.offset) return;
      if (pos && pos.epoch !== $.epoch) lose($.channel); // told by a message before the answer by POST
      positions.set($.channel, { epoch: $.epoch, offset: $.offset });
    } else if ($?.id) {
      if (seen.has($.id)) return;
      seen.add($.id);
      if (seen.size > 256) seen.delete(seen.values().next().value);
    }
    const acknowledge = () => acks && post({ do: "ack", name: $.channel, offset: $.offset });
    const meta = { ...$, ack: acknowledge };
    const done = [...dispatch(own, m, meta), ...dispatch(handlers, m, meta)];
    if (m.type === "$error" && !done.length) console.warn(`wayleave: ${m.channel}: ${new Refused(m).message}`);
    if (ack !== "auto" || !acks || !done.length) return;
    Promise.all(done).then(acknowledge, (error) => error && reportError(error));
  }

  function lose(which) {
    gap.add(which);
    show();
  }

  // Where a channel stands, and whether something is missing here.
  function stands(m) {
    const pos = positions.get(m.channel);
    const there = pos && pos.epoch === m.epoch;
    const missed = m.recovered === false && !(there && pos.offset >= m.offset);
    if (missed || (pos && m.epoch && !there)) lose(m.channel);
    const { epoch, offset, acks } = m;
    if (epoch && (!there || (missed && !acks))) positions.set(m.channel, { epoch, offset: acks ? 0 : offset });
    if (m.type) dispatch(channels.get(m.channel), m, { ...m });
  }

  // --- what the holder says ---

  const orders = {
    status: ({ status: now }) => show({ ...nothing, ...now, ...(now.state !== "online" && nothing) }),
    in: heard,
    at: ({ m }) => stands({ type: "$subscribed", ...m }),
    sent({ id: which }) { Object.assign(pending.get(which) ?? {}, { sent: true, known: true }); },
    answer({ id: which, m }) {
      const item = pending.get(which);
      pending.delete(which);
      if (!m) item?.reject(new Unknown("no answer: it may have been done"));
      else m.type === "$error" ? item?.reject(new Refused(m)) : item?.resolve(m);
    },
    async token({ number }) {
      const answer = { do: "token", number };
      try {
        answer.token = await token();
      } catch (error) { answer.error = String(error?.message ?? error) || "failed"; }
      post(answer);
    },
  };
  const receive = (m) => {
    silence = 0;
    orders[m.do]?.(m);
  };

  // --- what is said ---

  const refused = (error, because) => Promise.reject(new Refused({ error, because }));

  function request(message, { priority = "normal", once, volatile, signal, timeout } = {}) {
    if (closed) return refused("closed");
    if (via === "nobody" && pending.size > 999) return refused("queue_full");
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const $id = uid();
      const known = once && { [message.type === "$publish" ? "dedup" : "$dedup"]: $id };
      const text = JSON.stringify({ ...message, $id, ...known });
      const item = { id: $id, text, lane: lanesByName[priority], once, volatile, timeout };
      pending.set($id, { resolve, reject, item, sent: via !== "nobody" && told.state === "online" });
      signal?.addEventListener("abort", () => {
        if (!pending.delete($id)) return;
        post({ do: "abort", id: $id });
        reject(signal.reason);
      }, { once: true });
      post({ do: "send", item });
    });
  }

  // --- ways to a holder ---

  const visible = () => document.visibilityState === "visible";

  // Everything that a holder must know; also what an earlier one did not confirm.
  function attach(how, send, leave) {
    detach();
    detach = leave;
    post = (m) => send({ ...m, tab: id });
    via = how;
    silence = 0;
    post({
      do: "hello", options: holding, token: !!token, visible: visible(), lock,
      channels: [...channels.keys()], positions: Object.fromEntries(positions),
    });
    for (const { item, sent, reject } of [...pending.values()]) {
      if (!sent || item.once) post({ do: "send", item });
      else if (pending.delete(item.id)) reject(new Unknown("its connection is gone: it may have been done"));
    }
    show();
  }

  // Held while this tab lives: who waits for it learns of the end, also of a crash. Without locks there is no sharing.
  let unlock = () => {};
  let lock;
  const hold = () => new Promise((held, failed) => {
    unlock();
    lock = `wayleave:tab:${id}`;
    navigator.locks.request(lock, () => new Promise((free) => { unlock = free; held(true); })).catch(failed);
  });
  let deaths = 0;
  let search = 0;
  let gone = true; // the page is not there, or has closed the client
  const name = `wayleave:${talk}:${address}:${user}`;

  function viaWorker(patience = 3000) {
    const file = options.worker ?? (/\/wayleave[^/]*\.js$/.test(import.meta.url.split(/[?#]/)[0]) && import.meta.url);
    if (!file || !globalThis.SharedWorker) return false;
    return new Promise((resolve) => {
      const worker = new SharedWorker(file, { type: "module", name, extendedLifetime: true });
      const { port } = worker;
      const turn = search;
      const stopper = new AbortController();
      const bus = new BroadcastChannel(name);
      const give = (up) => {
        stopper.abort();
        port.close();
        bus.close();
        resolve(up);
      };
      // A tab leads, since the worker came too late for it, or hung. All follow that tab, so that there is one socket.
      if (share === "auto") bus.onmessage = ({ data }) => {
        if (data.do !== "greet" || turn !== search) return;
        if (via !== "worker") return give(false);
        port.postMessage({ do: "leave", tab: id, moved: true });
        find(viaTabs);
      };
      bus.postMessage({ do: "who" });
      const timer = setTimeout(give, patience, false); // no greeting: CSP, 404, a mistake in it
      worker.onerror = () => { clearTimeout(timer); if (via !== "worker") give(false); };
      port.onmessage = async ({ data }) => {
        if (data.do !== "greet") return receive(data);
        clearTimeout(timer);
        if (data.talk !== talk || stopper.signal.aborted || turn !== search) return give(false);
        attach("worker", (m) => port.postMessage(m), () => { port.postMessage({ do: "leave", tab: id }); give(); });
        // The worker holds this one: it is granted when the worker is gone.
        navigator.locks.request(data.lock, { mode: "shared", signal: stopper.signal }, () => {
          give();
          if (via !== "worker") return;
          if (++deaths > 2) find(viaTabs);
          else find(viaWorker, 500);
        }).catch(() => {});
        resolve(true);
      };
    });
  }

  function viaTabs(steal = false) {
    if (!globalThis.BroadcastChannel) return false;
    const bus = new BroadcastChannel(name);
    const stopper = new AbortController();
    const own = uid(); // names this tab's holder
    let leader = null; // the name of the holder that is listened to
    let met = false; // it knows this tab; what it tells all before that leaves out what is missing here
    let holder = null;
    let release = () => {};
    let left = false;
    holderFile().catch(() => {}); // now: when the leader goes, there may be no network
    const leave = () => {
      if (left) return;
      left = true;
      bus.postMessage(leader === own ? { do: "gone", from: own } : { to: leader, do: "leave", tab: id });
      stopper.abort();
      holder?.destroy();
      release();
      bus.close();
    };
    const follow = (which) => {
      leader = which;
      met = false;
      detach = () => {}; // the same bus
      attach("follower", (m) => left || bus.postMessage({ ...m, to: which }), leave);
    };
    bus.onmessage = ({ data }) => {
      if (data.do === "who" && holder) bus.postMessage({ do: "greet", from: own });
      else if (data.do === "gone") {
        if (data.from !== leader) return;
        // It has said of each message that it sent it, and sends none any more.
        for (const item of pending.values()) item.sent = item.known;
        lost();
      }
      else if (data.do === "greet" && !holder) data.from !== leader && follow(data.from);
      else if (data.to === own && holder) {
        if (data.do === "hello") watch(data.tab, data.lock, holder.leave);
        holder.receive(data.tab, data);
      } else if (data.from === leader && (data.to === id || (!data.to && met))) {
        met = true;
        receive(data);
      }
    };
    navigator.locks.request(name, steal ? { steal } : { signal: stopper.signal }, async () => {
      holder = await makeHolder(holding, (to, m) => {
        if (to === id || !to) queueMicrotask(() => leader === own && receive(m));
        if (to !== id && !left) bus.postMessage({ ...m, from: own, to });
      });
      if (left) return holder.destroy();
      leader = own;
      detach = () => {};
      attach("leader", (m) => holder?.receive(id, m), leave);
      bus.postMessage({ do: "greet", from: own });
      return new Promise((free) => { release = free; });
    }).catch((error) => { // left, or robbed: this tab was frozen, and another has taken over; or the holder did not load
      if (left) return;
      leave();
      lost();
      if (holder) return later(0, viaTabs);
      lacks(error);
      later(3000, viaTabs);
    });
    // What is said until the next one leads waits here.
    const lost = () => {
      post = () => {};
      via = "nobody";
      whoLeads();
    };
    whoLeads = () => left || bus.postMessage({ do: "who" });
    whoLeads();
    return true;
  }

  const lacks = (error) => show({ state: "waiting", reason: "holder_missing", because: error.message });

  async function alone() {
    const holder = await makeHolder(holding, (to, m) => queueMicrotask(() => receive(m)));
    attach("alone", (m) => holder.receive(id, m), () => holder.destroy());
    return true;
  }

  async function find(first, ...args) {
    detach();
    detach = post = () => {};
    via = "nobody";
    gone = false;
    id = uid();
    const turn = ++search;
    const worker = ["auto", "worker"].includes(share) && viaWorker;
    const tabs = ["auto", "tabs"].includes(share) && viaTabs;
    // Chromium may give a tab to the worker that has just died, which says nothing: so it is asked for twice.
    let ways = [first === viaWorker && worker, worker, tabs, alone].filter(Boolean);
    // Sandboxed frames have locks and may not use them.
    if (!navigator.locks || !(await hold().catch(() => false))) ways = [alone];
    for (const [i, way] of ways.slice(Math.max(0, ways.indexOf(first))).entries()) {
      try {
        if (turn !== search || gone || await way(...(way === first && !i ? args : []))) return;
      } catch (error) { // a worker of another origin is thrown at once
        if (way === alone) lacks(error);
      }
    }
    if (turn === search && !gone) later(3000);
  }
  function later(ms, first) {
    const turn = search;
    setTimeout(() => { if (turn === search && !gone) find(first); }, ms);
  }

  // A holder that hangs keeps its lock, and so does a frozen leader. Hidden tabs do not look: their clocks are slow.
  setInterval(() => {
    if (gone || via === "alone" || via === "leader" || !visible()) return;
    if (silence === 1) whoLeads(); // perhaps another has led for long
    if (silence++ < 2) return post({ do: "ping" });
    silence = 0;
    show({ reason: "holder_hung", because: `the ${via === "worker" ? "worker" : "leading tab"} does not answer` });
    find(viaTabs, via !== "worker");
  }, 5000);

  function tell(event) {
    if (event.persisted && gone && !closed) find();
    const wakes = event.type !== "visibilitychange" || visible();
    post({ do: "wake", visible: visible(), wake: wakes, network: event.type === "online" });
  }
  function leave() {
    gone = true;
    detach();
    detach = post = () => {};
    unlock();
  }
  for (const type of ["visibilitychange", "resume"]) document.addEventListener(type, tell);
  for (const type of ["pageshow", "online"]) addEventListener(type, tell);
  addEventListener("pagehide", leave);

  // --- what pages use ---

  function channel(which) {
    const on = (type, f, o) => {
      if (o?.signal?.aborted) return () => {};
      if (!channels.has(which)) {
        channels.set(which, new Map());
        post({ do: "channel", name: which });
      }
      const own = channels.get(which);
      // A component that is drawn anew leaves and enters in one go.
      return listen(own, type, f, o, () => queueMicrotask(() => own.size || channels.get(which) !== own || forget()));
    };
    const forget = () => {
      if (!channels.delete(which)) return;
      positions.delete(which);
      if (gap.delete(which)) show();
      post({ do: "leave", name: which });
    };
    return {
      name: which,
      on,
      leave: forget,
      loaded: () => { if (gap.delete(which)) show(); },
      publish: (data, { key, ...o } = {}) => request({ type: "$publish", channel: which, data, key }, o),
      presence: async () => (await request({ type: "$presence", channel: which })).data,
      history: async (o) => (await request({ type: "$history", channel: which, ...o })).data,
    };
  }

  function stream(which) {
    if (!streams.has(which)) streams.set(which, new Folded(which, request));
    return streams.get(which);
  }

  const client = {
    get status() { return status; },
    on: (type, f, o) => listen(handlers, type, f, o),
    once(type, f, o) {
      const off = listen(handlers, type, (...args) => { off(); return f(...args); }, o);
      return off;
    },
    send: (type, fields, o) => request({ ...fields, type }, o),
    channel,
    stream,
    reconnect() {
      if (!closed) return post({ do: "reconnect" });
      closed = false;
      find();
    },
    close() {
      leave();
      closed = true;
      for (const { reject } of pending.values()) reject(new Refused({ error: "closed" }));
      pending.clear();
      show({ state: "stopped", reason: "closed", since: Date.now() });
    },
  };
  show();
  find();
  return client;
}

// A folded endpoint. What was said to a closed one is refused by the daemon.
class Folded extends globalThis.EventTarget {
  readyState = 0;
  onopen = this.onmessage = this.onclose = null;

  constructor(name, request) {
    super();
    this.send = (data) => {
      if (typeof data === "string") return request({ stream: name, text: data });
      const bytes = new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength);
      return request({ stream: name, base64: btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")) });
    };
    this.close = () => { this.readyState = 3; };
  }

  hear(m) {
    if (m.type !== "$stream") {
      const bytes = () => Uint8Array.from(atob(m.base64), (c) => c.charCodeAt(0)).buffer;
      const data = m.text ?? (m.base64 === undefined ? JSON.stringify(m.payload) : bytes());
      return this.tell(new MessageEvent("message", { data }));
    }
    const open = m.state === "open";
    const before = this.readyState;
    this.readyState = open ? 1 : m.retry_after === undefined ? 3 : 0;
    if (this.readyState === before || !this.readyState) return;
    this.tell(Object.assign(new Event(open ? "open" : "close"), { code: m.code, reason: m.reason }));
  }

  tell(event) {
    this[`on${event.type}`]?.(event);
    this.dispatchEvent(event);
  }
}

// --- in a worker: tabs come by ports ---

// `leave` when the tab's lock is free: it was closed, it crashed, it went elsewhere.
function watch(tab, lock, leave) {
  navigator.locks.request(lock, { mode: "shared" }, () => leave(tab));
}

if (globalThis.SharedWorkerGlobalScope) {
  const lock = `wayleave:worker:${uid()}`;
  const ports = new Map();
  const held = new Promise((resolve) => { navigator.locks.request(lock, () => new Promise(() => { resolve(); })); });
  const loaded = import("./wayleave-holder.js");
  let holder = null;

  const leave = (tab, moved) => {
    ports.delete(tab);
    holder?.leave(tab);
    // The next page of the same user may be on its way.
    setTimeout(() => {
      if (ports.size) return;
      holder?.destroy();
      holder = null;
    }, moved ? 0 : 10_000);
  };
  const spread = (to, m) => {
    for (const port of to ? [ports.get(to)] : ports.values()) port?.postMessage(m);
  };

  // Before anything is waited for: else Chromium loses the first tab.
  globalThis.onconnect = ({ ports: [port] }) => {
    port.onmessage = async ({ data }) => {
      const { createHolder, world } = await loaded;
      if (data.do === "hello") {
        holder ??= createHolder(data.options, world(data.options), spread);
        ports.set(data.tab, port);
        watch(data.tab, data.lock, leave);
      }
      holder?.receive(data.tab, data);
      if (data.do === "leave" && !data.name) leave(data.tab, data.moved);
    };
    Promise.all([held, loaded]).then(() => port.postMessage({ do: "greet", talk, lock }));
  };
}
