#!/usr/bin/env node
// What it costs to stand before a backend: a route with `proxy`, streams folded into one connection, and plain requests, beside
// nginx and HAProxy that proxy the same.
//
//     cmake --preset release && cmake --build --preset release && tests/bench/upstream.mjs build/release [ROUNDS] [CLIENTS...]
//
// Each server runs alone on one core, in turn; the load and the backend are on another. Every client has two sockets (two
// streams of one connection where they are folded) and one echo under way on each. CPU is the server's own for each round
// trip, memory what it grew by for each client while all were open. Then 64 keep-alive connections ask, each again when it has
// its answer of 200 bytes. A server that is not installed is left out. The tables go to RESULTS.md beside this file.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { createRequire } from "node:module";

const require = createRequire(new URL("../e2e/package.json", import.meta.url));
const { WebSocket, WebSocketServer } = require("ws");
const build = path.resolve(process.argv[2] ?? "build/release");
const rounds = Number(process.argv[3] ?? 3);
const crowds = process.argv.length > 4 ? process.argv.slice(4).map(Number) : [200, 1000];
const seconds = 3;
const directory = fs.mkdtempSync(path.join(os.tmpdir(), "wayleave-bench-"));
const tick = Number(execFileSync("getconf", ["CLK_TCK"]));
const backendPort = 28090;
let child;

process.on("exit", () => {
  child?.kill("SIGKILL");
  fs.rmSync(directory, { recursive: true, force: true });
});
execFileSync("taskset", ["-a", "-p", "-c", "1", String(process.pid)]);
const answer = "x".repeat(200);
const web = http.createServer((request, response) => response.end(answer));
web.keepAliveTimeout = 60_000;
web.listen(backendPort, "127.0.0.1");
const backend = new WebSocketServer({ server: web, perMessageDeflate: false });
backend.on("connection", (socket) => socket.on("message", (data, binary) => socket.send(data, { binary })));

function write(name, text) {
  fs.writeFileSync(path.join(directory, name), text);
  return path.join(directory, name);
}

const settings = (port) => `workers = 1
[[listen]]
address = "127.0.0.1:${port}"
[policy]
directory = "routes.d"
[log]
level = "warn"
connections = false
[control]
socket = "c.sock"
[admin]
address = "127.0.0.1:0"
`;
const policy = `backend app { url = "http://127.0.0.1:${backendPort}" concurrency = 500 }
route proxied /p { auth = none allow connect proxy to app "/" }
route plain /h { auth = none allow connect proxy to app http }
route folded /f { auth = none allow connect stream a to app "/" stream b to app "/" }
`;
const servers = {
  "wayleave, proxy": { port: 28091, command: path.join(build, "daemon/cli/wayleave"), path: "/p" },
  "wayleave, folded": { port: 28091, command: path.join(build, "daemon/cli/wayleave"), path: "/f", folded: true },
  nginx: { port: 28092, command: "/usr/sbin/nginx", path: "/p" },
  HAProxy: { port: 28093, command: "/usr/sbin/haproxy", path: "/p" },
};
fs.mkdirSync(path.join(directory, "routes.d"));
write("routes.d/a.route", policy);
servers.nginx.options = ["-c", write("nginx.conf", `daemon off; worker_processes 1; error_log stderr crit; pid ${directory}/n.pid;
events { worker_connections 20000; }
http { access_log off; client_body_temp_path ${directory}/b; proxy_temp_path ${directory}/p; fastcgi_temp_path ${directory}/f;
uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s;
upstream a { server 127.0.0.1:${backendPort}; keepalive 64; }
server { listen 127.0.0.1:28092; keepalive_requests 1000000000;
location = /h { proxy_pass http://a; proxy_http_version 1.1; proxy_set_header Connection ""; }
location / { proxy_pass http://127.0.0.1:${backendPort}; proxy_http_version 1.1;
proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; proxy_set_header Host $host; } } }`)];
servers.HAProxy.options = ["-db", "-f", write("haproxy.cfg", `global
  nbthread 1
  maxconn 9000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
frontend f
  bind 127.0.0.1:28093
  default_backend b
backend b
  server s 127.0.0.1:${backendPort}
`)];
for (const name of ["wayleave, proxy", "wayleave, folded"]) servers[name].options = ["serve", "--config", write("w.toml", settings(28091))];

