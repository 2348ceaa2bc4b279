// The browser's end of wayleave's wire: one connection for each user, however many tabs there are. See README.md.
//
//   tab ── messages ──► holder ── frames ──► wayleave
//
// The holder has the socket. It lives in a SharedWorker (this file again), in the tab that leads, or in each tab
// alone. A tab has the handlers and the promises, and knows how far it has come; so a new holder learns all that it
// must know from its tabs. In this order: errors, holder, transports, store, tab, ways to a holder, worker.

const talk = 1; // the version of what tabs and holders say to each other: both are old as long as an old tab is open
const heldUp = 65536; // bytes in the socket at which more would only take the place of what is urgent
const final = new Set([1002, 1007, 1008, 1009, 4400, 4402, 4403, 4404, 4409]);
const lanesByName = { urgent: 0, normal: 1, low: 2 };
const uid = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (n) => n.toString(16).padStart(2, "0")).join("");

// --- errors ---

export class Refused extends Error {
  constructor({ error, because, retry_after, rule }) {
    super(because ? `${error}: ${because}` : error);
    Object.assign(this, { error, because, retryAfter: retry_after, rule });
  }
}

export class Unknown extends Error {}

// --- the holder: pure, told of the world by `env` (now, random, after, online, open, store) ---

// `post(tab, message)` speaks to a tab, or with null to all of them. Exported for tests.
export function createHolder(options, env, post) {
  const { transports = ["websocket", "sse"], timeout = 10_000 } = options;
  const most = { messages: 100, bytes: 262_144, age: 3_600_000, ...options.queue };
  const tabs = new Map(); // id -> { visible, token }
  const channels = new Map(); // name -> { tabs, pos, joined, live, acks, asked, top, missed }
  const streams = new Map(); // name -> the last $stream
  let status = { state: "connecting", since: env.now(), queued: 0 };
  let telling = false;
  let destroyed = false;

  function say(changes) {
    if (changes.state && changes.state !== status.state) changes.since = env.now();
    status = { ...status, ...changes };
    if (telling) return;
    telling = true;
    env.after(0, () => {
      telling = false;
      if (!destroyed) post(null, { do: "status", status });
    });
  }

  // --- the token: a tab's function makes it ---

  let token;
  let expires = 0; // of the session, ms since 1970; 0: not known
  let asking = null;
  let question = 0;
  let tokenCame = () => {};
  let cancelRefresh = () => {};
  const hasToken = () => [...tabs.values()].some((tab) => tab.token);

  function askToken() {
    const number = ++question;
    asking ??= new Promise((resolve, reject) => {
      const order = [...tabs].filter(([, tab]) => tab.token).sort((a, b) => b[1].visible - a[1].visible);
      let cancel = () => {};
      const next = () => {
        const [id] = order.shift() ?? [];
        if (!id) return reject(Error("token() gave no answer"));
        post(id, { do: "token", number });
        cancel = env.after(timeout, next);
      };
      tokenCame = (message) => {
        if (message.number !== number) return;
        cancel();
        message.error ? reject(Error(message.error)) : resolve(message.token);
      };
      next();
    }).finally(() => { asking = null; });
    return asking;
  }

  // At 80 % of its life, by this clock, which may be wrong: never in a loop.
  function refreshLater() {
    cancelRefresh();
    if (!expires || !hasToken()) return;
    cancelRefresh = env.after(Math.max(30_000, (expires - env.now()) * 0.8), () => {
      const mine = link;
      askToken().then((fresh) => {
        if (fresh === null) return signOut();
        if (mine !== link || !mine || fresh === token) return; // yesterday's: the session ends as it would
        mine.auth = fresh;
        mine.raw.send(JSON.stringify({ type: "$auth", token: fresh, $id: "auth" }));
      }, (error) => say({ reason: "token", because: error.message }));
    });
  }

  function authenticated(mine, m) {
    if (m.type === "$error") return say({ reason: m.error, because: m.because });
    token = mine.auth;
    const before = expires;
    expires = milliseconds(m.expires);
    if (expires > before) refreshLater();
  }
  const milliseconds = (time = 0) => (time > 1e11 ? time : time * 1000);

  // --- the connection ---

  let hello = { ping_every: 25_000, reconnect: { min: 500, max: 30_000 } };
  let link = null; // has said $hello
  let trying = null; // has not yet
  let attempts = 0; // since it was online for 10 s
  let refusals = 0; // WebSockets that never opened, in a row
  let denials = 0; // 4401, in a row
  let turns = 0;
  let worked = false; // a WebSocket has opened here
  let probeAfter = 300_000;
  let firm = false; // the server said when
  let cancelDue = () => {};
  let cancelSteady = () => {};
  let cancelProbe = () => {};
  let due = false;
  let woken = -Infinity;
  let losses = [];
  let trips = [];

  function connect(kind = transports[0]) {
    cancelDue();
    due = false;
    trying?.drop();
    const turn = ++turns;
    if (!link) say({ state: "connecting", retryAt: undefined });
    const known = token !== undefined && !(expires && expires < env.now());
    if (known || !hasToken()) return open(kind);
    askToken().then((fresh) => {
      if (turn !== turns) return;
      if (fresh === null) return signOut();
      token = fresh;
      expires = 0;
      open(kind);
    }, (error) => turn === turns && wait(backoff(), { reason: "token", because: error.message }));
  }

  function open(kind) {
    const mine = { kind, heard: env.now(), drop: () => { mine.over = true; cancelHang(); mine.raw?.close(); } };
    const end = (info) => {
      if (mine.over) return;
      mine.drop();
      ended(mine, info);
    };
    // An upgrade that hangs is blocked, as far as anybody can tell.
    const cancelHang = env.after(6000, () => { if (!mine.opened) end({ because: "no answer in 6 s" }); });
    trying = mine;
    mine.end = end;
    mine.raw = env.open(kind, () => token, {
      alive: () => { mine.heard = env.now(); },
      idle: flush,
      closed: end,
      text: (text) => {
        let said;
        try { said = [].concat(JSON.parse(text)); } catch { said = [null]; }
        for (const m of said) {
          const ours = m && typeof m === "object" && (mine.opened || m.type === "$hello" || m.type === "$bye");
          if (!ours) return end({ garbage: true, because: `this is no wayleave: ${text.slice?.(0, 40)}` });
          hear(mine, m);
        }
      },
    });
  }

  function hear(mine, m) {
    if (m.re !== undefined && !m.$) return answered(mine, m); // also of a stream that a WebSocket has replaced
    if (mine.over) return;
    mine.heard = env.now();
    if (m.type === "$hello") welcome(mine, m);
    else if (m.type === "$bye") mine.bye = m;
    else if (m.type === "$subscribed") subscribed(m);
    else deliver(m);
  }

  function welcome(mine, m) {
    if (!transports.includes(mine.kind)) {
      trying = null;
      mine.drop();
      return wait(backoff(), { reason: "blocked", because: "WebSockets do not pass here" });
    }
    link?.drop();
    trying = null;
    mine.opened = true;
    worked ||= mine.kind === "websocket";
    link = mine;
    hello = { ...hello, ...m };
    expires = milliseconds(m.expires);
    cancelSteady = env.after(10_000, () => { attempts = refusals = denials = 0; });
    say({ state: "online", transport: mine.kind, retryAt: undefined, reason: undefined, because: undefined });
    refreshLater();
    streams.clear();
    enter(m.channels ?? []);
    flush();
    ping();
    beat(mine, env.now() + 5000);
    cancelProbe();
    if (mine.kind === "websocket") probeAfter = 300_000;
    else if (transports.includes("websocket")) probe(worked ? 10_000 : probeAfter);
  }

  // Whether WebSockets pass again, beside the stream.
  function probe(after) {
    cancelProbe = env.after(after, () => { if (link?.kind === "sse") connect("websocket"); });
  }

  function ended(mine, info) {
    if (mine === link) {
      link = null;
      cancelSteady();
      cancelRefresh();
      losses = [...losses.slice(-9), env.now()];
      requeue();
    } else if (mine !== trying) return;
    if (mine === trying) trying = null;
    if (link) return probe((probeAfter = Math.min(probeAfter * 2, 3_600_000)));
    if (trying) return;
    cancelProbe();
    judge(mine, info);
  }

  // What the server said, else what the manual says of the code.
  function judge(mine, info) {
    const { bye } = mine;
    const { problem = {}, status: http } = info;
    const code = bye?.code ?? info.code;
    const why = {
      reason: bye?.reason || problem.error || (info.garbage ? "garbage" : http ? `http_${http}` : code ? `close_${code}` : "unreachable"),
      because: bye?.because ?? problem.detail ?? (info.because || info.reason || undefined),
    };
    const after = bye?.reconnect?.after_ms ?? info.retryAfter;
    if (bye?.renew || code === 4401 || http === 401) {
      if (denials++) return stop(why);
      token = undefined;
      return wait(after ?? 0, why, true);
    }
    const over = bye ? bye.reconnect === false
      : http ? problem.error && http < 500 && ![408, 426, 429].includes(http) && after === undefined
      : final.has(code);
    if (over) return stop(why);
    if (after !== undefined) return wait(after, why, true);
    // A page is told nothing of a handshake that was refused. The same question without the upgrade has an answer.
    if (!mine.opened && mine.kind === "websocket" && (refusals++ % 5 === 0 || denials)) return connect("sse");
    wait(backoff(), why);
  }

  // Full jitter: who was cut off together does not come back together.
  const backoff = () => env.random() * Math.min(hello.reconnect.max, hello.reconnect.min * 2 ** Math.min(attempts++, 20));

  function wait(ms, why, isFirm = false) {
    firm = isFirm;
    due = true;
    expire();
    say({ ...why, state: env.online() ? "waiting" : "offline", transport: undefined, retryAt: env.now() + ms });
    cancelDue();
    cancelDue = env.after(ms, () => connect());
  }

  function stop(why) {
    turns++;
    due = false;
    for (const cancel of [cancelDue, cancelProbe, cancelRefresh, cancelSteady]) cancel();
    if (link) requeue();
    link?.drop();
    trying?.drop();
    link = trying = null;
    say({ ...why, state: "stopped", transport: undefined, retryAt: undefined });
  }

  function signOut() {
    stop({ reason: "signed_out", because: undefined });
    token = undefined;
    for (const lane of lanes) for (const item of lane.splice(0)) refuse(item, "signed_out");
    keep((store) => store.wipe());
    count();
  }

  function wake(networkChanged) {
    if (env.now() - woken < 1000) return;
    woken = env.now();
    if (due && !firm) return connect();
    ping();
    if (networkChanged && link?.kind === "sse" && !trying && transports.includes("websocket")) connect("websocket");
  }

  // --- is it alive? The daemon's own pings are hidden from pages. ---

  function beat(mine, at) {
    env.after(5000, () => {
      if (mine.over || destroyed) return;
      const now = env.now();
      const slept = now - at > 10_000;
      const quiet = now - mine.heard > hello.ping_every + 5000 && [...tabs.values()].some((tab) => tab.visible);
      if (slept || quiet) ping();
      expire();
      beat(mine, now + 5000);
    });
  }

  function ping() {
    const mine = link;
    if (!mine || mine.bye || mine.pinged) return;
    const at = (mine.pinged = env.now());
    mine.raw.send('{"type":"$ping","$id":"ping"}');
    const patience = mine.raw.full() ? 20_000 : 4000;
    env.after(patience, () => {
      if (mine.over || mine.pinged !== at) return;
      mine.pinged = 0;
      // Something else came, or this machine slept: ask again.
      if (mine.heard > at || env.now() - at > patience + 2000) return ping();
      mine.end({ because: "no answer to a ping" });
    });
  }

  function ponged(mine) {
    if (!mine.pinged) return;
    trips = [...trips.slice(-4), env.now() - mine.pinged];
    mine.pinged = 0;
    const rtt = [...trips].sort((a, b) => a - b)[trips.length >> 1];
    const lost = losses.filter((at) => at > env.now() - 300_000).length;
    say({ rtt, quality: rtt > 500 || lost > 2 ? "poor" : rtt > 150 || lost ? "fair" : "good" });
  }

  // --- channels ---

  const dirty = new Set(); // to be asked for
  const asked = new Map(); // $id of a $subscribe -> names
  let one = false; // the daemon takes one channel at a time
  let askSoon = false;
  let number = 0;

  const channelOf = (name) => channels.get(name) ?? channels.set(name, { tabs: new Set(), top: 0 }).get(name);

  function enter(joined) {
    asked.clear();
    dirty.clear();
    for (const c of channels.values()) Object.assign(c, { joined: false, live: false, asked: 0, top: 0 });
    for (const j of joined) {
      const c = channelOf(j.channel);
      c.joined = c.live = true;
      c.acks = j.acks;
      const behind = c.pos && !(c.pos.epoch === j.epoch && c.pos.offset === j.offset);
      if (behind && !c.acks) dirty.add(j.channel);
      else subscribed(j);
    }
    for (const [name, c] of channels) {
      if (c.tabs.size && !c.joined) dirty.add(name);
      else if (!c.joined) channels.delete(name);
    }
    ask();
  }

  function ask() {
    askSoon = false;
    if (!link) return;
    let names = [];
    let bytes = 100;
    const mine = link;
    const send = () => {
      const $id = `s${++number}`;
      const list = names.map((channel) => {
        const c = channels.get(channel);
        c.asked = $id;
        // On a stream, what is live may come before the past that was asked for by POST; on a socket it comes again.
        if (mine.kind === "sse" && c.live && c.pos) c.top = Infinity;
        return { channel, since: c.acks ? undefined : c.pos };
      });
      asked.set($id, new Set(names));
      const what = list.length === 1 ? list[0] : { channels: list };
      mine.raw.send(JSON.stringify({ type: "$subscribe", ...what, $id }));
      names = [];
      bytes = 100;
    };
    for (const name of dirty) {
      if (!channels.has(name)) continue;
      const size = 4 * name.length + 100;
      if (names.length && (one || names.length > 999 || bytes + size > (hello.max_message ?? 65536))) send();
      names.push(name);
      bytes += size;
    }
    dirty.clear();
    if (names.length) send();
  }

  function askFor(name, after = 0) {
    if (!after && askSoon) return dirty.add(name);
    askSoon ||= !after;
    if (!after) dirty.add(name);
    env.after(after, () => {
      if (after && channels.has(name)) dirty.add(name);
      ask();
    });
  }

  function subscribeAnswered(names, m) {
    const failed = m.type === "$error";
    if (failed && !m.channel) {
      asked.delete(m.re);
      if (names.size > 1 && !m.retry_after) one = true;
      if (names.size > 1) return names.forEach((name) => askFor(name, m.retry_after));
      [m.channel] = names;
    }
    names.delete(m.channel);
    if (!names.size) asked.delete(m.re);
    const c = channels.get(m.channel);
    if (!c || c.asked !== m.re) return; // left, or asked again
    c.asked = 0;
    if (!failed) return subscribed(m);
    if (m.retry_after) askFor(m.channel, m.retry_after);
    else post(null, { do: "in", m });
  }

  function subscribed(m) {
    const c = channelOf(m.channel);
    if (m.type && m.re === undefined) c.joined ||= !c.tabs.size; // the server's doing
    c.acks = m.acks ?? c.acks;
    c.live = true;
    if (c.top) c.top = m.offset ?? 0;
    const fresh = c.acks ? c.pos?.epoch !== m.epoch : !c.pos || m.recovered === false;
    if (fresh) c.pos = m.epoch && { epoch: m.epoch, offset: c.acks ? 0 : m.offset };
    post(null, { do: "at", m: { ...m, acks: c.acks } });
  }

  function deliver(m) {
    const { $ } = m;
    const c = $ && channels.get($.channel);
    if (c && $.epoch) {
      if (c.asked && !c.acks && link.kind === "websocket") return; // comes again behind the answer
      const { pos } = c;
      if (pos?.epoch === $.epoch) {
        if ($.offset <= pos.offset && !c.acks) return;
        if (pos.offset < c.top && $.offset !== pos.offset + 1) return;
      }
      c.pos = { epoch: $.epoch, offset: $.offset };
      c.missed ||= c.acks && !tabs.size;
    }
    if (m.type === "$stream") streams.set(m.stream, m);
    if (m.type === "$unsubscribed" && channels.has(m.channel)) channelOf(m.channel).joined = false;
    post(null, { do: "in", m, all: !c || c.joined, acks: c?.acks });
  }

  function want(tab, name, since) {
    const c = channelOf(name);
    const known = c.tabs.size || c.joined;
    c.tabs.add(tab);
    enterAt(tab, name, since, known);
  }

  // A tab that is behind gets what it missed; the others have seen it.
  function enterAt(tab, name, since, known) {
    const c = channelOf(name);
    const behind = since && !c.acks && (!c.pos || (c.pos.epoch === since.epoch && since.offset < c.pos.offset));
    if (behind) c.pos = since;
    if (link && (!known || behind || c.missed)) askFor(name);
    else if (c.live && !c.asked) post(tab, { do: "at", m: { channel: name, ...c.pos, acks: c.acks } });
    c.missed = false;
  }

  function leaveChannel(tab, name) {
    const c = channels.get(name);
    if (!c?.tabs.delete(tab) || c.tabs.size || c.joined) return;
    channels.delete(name);
    if (link) link.raw.send(JSON.stringify({ type: "$unsubscribe", channel: name }));
  }

  const acks = new Map(); // channel -> the newest that all before have been handled
  function acknowledge(name, offset) {
    if (!acks.size) env.after(50, () => {
      for (const [channel, top] of acks) link?.raw.send(JSON.stringify({ type: "$ack", channel, offset: top }));
      acks.clear();
    });
    acks.set(name, Math.max(offset, acks.get(name) ?? 0));
  }

  // --- what is said: queued -> sent -> answered, or unknown ---

  const lanes = [[], [], []];
  const sent = new Map(); // $id -> item
  let paused = 0; // until then the server wants nothing of what waited
  let flushing = false;

  const count = () => {
    const queued = lanes.reduce((sum, lane) => sum + lane.length, 0);
    if (queued !== status.queued) say({ queued });
    return queued;
  };
  const weight = () => lanes.flat().reduce((sum, item) => sum + item.text.length, 0);
  const settle = (item, m) => {
    item.cancel?.();
    sent.delete(item.id);
    if (item.kept) keep((store) => store.remove(item.id));
    post(item.tab, { do: "answer", id: item.id, m });
  };
  const refuse = (item, error, because) => settle(item, { type: "$error", error, because });
  const keep = (act) => {
    if (env.store) act(env.store)?.catch((error) => say({ reason: "storage", because: String(error) }));
  };

  let bytes = 0;
  function enqueue(item) {
    if (sent.has(item.id) || lanes.some((lane) => lane.some((other) => other.id === item.id))) return;
    const offline = !link;
    if (offline && (item.volatile || options.queue === false)) return refuse(item, "offline");
    item.late = offline;
    if (item.once && most.persist && !item.kept) {
      item.kept = true;
      keep((store) => store.put({ ...item, tab: null }));
    }
    lanes[item.lane].push(item);
    bytes += item.text.length;
    flush();
    if (bytes > most.bytes) bytes = weight();
    while (bytes > most.bytes || (!link && lanes[0].length + lanes[1].length + lanes[2].length > most.messages)) {
      const old = lanes.findLast((lane) => lane.length).shift();
      bytes -= old.text.length;
      refuse(old, "queue_full");
    }
    count();
  }

  function flush() {
    flushing = false;
    const held = paused - env.now();
    for (const lane of lanes) {
      while (lane.length && link && !link.bye) {
        if (held > 0 || link.raw.full()) {
          if (!flushing && (held > 0 || link.kind === "websocket")) env.after(Math.max(held, 50), flush);
          flushing = true;
          return void count();
        }
        transmit(lane.shift());
      }
    }
    bytes = weight();
    count();
  }

  function transmit(item) {
    if (item.at + most.age < env.now()) return refuse(item, "too_old");
    if (hello.max_message && new TextEncoder().encode(item.text).length > hello.max_message)
      return refuse(item, "too_big", `more than ${hello.max_message} bytes`);
    post(item.tab, { do: "sent", id: item.id }); // first: if this holder dies now, the tab must know
    sent.set(item.id, item);
    item.cancel = env.after(item.timeout ?? timeout, () => settle(item, null));
    link.raw.send(item.text);
  }

  function answered(mine, m) {
    if (m.re === "ping") return ponged(mine);
    if (m.re === "auth") return authenticated(mine, m);
    if (asked.has(m.re)) return subscribeAnswered(asked.get(m.re), m);
    const item = sent.get(m.re);
    if (!item) return;
    if (!(m.type === "$error" && m.retry_after && item.late)) return settle(item, m);
    // It waited for the connection with others, and together they are too many: it waits on.
    item.cancel();
    sent.delete(item.id);
    paused = env.now() + m.retry_after;
    putBack([item]);
    flush();
  }

  function putBack(items) {
    for (const item of items.reverse()) lanes[item.lane].unshift(item);
    for (const lane of lanes) lane.sort((a, b) => a.at - b.at);
  }

  function requeue() {
    const again = [...sent.values()].filter((item) => item.once);
    for (const item of sent.values()) item.once ? item.cancel() : settle(item, null);
    sent.clear();
    again.forEach((item) => { item.late = true; });
    putBack(again);
    count();
  }

  function expire() {
    for (const lane of lanes) while (lane.length && lane[0].at + most.age < env.now()) refuse(lane.shift(), "too_old");
    count();
  }

  // --- what tabs say ---

  function leave(tab) {
    if (!tabs.delete(tab)) return;
    for (const name of [...channels.keys()]) leaveChannel(tab, name);
  }

  const orders = {
    hello(tab, m) {
      tabs.set(tab, { visible: m.visible, token: m.token });
      post(tab, { do: "status", status });
      for (const state of streams.values()) post(tab, { do: "in", m: state, all: true });
      for (const name of new Set([...Object.keys(m.positions), ...channels.keys()])) {
        const joined = channels.get(name)?.joined;
        if (!m.channels.includes(name) && (joined || !link)) enterAt(tab, name, m.positions[name], joined);
      }
      for (const name of m.channels) want(tab, name, m.positions[name]);
      if (status.state === "connecting" && !link && !trying && !asking && !due) connect();
    },
    channel: (tab, m) => want(tab, m.name, m.since),
    leave: (tab, m) => (m.name ? leaveChannel(tab, m.name) : leave(tab)),
    send: (tab, m) => enqueue({ tab, at: env.now(), ...m.item }),
    abort(tab, m) {
      for (const lane of lanes) {
        const at = lane.findIndex((item) => item.id === m.id);
        if (at >= 0 && lane[at].kept) keep((store) => store.remove(m.id));
        if (at >= 0) lane.splice(at, 1);
      }
      count();
    },
    ack: (tab, m) => acknowledge(m.name, m.offset),
    token: (tab, m) => tokenCame(m),
    ping: (tab) => post(tab, { do: "pong" }),
    wake(tab, m) {
      if (tabs.has(tab)) tabs.get(tab).visible = m.visible;
      if (m.wake) wake(m.network);
    },
    reconnect() {
      attempts = refusals = denials = 0;
      token = undefined;
      if (link) requeue();
      link?.drop();
      link = null;
      connect();
    },
  };

  keep((store) => store.all().then((items) => items.forEach((item) => enqueue({ ...item, kept: true }))));

  return {
    receive: (tab, m) => { if (!destroyed) orders[m.do]?.(tab, m); },
    leave,
    get tabs() { return tabs.size; },
    get status() { return status; },
    destroy() {
      stop({});
      destroyed = true;
    },
  };
}

