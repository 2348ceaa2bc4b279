// A world without time and sockets for the holder of a connection: a clock that is told to go on, a server that numbers
// messages and knows ids again, a line that loses what is under way when it is cut.

export function randomOf(seed) {
  let state = seed >>> 0;
  return () => { // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export class Clock {
  now = 1_000_000;
  #timers = [];
  #order = 0;

  after(ms, f) {
    const timer = { at: this.now + Math.max(0, ms), order: this.#order++, f };
    this.#timers.push(timer);
    return () => { timer.f = null; };
  }

  // Runs what is due until then; promises go on in between.
  async run(ms) {
    const end = this.now + ms;
    for (;;) {
      for (let i = 0; i < 8; ++i) await null;
      this.#timers = this.#timers.filter((timer) => timer.f);
      const next = this.#timers.reduce((a, b) => (!a || b.at < a.at || (b.at === a.at && b.order < a.order) ? b : a), null);
      if (!next || next.at > end) break;
      this.now = Math.max(this.now, next.at);
      const { f } = next;
      next.f = null;
      f();
    }
    this.now = end;
  }
}

// One user's connections at a daemon.
export class Server {
  channels = new Map(); // name -> { epoch, messages, joined, kept }
  links = new Set();
  arrivals = []; // of handshakes
  done = []; // [$id, text] of what was executed
  seen = new Map(); // dedup id -> answer
  refuse = null; // what a handshake is told: (kind) -> closed info, or null
  oldDaemon = false; // knows no list of channels
  limit = () => 0; // retry_after of a message

  constructor(clock, random) { Object.assign(this, { clock, random }); }

  channel(name) {
    return this.channels.get(name) ?? this.channels.set(name, { epoch: `e${name}`, first: 1, messages: [], joined: false }).get(name);
  }

  publish(name, fields) {
    const c = this.channel(name);
    const offset = c.first + c.messages.length;
    const m = { ...fields, $: { channel: name, epoch: c.epoch, offset, id: `${name}${offset}` } };
    c.messages.push(m);
    for (const link of this.links) if (link.subscribed.has(name)) link.say(m);
    return { epoch: c.epoch, offset };
  }

  // What `env.open` of a holder is.
  open(kind, on, latency = 20) {
    this.arrivals.push(this.clock.now);
    const refused = this.refuse?.(kind);
    const link = { kind, subscribed: new Set(), open: true };
    let far = 0;
    let near = 0;
    const way = (last, f) => {
      const at = Math.max(last, this.clock.now + this.random() * latency);
      this.clock.after(at - this.clock.now, () => link.open && f());
      return at;
    };
    link.say = (m) => { near = way(near, () => on.text(JSON.stringify(m))); };
    // What answers a POST is not behind what the stream says.
    let posted = 0;
    link.answer = kind === "sse" ? (m) => { posted = way(posted, () => on.text(JSON.stringify(m))); } : link.say;
    link.end = (info) => {
      if (!link.open) return;
      link.open = false;
      this.links.delete(link);
      this.clock.after(0, () => on.closed(info));
    };
    link.bye = (bye) => {
      link.say({ type: "$bye", ...bye });
      near = way(near, () => link.end({ code: bye.code }));
    };
    if (refused) {
      if (refused !== "hang") this.clock.after(5, () => link.end(refused));
    } else {
      this.clock.after(this.random() * latency, () => {
        if (!link.open) return;
        this.links.add(link);
        const channels = [...this.channels].filter(([, c]) => c.joined).map(([channel, c]) => {
          link.subscribed.add(channel);
          return { channel, epoch: c.epoch, offset: c.first + c.messages.length - 1 };
        });
        const comment = () => {
          if (!link.open) return;
          if (!this.mute) on.alive();
          this.clock.after(25_000, comment);
        };
        if (kind === "sse") comment();
        link.say({ type: "$hello", ping_every: 25_000, max_message: 4000, channels, reconnect: { min: 500, max: 30_000 }, ...this.hello?.() });
      });
    }
    return {
      send: (text) => { far = way(far, () => this.hear(link, JSON.parse(text), text)); },
      full: () => false,
      close: () => { link.open = false; this.links.delete(link); },
    };
  }

  hear(link, m) {
    const re = m.$id;
    const say = (answer) => link.answer({ re, ...answer });
    if (m.type === "$ping") return this.deaf || say({ type: "$pong" });
    if (m.type === "$auth") return this.auth?.(m, say);
    const wait = this.limit(m);
    if (wait) return say({ type: "$error", error: "limited", retry_after: wait });
    if (m.type === "$subscribe") {
      if (m.channels && this.oldDaemon) return say({ type: "$error", error: "bad_message" });
      for (const one of m.channels ?? [m]) this.subscribe(link, one, say);
    } else if (m.type === "$unsubscribe") {
      link.subscribed.delete(m.channel);
    } else if (m.type === "say") {
      const known = m.$dedup && this.seen.get(m.$dedup);
      if (known) return say({ ...known, duplicate: true });
      this.done.push([m.$id, m.text]);
      const answer = { type: "$ok", ...this.publish(m.channel, { type: "said", text: m.text }) };
      if (m.$dedup) this.seen.set(m.$dedup, answer);
      say(answer);
    }
  }

  subscribe(link, { channel, since }, say) {
    if (channel === "forbidden") return say({ type: "$error", error: "forbidden", channel });
    const c = this.channel(channel);
    const top = c.first + c.messages.length - 1;
    link.subscribed.add(channel);
    const recovered = since && since.epoch === c.epoch && since.offset >= c.first - 1 && since.offset <= top;
    say({ type: "$subscribed", channel, epoch: c.epoch, offset: top, ...(since && { recovered }) });
    if (recovered) for (const m of c.messages.slice(since.offset - c.first + 1)) link.say(m);
  }

  cut() { for (const link of [...this.links]) link.end({ code: 1006 }); }
  lose(name) { Object.assign(this.channel(name), { epoch: `e${this.clock.now}`, first: 1, messages: [] }); }
}

// A holder in that world, and the words that it says to tabs.
export function envOf(clock, random, server, more = {}) {
  return {
    now: () => clock.now,
    random,
    online: () => true,
    after: (ms, f) => clock.after(ms, f),
    open: (kind, token, on) => server.open(kind, on, 20, token()),
    ...more,
  };
}