function pidsOf(pid) {
  const below = execFileSync("sh", ["-c", `pgrep -P ${pid} || true`], { encoding: "utf8" }).split("\n").filter(Boolean);
  return [pid, ...below];
}
function cpu(pid) {
  return pidsOf(pid).reduce((sum, id) => {
    const text = fs.readFileSync(`/proc/${id}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return sum + ((Number(fields[11]) + Number(fields[12])) / tick) * 1e6;
  }, 0);
}
const memory = (pid) => pidsOf(pid).reduce((sum, id) => sum + Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${id}/status`, "utf8"))[1]), 0);

async function listening(port) {
  for (let tries = 0; tries < 200; ++tries) {
    const there = await new Promise((resolve) => {
      const probe = net.connect(port, "127.0.0.1", () => { probe.destroy(); resolve(true); });
      probe.once("error", () => resolve(false));
    });
    if (there) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nobody listens on ${port}`);
}

// One client: how to say something on each of its two ways, and a call back for each echo.
function client({ port, path: at, folded }, heard) {
  return new Promise((resolve, reject) => {
    if (folded) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}${at}`, { perMessageDeflate: false });
      let open = 0;
      socket.on("error", reject);
      socket.on("message", (data) => {
        const text = data.toString();
        if (text.startsWith('{"type":"$stream"')) {
          if (++open === 2) resolve({ say: (way) => socket.send(`{"stream":"${way ? "a" : "b"}","payload":{"n":12345}}`), end: () => socket.terminate() });
        } else if (text.startsWith('{"stream"')) heard(text.startsWith('{"stream":"a"') ? 1 : 0);
      });
      return;
    }
    const sockets = [0, 1].map((way) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}${at}`, { perMessageDeflate: false });
      socket.on("error", reject);
      socket.on("message", () => heard(way));
      return socket;
    });
    let open = 0;
    for (const socket of sockets) {
      socket.on("open", () => {
        if (++open === 2) resolve({ say: (way) => sockets[way].send('{"n":12345}'), end: () => sockets.forEach((one) => one.terminate()) });
      });
    }
  });
}

// Raw sockets, so that the load is not what is measured. Counts answers: each is one piece, as small as it is.
async function measureRequests(name) {
  const server = servers[name];
  child = spawn("taskset", ["-c", "0", server.command, ...server.options], { stdio: ["ignore", "ignore", "inherit"], cwd: directory });
  await listening(server.port);
  let answers = 0;
  const request = `GET /h HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n`;
  const sockets = Array.from({ length: 64 }, () => {
    const socket = net.connect(server.port, "127.0.0.1", () => socket.write(request));
    let come = "";
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("data", (data) => {
      come += data.toString("latin1");
      if (!come.endsWith(answer)) return;
      if (!come.startsWith("HTTP/1.1 200")) throw new Error(come);
      come = "";
      ++answers;
      socket.write(request);
    });
    return socket;
  });
  await new Promise((resolve) => setTimeout(resolve, 500));
  const [before, began] = [cpu(child.pid), answers];
  const start = performance.now();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const done = answers - began;
  const row = (requests[name] ??= { cost: [], rate: [] });
  row.cost.push((cpu(child.pid) - before) / done);
  row.rate.push((done / (performance.now() - start)) * 1000);
  for (const socket of sockets) socket.destroy();
  child.kill("SIGTERM");
  await new Promise((resolve) => setTimeout(resolve, 300));
  child.kill("SIGKILL");
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const requests = {};
async function measure(name, clients, table) {
  const server = servers[name];
  child = spawn("taskset", ["-c", "0", server.command, ...server.options], { stdio: ["ignore", "ignore", "inherit"], cwd: directory });
  await listening(server.port);
  const empty = memory(child.pid);
  let trips = 0;
  let running = true;
  const all = [];
  for (let i = 0; i < clients; ++i) {
    const one = {};
    Object.assign(one, await client(server, (way) => { ++trips; if (running) one.say(way); }));
    all.push(one);
  }
  const grown = ((memory(child.pid) - empty) * 1024) / clients;
  for (const one of all) { one.say(0); one.say(1); }
  await new Promise((resolve) => setTimeout(resolve, 500));
  const [before, began] = [cpu(child.pid), trips];
  const start = performance.now();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const done = trips - began;
  const row = (table[name] ??= { cost: [], rate: [], bytes: [] });
  row.cost.push((cpu(child.pid) - before) / done);
  row.rate.push((done / (performance.now() - start)) * 1000);
  row.bytes.push(grown);
  running = false;
  for (const one of all) one.end();
  await new Promise((resolve) => setTimeout(resolve, 300));
  child.kill("SIGTERM");
  await new Promise((resolve) => setTimeout(resolve, 300));
  child.kill("SIGKILL");
}

const there = Object.keys(servers).filter((name) => spawnSync("test", ["-x", servers[name].command]).status === 0);
const rows = [`| | ${there.join(" | ")} |`, `|---${"|---".repeat(there.length)}|`];
function tell(label, value) {
  rows.push(`| ${label} | ${there.map(value).join(" | ")} |`);
  console.log(rows.at(-1));
}
console.log(rows[0]);
for (const clients of crowds) {
  const table = {};
  for (let round = 0; round < rounds; ++round) for (const name of there) await measure(name, clients, table);
  const crowd = clients.toLocaleString("en");
  tell(`${crowd} clients, a round trip, us CPU`, (name) => median(table[name].cost).toFixed(1));
  tell(`${crowd} clients, round trips a second`, (name) => Math.round(median(table[name].rate)).toLocaleString("en"));
  tell(`${crowd} clients, memory of each, KiB`, (name) => (median(table[name].bytes) / 1024).toFixed(1));
}
const asked = there.filter((name) => !servers[name].folded);
for (let round = 0; round < rounds; ++round) for (const name of asked) await measureRequests(name);
const of = (name, figure) => (asked.includes(name) ? figure(requests[name]) : "");
tell("a plain request, us CPU", (name) => of(name, ({ cost }) => median(cost).toFixed(1)));
tell("plain requests a second", (name) => of(name, ({ rate }) => Math.round(median(rate)).toLocaleString("en")));

const title = "Before a backend";
const results = path.join(path.dirname(new URL(import.meta.url).pathname), "RESULTS.md");
const parts = `\n${fs.readFileSync(results, "utf8")}`.split("\n# ").slice(1).filter((part) => !part.startsWith(title));
const mine = `${title}

Made by \`tests/bench/upstream.mjs build/release\`, ${new Date().toISOString().slice(0, 10)}, on ${os.cpus().length} cores (${os.cpus()[0].model.trim()}), Linux ${os.release()}.

${rows.join("\n")}

Each server runs alone on one core, the load and the backend (npm\`s \`ws\` and Node) on another; they take turns, and the table has the medians of
${rounds} rounds. Each client has two WebSockets with one echo under way on each, or two streams of one connection where they are folded; memory is
what the server grew by for each client while all were open. Plain requests come by 64 connections that are kept, as all three keep theirs to the
backend. The backend limits the rates.
`.replace("npm\`s", "npm's");
fs.writeFileSync(results, [...parts, mine].map((part) => `# ${part.trimEnd()}\n`).join("\n"));
process.exit(0);