// --- transports: `on` is told text, alive, idle and, once, closed ---

const openers = {
  websocket(url, token, on) {
    const socket = new WebSocket(url, token() ? ["wayleave.v1", token()] : []);
    socket.onmessage = ({ data }) => on.text(data);
    socket.onclose = ({ code, reason }) => on.closed({ code, reason });
    return {
      send: (text) => socket.send(text),
      full: () => socket.bufferedAmount > heldUp,
      close: () => socket.close(),
    };
  },

  // Server-Sent Events, read by fetch: it shows why it was refused, and sets headers. What is said goes by POST, one
  // after another, so that the order stays.
  sse(url, token, on) {
    const address = url.replace(/^ws/, "http");
    const stopper = new AbortController();
    const ask = (init) => fetch(address, {
      credentials: token() ? "same-origin" : "include",
      ...init,
      headers: { ...init.headers, ...(token() && { Authorization: `Bearer ${token()}` }) },
    });
    const broken = (error) => on.closed({ because: error.message });
    let session = "";
    let posts = 0;
    let last = Promise.resolve();

    async function listen() {
      const answer = await ask({ headers: { Accept: "text/event-stream" }, cache: "no-store", signal: stopper.signal });
      const type = answer.headers.get("Content-Type") ?? "";
      if (!type.startsWith("text/event-stream")) {
        const problem = (await answer.json().catch(() => null)) ?? {};
        const after = answer.headers.get("Retry-After");
        return on.closed({ status: answer.status, problem, retryAfter: after ? after * 1000 : undefined });
      }
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ;) {
        const { done, value } = await reader.read();
        if (done) return on.closed({ code: 1006 });
        on.alive();
        const events = (rest + value).split("\n\n");
        rest = events.pop();
        for (const event of events) {
          const data = event.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n");
          session ||= /"session":"(\w+)"/.exec(data)?.[1];
          if (data) on.text(data);
        }
      }
    }

    async function say(body) {
      const answer = await ask({ method: "POST", body, headers: { "Content-Type": "application/json", "Wayleave-Session": session } });
      const text = await answer.text();
      if (text.includes('"unknown_session"')) return on.closed({});
      if (text) on.text(text);
      posts--;
      on.idle();
    }

    listen().catch(broken);
    return {
      send(text) {
        posts++;
        last = last.then(() => say(text)).catch(broken);
      },
      full: () => posts > 0,
      close: () => stopper.abort(),
    };
  },
};

