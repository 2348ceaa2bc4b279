// The holder of the connection: in the SharedWorker, in the tab that leads, or in each tab alone. wayleave.js loads it.
// In this order: the holder itself, transports, store.

const heldUp = 65536; // bytes in the socket at which more would only take the place of what is urgent
const final = new Set([1002, 1007, 1008, 1009, 4400, 4402, 4403, 4404, 4409]);

// Pure: told of the world by `env` (now, random, after, online, open, store).
// `post(tab, message)` speaks to a tab, or with null to all of them.
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
      // The newest that is seen: it knows best who is signed in, and no clock of its own is slow.
      const order = [...tabs].reverse().filter(([, tab]) => tab.token).sort((a, b) => b[1].visible - a[1].visible);
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
  let best = transports[0]; // what worked last
  let worked = false; // a WebSocket has opened here
  let events = false; // a stream has
  let probeAfter = 300_000;
  let firm = false; // the server said when
  let cancelDue = () => {};
  let cancelSteady = () => {};
  let cancelProbe = () => {};
  let due = false;
  let woken = -Infinity;
  let losses = [];
  let trips = [];

  function connect(kind = best) {
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
    // An upgrade that hangs is blocked, as far as anybody can tell. Later ones have longer: where many have failed,
    // Firefox delays them, up to 60 s after the last failure; one that is given up here counts as none.
    const cancelHang = env.after(refusals || link ? 20_000 : 6000, () => mine.opened || end({ because: "no answer" }));
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
    else if (m.type === "$bye") {
      mine.bye = m;
      env.after(5000, () => mine.end({})); // if it does not close
    }
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
    if (mine.kind === "sse") events = true;
    else worked = true;
    link = mine;
    best = mine.kind;
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
    // Where only events have come through, every second attempt is theirs.
    if (!mine.opened) best = events && !worked && mine.kind !== "sse" ? "sse" : transports[0];
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
    const kind = info.garbage ? "garbage" : http ? `http_${http}` : code ? `close_${code}` : "unreachable";
    const why = {
      reason: bye?.reason || problem.error || kind,
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
  function backoff() {
    const { min, max } = hello.reconnect;
    return env.random() * Math.min(max, min * 2 ** Math.min(attempts++, 20));
  }

  function wait(ms, why, isFirm = false) {
    firm = isFirm;
    due = true;
    expire();
    say({ ...why, state: env.online() ? "waiting" : "offline", transport: undefined, retryAt: env.now() + ms });
    cancelDue();
    cancelDue = env.after(Math.max(ms, 1), () => connect());
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
    // An attempt that began in another network may hang.
    if ((due && !firm) || (networkChanged && trying && !link)) return connect();
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
    if (mine.kind === "websocket") mine.heard = env.now();
    // A stream has comments; what came by POST says nothing of it.
    else if (hello.ping_every && env.now() - mine.heard > 2 * hello.ping_every + 9000) return mine.end({ because: "silence" });
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
      const { pos } = c;
      const soon = pos && dirty.has($.channel); // it is about to be asked for, from an earlier place on
      if ((c.asked || soon) && !c.acks && link.kind === "websocket") return; // comes again behind the answer
      if (pos?.epoch === $.epoch) {
        if ($.offset <= pos.offset && !c.acks) return;
        if ((soon || pos.offset < c.top) && $.offset !== pos.offset + 1) return;
      }
      c.pos = { epoch: $.epoch, offset: $.offset };
      c.missed ||= c.acks && !tabs.size;
    }
    if (m.type === "$stream") streams.set(m.stream, m);
    if (m.type === "$unsubscribed") forget(m.channel);
    post(null, { do: "in", m, all: !c || c.joined, acks: c?.acks });
  }

  // The server has ended it.
  function forget(name) {
    const c = channels.get(name);
    if (c?.tabs.size) c.joined = c.live = false;
    else channels.delete(name);
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
    if (c.live || c.asked) link?.raw.send(JSON.stringify({ type: "$unsubscribe", channel: name }));
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
    const known = sent.get(item.id) ?? lanes.flat().find((other) => other.id === item.id);
    if (known) return void (known.tab = item.tab); // which comes from elsewhere
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
      // A page that was just loaded may be one after a log-in.
      if (status.state === "stopped") orders.reconnect();
      else if (!link && !trying && !asking && !due) connect();
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
      close: () => socket.close(1000),
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
          const lines = event.split("\n").filter((line) => line.startsWith("data:"));
          const data = lines.map((line) => line.slice(5)).join("\n");
          session ||= /"session":"(\w+)"/.exec(data)?.[1];
          if (data) on.text(data);
        }
      }
    }

    async function say(body) {
      const headers = { "Content-Type": "application/json", "Wayleave-Session": session };
      const answer = await ask({ method: "POST", body, headers });
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
export const world = ({ url, user, queue }) => ({
  now: () => Date.now(),
  random: Math.random,
  online: () => navigator.onLine !== false,
  after(ms, f) {
    if (!ms) return queueMicrotask(f); // hidden pages are given a timer once a second
    const timer = setTimeout(f, Math.min(ms, 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
  open(kind, token, on) {
    try {
      return openers[kind](url, token, on);
    } catch (error) { // a token that no subprotocol can be
      // The message of the browser would show it.
      const reason = error.name === "SyntaxError" ? "no subprotocol can be this token" : error.message;
      setTimeout(() => on.closed({ code: 4401, reason }));
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

