// What the tests of the browser client stand on: a daemon with a policy for it, a line to it that can be cut, and
// browsers whose pages have the client.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium, firefox } from "playwright-core";
import { Daemon, binary, patience, waitUntil } from "./daemon.mjs";

// CLIENT=DIRECTORY tests other files, such as those that esbuild has minified.
export const source = process.env.CLIENT ?? join(dirname(fileURLToPath(import.meta.url)), "../../daemon/client");

const settings = `
workers = 2
[[listen]]
address = "127.0.0.1:PORT"
[policy]
directory = "routes.d"
[broker]
kind = "memory"
[control]
socket = "control.sock"
[static]
directory = "www"
[limits]
drain = "1s"
`;

const policy = `
token session {
    keys = file "../key.jwks"
    from subprotocol "wayleave.v1"
    from header "Authorization"
    claim sub : string required
}
channel room/:room { history = 2000  keep = 1h  dedup = 5m  presence = true }
channel user/:user { history = 2000  keep = 1h }
channel inbox/:user { history = 100  keep = 1h  acks = user }
route app /ws {
    auth    = session
    origins = { "ORIGIN" }
    allow connect
    deny connect if user.sub == "mallory" because "mallory may not come in"
    join user/{user.sub}
    allow subscribe, publish, presence, history on room/:room
    allow subscribe on inbox/{user.sub}
    deny subscribe on room/secret because "it is secret"
    message say {
        field room : string required
        field text : string required
        set from = user.sub
        allow
        deny if text == "darn" because "we do not say that"
        publish to room/{room}
    }
}
`;

const page = `<!doctype html><meta charset="utf-8"><title>client</title><link rel="icon" href="data:,">
<script type="module">
import * as wayleave from "./wayleave.js";
Object.assign(window, wayleave, { heard: [], ready: true });
window.begin = (who, options = {}) => {
  window.client = connect("/ws", { token: async () => (window.tokens ??= 0, ++window.tokens, window.token), user: who, ...options });
  client.on("*", (m, meta) => heard.push(m.text ?? m.type));
  return true;
};
</script>`;

// The line between browsers and the daemon. `upgrade`: what becomes of a handshake of a WebSocket.
export class Line {
  upgrade = "pass"; // or refuse, hang
  down = false;
  #pairs = new Set();

  async start(port = () => 0) {
    this.server = createServer((near) => this.#accept(near, port));
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.port = this.server.address().port;
    return this;
  }

  #accept(near, port) {
    near.on("error", () => {});
    if (this.down) return near.destroy();
    near.once("data", (head) => {
      const socket = /^upgrade: websocket/im.test(head.toString("latin1"));
      if (socket && this.upgrade === "hang") return;
      if (socket && this.upgrade === "refuse") return near.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      const far = connect(port(), "127.0.0.1");
      const pair = { near, far, socket };
      this.#pairs.add(pair);
      for (const end of [near, far]) {
        end.on("error", () => {});
        end.on("close", () => { near.destroy(); far.destroy(); this.#pairs.delete(pair); });
      }
      far.write(head);
      near.pipe(far);
      far.pipe(near);
    });
  }

  cut() { for (const { near, far } of this.#pairs) { near.destroy(); far.destroy(); } }
  // Nothing passes, and nobody is told.
  freeze() { for (const { near, far, socket } of this.#pairs) if (socket) { near.unpipe(far); far.unpipe(near); near.pause(); far.pause(); } }
  close() { this.cut(); this.server.close(); }
}

export class World {
  // `edit`: of the policy; `files`: more to serve, since the daemon reads them when it starts.
  async start({ edit = (text) => text, files = {} } = {}) {
    this.line = await new Line().start(() => this.daemon.port);
    this.origin = `http://127.0.0.1:${this.line.port}`;
    this.daemon = new Daemon({ files: { "wayleave.toml": settings.replace("PORT", "0"),
      "routes.d/app.route": edit(policy).replace("ORIGIN", this.origin), "www/index.html": page } });
    for (const file of ["wayleave.js", "wayleave-holder.js", "react.js"]) cpSync(join(source, file), this.daemon.path(`www/${file}`), { force: true });
    for (const [name, text] of Object.entries(files)) this.daemon.write(`www/${name}`, text);
    this.daemon.run("token", "--new-key", "ES256", "--out", this.daemon.path("key.jwks"));
    await this.daemon.start();
    // It comes again at the same place.
    this.daemon.edit("wayleave.toml", ["127.0.0.1:0", `127.0.0.1:${this.daemon.port}`]);
    return this;
  }

  token(user, expires = "1h") {
    return this.daemon.run("token", "--key", this.daemon.path("key.jwks"), "--subject", user, `--expires=${expires}`).trim();
  }

  sessions(user) {
    const all = JSON.parse(this.daemon.run("sessions", "--config", this.daemon.path("wayleave.toml"), "--format", "json"));
    return (all.sessions ?? all).filter((one) => !user || one.user === user);
  }

  hasSessions(user, count) {
    return waitUntil(() => this.sessions(user).length === count, `${count} sessions of ${user}; there are ${this.sessions(user).length}`);
  }

  publish(channel, data, ...more) {
    return this.daemon.run("publish", "--config", this.daemon.path("wayleave.toml"), channel, JSON.stringify(data), ...more);
  }

  // A tab with a client.
  async tab(context, user, options = {}, expires = "1h") {
    const tab = await context.newPage();
    tab.on("pageerror", (error) => { if (!/establish a connection|was interrupted|told to|worker-src/.test(error)) console.log("page error:", String(error)); });
    if (process.env.VERBOSE) tab.on("console", (m) => console.log("console:", m.text()));
    await tab.goto(this.origin);
    await tab.waitForFunction(() => window.ready);
    await tab.evaluate(([who, token, how]) => { window.token = token; return begin(who, how); }, [user, this.token(user, expires), options]);
    return tab;
  }

  async stop() {
    await this.daemon.stop();
    this.line.close();
    this.daemon.remove();
  }
}

export const hasState = (tab, state) => tab.waitForFunction((wanted) => client.status.state === wanted, state, { timeout: patience });
export const heard = (tab) => tab.evaluate(() => heard);
export const hears = (tab, count) => tab.waitForFunction((wanted) => heard.length >= wanted, count, { timeout: patience });

const noSandbox = process.getuid() === 0 ? ["--no-sandbox"] : [];
export async function launch(name, options = {}) {
  const browser = name === "chromium"
    ? await chromium.launch({ executablePath: "/usr/bin/chromium", args: noSandbox, timeout: patience, ...options })
    : await firefox.launch({ channel: "moz-firefox", executablePath: "/usr/bin/firefox-esr", timeout: patience,
      // Firefox waits longer and longer after handshakes that failed; the tests let many fail on purpose.
      firefoxUserPrefs: { "network.websocket.delay-failed-reconnects": false }, ...options });
  return browser;
}