// What a holder in a browser stands on.
const world = ({ url, user, queue }) => ({
  now: () => Date.now(),
  random: Math.random,
  online: () => navigator.onLine !== false,
  after(ms, f) {
    const timer = setTimeout(f, Math.min(ms, 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
  open(kind, token, on) {
    try {
      return openers[kind](url, token, on);
    } catch (error) { // a token that no subprotocol can be
      setTimeout(() => on.closed({ code: 4401, reason: error.message }));
      return { send() {}, full: () => true, close() {} };
    }
  },
  store: queue?.persist && createStore(`wayleave:${url}:${user}`),
});

// --- the store: messages that are sent once, and outlive the page ---

function createStore(name) {
  const database = new Promise((resolve, reject) => {
    const request = indexedDB.open(name);
    request.onupgradeneeded = () => request.result.createObjectStore("queue", { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const run = async (mode, act) => {
    const transaction = (await database).transaction("queue", mode);
    const request = act(transaction.objectStore("queue"));
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
  };
  return {
    all: async () => (await run("readonly", (queue) => queue.getAll())).sort((a, b) => a.at - b.at),
    put: (item) => run("readwrite", (queue) => queue.put(item)),
    remove: (id) => run("readwrite", (queue) => queue.delete(id)),
    wipe: () => run("readwrite", (queue) => queue.clear()),
  };
}

// --- the tab ---

export function connect(url, options = {}) {
  const { share = "auto", user = "", token, ack = "auto" } = options;
  if (token && share !== "none" && !options.user)
    throw TypeError("wayleave: `token` needs `user`, since tabs share a connection; or set `share` to \"none\"");
  const address = Object.assign(new URL(url, location.href), { hash: "" }).href.replace(/^http/, "ws");
  const id = uid();
  const handlers = new Map(); // type or pattern -> functions
  const channels = new Map(); // name -> the same, of a channel
  const streams = new Map();
  const positions = new Map();
  const seen = new Set(); // ids of messages without a number
  const pending = new Map(); // $id -> what was said and is not answered
  const gap = new Set();
  const holding = { url: address, user, queue: options.queue, timeout: options.timeout, transports: options.transports };
  let told = { state: "connecting", since: Date.now(), queued: 0 };
  let via = "nobody";
  let status;
  let post = () => {}; // to the holder
  let detach = () => {};
  let silence = 0; // pings without an answer
  let closed = false;

  function show(changes) {
    told = { ...told, ...changes };
    status = Object.freeze({ ...told, via, gap: Object.freeze([...gap]) });
    call(handlers.get("$status"), status);
  }

  // --- handlers ---

  function call(set, ...args) {
    return [...(set ?? [])].map((f) => {
      try { return f(...args); } catch (error) { reportError(error); return Promise.reject(error); }
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
    for (let dot = type.lastIndexOf("."); dot > 0; dot = type.lastIndexOf(".", dot - 1)) names.push(`${type.slice(0, dot)}.*`);
    if (type[0] !== "$") names.push("*");
    return names.flatMap((name) => call(map?.get(name), m, meta));
  }

  function heard({ m, all, acks }) {
    const { $ } = m;
    const own = channels.get($?.channel ?? m.channel);
    if (!all && !own) return;
    if (m.stream) return streams.get(m.stream)?.hear(m);
    if ($?.epoch) {
      const pos = positions.get($.channel);
      if (pos?.epoch === $.epoch && $.offset <= pos.offset) return;
      positions.set($.channel, { epoch: $.epoch, offset: $.offset });
    } else if ($?.id) {
      if (seen.has($.id)) return;
      seen.add($.id);
      if (seen.size > 256) seen.delete(seen.values().next().value);
    }
    const acknowledge = () => acks && post({ do: "ack", name: $.channel, offset: $.offset });
    const meta = { ...$, ack: acknowledge };
    const done = [...dispatch(own, m, meta), ...dispatch(handlers, m, meta)];
    if (ack === "auto" && acks && done.length) Promise.all(done).then(acknowledge, () => {});
  }

  // Where a channel stands, and whether something is missing here.
  function stands(m) {
    const pos = positions.get(m.channel);
    const there = pos && pos.epoch === m.epoch;
    const missed = m.recovered === false && !(there && pos.offset >= m.offset);
    if (missed || (pos && m.epoch && !there)) {
      gap.add(m.channel);
      show();
    }
    if (m.epoch && (!there || (missed && !m.acks))) positions.set(m.channel, { epoch: m.epoch, offset: m.acks ? 0 : m.offset });
    if (m.type) dispatch(channels.get(m.channel), m, { ...m });
  }

  // --- what the holder says ---

  const orders = {
    status: ({ status: now }) => show({ rtt: undefined, ...now }),
    in: heard,
    at: ({ m }) => stands({ type: "$subscribed", ...m }),
    sent({ id: which }) { if (pending.has(which)) pending.get(which).sent = true; },
    answer({ id: which, m }) {
      const item = pending.get(which);
      pending.delete(which);
      if (!m) item?.reject(new Unknown("no answer: it may have been done"));
      else m.type === "$error" ? item?.reject(new Refused(m)) : item?.resolve(m);
    },
    async token({ number }) {
      const answer = { do: "token", number };
      try { answer.token = await token(); } catch (error) { answer.error = String(error?.message ?? error) || "failed"; }
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
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const $id = uid();
      const text = JSON.stringify({ ...message, $id, ...(once && { [message.type === "$publish" ? "dedup" : "$dedup"]: $id }) });
      const item = { id: $id, text, lane: lanesByName[priority], once, volatile, timeout };
      pending.set($id, { resolve, reject, item, sent: told.state === "online" });
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
  const lock = `wayleave:tab:${id}`;

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
  let unlock = null;
  const hold = () => new Promise((held) => {
    if (unlock) return held();
    navigator.locks.request(lock, () => new Promise((free) => { unlock = free; held(); }));
  });
  let deaths = 0;
  let search = 0;
  let gone = true; // the page is not there, or has closed the client
  const name = `wayleave:${talk}:${address}:${user}`;

  function viaWorker() {
    const file = options.worker ?? (/\/wayleave[^/]*\.js$/.test(import.meta.url.split(/[?#]/)[0]) && import.meta.url);
    if (!file || !globalThis.SharedWorker) return false;
    return new Promise((resolve) => {
      const worker = new SharedWorker(file, { type: "module", name, extendedLifetime: true });
      const { port } = worker;
      const turn = search;
      const stopper = new AbortController();
      const give = (up) => {
        stopper.abort();
        port.close();
        resolve(up);
      };
      const timer = setTimeout(give, 3000, false); // no greeting: CSP, 404, a mistake in it
      worker.onerror = () => { clearTimeout(timer); if (via !== "worker") give(false); };
      port.onmessage = async ({ data }) => {
        if (data.do !== "greet") return receive(data);
        clearTimeout(timer);
        if (data.talk !== talk || stopper.signal.aborted || turn !== search) return give(false);
        attach("worker", (m) => port.postMessage(m), () => { port.postMessage({ do: "leave", tab: id }); give(); });
        // The worker holds this one: it is granted when the worker is gone.
        navigator.locks.request(data.lock, { mode: "shared", signal: stopper.signal }, () => {
          give();
          if (via === "worker") find(++deaths > 2 ? viaTabs : viaWorker);
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
    let holder = null;
    let release = () => {};
    let left = false;
    const leave = () => {
      if (left) return;
      left = true;
      if (leader !== own) bus.postMessage({ to: leader, do: "leave", tab: id });
      stopper.abort();
      holder?.destroy();
      release();
      bus.close();
    };
    const follow = (which) => {
      leader = which;
      detach = () => {}; // the same bus
      attach("follower", (m) => bus.postMessage({ ...m, to: which }), leave);
    };
    bus.onmessage = ({ data }) => {
      if (data.do === "who" && holder) bus.postMessage({ do: "greet", from: own });
      else if (data.do === "greet" && !holder) data.from !== leader && follow(data.from);
      else if (data.to === own && holder) {
        if (data.do === "hello") watch(data.tab, data.lock, holder);
        holder.receive(data.tab, data);
      } else if (data.from === leader && (!data.to || data.to === id)) receive(data);
    };
    navigator.locks.request(name, steal ? { steal } : { signal: stopper.signal }, () => {
      holder = createHolder(holding, world(holding), (to, m) => {
        if (to === id || !to) queueMicrotask(() => leader === own && receive(m));
        if (to !== id) bus.postMessage({ ...m, from: own, to });
      });
      leader = own;
      detach = () => {};
      attach("leader", (m) => holder?.receive(id, m), leave);
      bus.postMessage({ do: "greet", from: own });
      return new Promise((free) => { release = free; });
    }).catch(() => { // left, or robbed: this tab was frozen, and another has taken over
      if (!left) find(viaTabs);
    });
    bus.postMessage({ do: "who" });
    return true;
  }

  function alone() {
    const holder = createHolder(holding, world(holding), (to, m) => queueMicrotask(() => receive(m)));
    attach("alone", (m) => holder.receive(id, m), () => holder.destroy());
    return true;
  }

  async function find(first, ...args) {
    detach();
    detach = post = () => {};
    via = "nobody";
    gone = false;
    const turn = ++search;
    const ways = { auto: [viaWorker, viaTabs, alone], worker: [viaWorker, alone], tabs: [viaTabs, alone], none: [alone] }[share];
    if (!navigator.locks) return alone();
    await hold();
    for (const way of ways.slice(Math.max(0, ways.indexOf(first)))) {
      try {
        if (turn !== search || gone || await way(...(way === first ? args : []))) return;
      } catch { /* a worker of another origin is thrown at once */ }
    }
  }

  // A holder that hangs keeps its lock, and so does a frozen leader. Hidden tabs do not look: their clocks are slow.
  setInterval(() => {
    if (gone || via === "alone" || via === "leader" || !visible()) return;
    if (silence++ < 2) return post({ do: "ping" });
    silence = 0;
    show({ reason: "holder_hung", because: `the ${via === "worker" ? "worker" : "leading tab"} does not answer` });
    if (via !== "nobody") find(viaTabs, via === "follower");
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
    unlock?.();
    unlock = null;
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
      return listen(own, type, f, o, () => own.size || channels.get(which) !== own || forget());
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
      const data = m.text ?? (m.base64 ? Uint8Array.from(atob(m.base64), (c) => c.charCodeAt(0)).buffer : JSON.stringify(m.payload));
      return this.tell(new MessageEvent("message", { data }));
    }
    const open = m.state === "open";
    const before = this.readyState;
    this.readyState = open ? 1 : m.retry_after === undefined ? 3 : 0;
    if (this.readyState !== before && this.readyState) this.tell(Object.assign(new Event(open ? "open" : "close"), { code: m.code, reason: m.reason }));
  }

  tell(event) {
    this[`on${event.type}`]?.(event);
    this.dispatchEvent(event);
  }
}

// --- in a worker: tabs come by ports ---

// `leave` when the tab's lock is free: it was closed, it crashed, it went elsewhere.
function watch(tab, lock, holder) {
  navigator.locks.request(lock, { mode: "shared" }, () => holder.leave(tab));
}

if (globalThis.SharedWorkerGlobalScope) {
  const lock = `wayleave:worker:${uid()}`;
  const ports = new Map();
  const held = new Promise((resolve) => navigator.locks.request(lock, () => { resolve(); return new Promise(() => {}); }));
  let holder = null;

  // Before anything is waited for: else Chromium loses the first tab.
  globalThis.onconnect = ({ ports: [port] }) => {
    port.onmessage = ({ data }) => {
      if (data.do === "hello") {
        holder ??= createHolder(data.options, world(data.options), (to, m) => {
          for (const one of to ? [ports.get(to)] : ports.values()) one?.postMessage(m);
        });
        ports.set(data.tab, port);
        watch(data.tab, data.lock, { leave });
      }
      holder?.receive(data.tab, data);
      if (data.do === "leave" && !data.name) leave(data.tab);
    };
    held.then(() => port.postMessage({ do: "greet", talk, lock }));
  };

  function leave(tab) {
    ports.delete(tab);
    holder?.leave(tab);
    // The next page of the same user may be on its way.
    setTimeout(() => {
      if (ports.size) return;
      holder?.destroy();
      holder = null;
    }, 10_000);
  }
}
