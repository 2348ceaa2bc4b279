#!/usr/bin/env node
// What an application's server pays: publications by HTTP, beside a bare Node endpoint and Nchan, and messages that are
// forwarded to a backend, beside a bare keep-alive client of the same backend.
//
//     cmake --preset release && cmake --build --preset release && tests/bench/application.mjs build/release [ROUNDS]
//
// The servers run on one core, in turn, and the load with the backend on another. CPU is the server's own time for each request.
// Nchan is left out where nginx does not have it.
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { createRequire } from "node:module";

const require = createRequire(new URL("../e2e/package.json", import.meta.url));
const { WebSocket } = require("ws");
const build = path.resolve(process.argv[2] ?? "build/release");
const rounds = Number(process.argv[3] ?? 3);
const seconds = 2;
const directory = fs.mkdtempSync(path.join(os.tmpdir(), "wayleave-bench-"));
const tick = Number(execFileSync("getconf", ["CLK_TCK"]));
const ports = { wayleave: 28080, node: 28081, nchan: 28082, backend: 28083 };
const children = [];

process.on("exit", () => {
  for (const child of children) child.kill("SIGTERM");
  fs.rmSync(directory, { recursive: true, force: true });
});
execFileSync("taskset", ["-p", "-c", "1", String(process.pid)]);

function start(command, ...options) {
  const child = spawn("taskset", ["-c", "0", command, ...options], { stdio: ["ignore", "ignore", "inherit"] });
  children.push(child);
  return child;
}

async function open(port) {
  for (let tries = 0; ; ++tries) {
    try {
      return await new Promise((resolve, reject) => {
        const socket = net.connect({ port, host: "127.0.0.1", noDelay: true }, () => resolve(socket));
        socket.once("error", reject);
      });
    } catch (error) {
      if (tries > 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

// User and system time of a process and its children, in microseconds.
function cpu(pid) {
  const of = (id) => {
    const text = fs.readFileSync(`/proc/${id}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return ((Number(fields[11]) + Number(fields[12])) / tick) * 1e6;
  };
  const below = execFileSync("sh", ["-c", `pgrep -P ${pid} || true`], { encoding: "utf8" }).split("\n").filter(Boolean);
  return of(pid) + below.reduce((sum, id) => sum + of(id), 0);
}

// Sends the request over again on `connections` keep-alive connections, each as soon as the last is answered.
async function hammer(port, request, connections) {
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(port)));
  let done = 0;
  let wrong = null;
  const until = performance.now() + seconds * 1000;
  const began = performance.now();
  await Promise.all(sockets.map((socket) => new Promise((resolve, reject) => {
    let held = "";
    socket.on("error", reject);
    socket.on("data", (data) => {
      held += data.toString("latin1");
      const end = held.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = Number(/content-length: *(\d+)/i.exec(held)?.[1] ?? 0);
      if (held.length < end + 4 + length) return;
      if (!/^HTTP\/1.1 20/.test(held)) wrong = held.slice(0, 300);
      held = "";
      ++done;
      if (performance.now() < until && !wrong) socket.write(request);
      else resolve(socket.destroy());
    });
    socket.write(request);
  })));
  if (wrong) throw new Error(`not answered with 2xx: ${wrong}`);
  return { done, seconds: (performance.now() - began) / 1000 };
}

function post(target, body, headers = "") {
  return Buffer.from(`POST ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const table = new Map();
function note(what, who, rate, cost, latency) {
  const key = `${what}|${who}`;
  if (!table.has(key)) table.set(key, { what, who, rate: [], cost: [], latency: [] });
  const row = table.get(key);
  row.rate.push(rate);
  if (cost !== undefined) row.cost.push(cost);
  if (latency !== undefined) row.latency.push(latency);
}

async function measure(what, who, pid, port, request, connections, items = 1) {
  const before = pid ? cpu(pid) : 0;
  const { done, seconds: took } = await hammer(port, request, connections);
  note(what, who, (done * items) / took, pid ? (cpu(pid) - before) / (done * items) : undefined);
}

// Round trips of messages over one WebSocket, `window` of them under way.
async function converse(url, window) {
  const socket = new WebSocket(url, "wayleave.v1");
  await new Promise((resolve, reject) => { socket.once("message", resolve); socket.once("error", reject); });
  const began = performance.now();
  const until = began + seconds * 1000;
  const sent = new Map();
  const times = [];
  let next = 0;
  const say = () => {
    sent.set(++next, performance.now());
    socket.send(`{"type":"form","text":"some words of a form that was filled in","$id":${next}}`);
  };
  await new Promise((resolve, reject) => {
    socket.on("message", (data) => {
      const answer = JSON.parse(data);
      if (answer.type !== "$ok") return reject(new Error(String(data)));
      times.push(performance.now() - sent.get(answer.re));
      sent.delete(answer.re);
      if (performance.now() < until) say();
      else if (sent.size === 0) resolve();
    });
    for (let i = 0; i < window; ++i) say();
  });
  const took = (performance.now() - began) / 1000;
  socket.close();
  return { done: times.length, seconds: took, p50: median(times) };
}

async function ask(agent, body, window) {
  const began = performance.now();
  const until = began + seconds * 1000;
  const times = [];
  const once = () => new Promise((resolve, reject) => {
    const start = performance.now();
    const request = http.request({ port: ports.backend, host: "127.0.0.1", method: "POST", path: "/form", agent,
      headers: { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) } }, (answer) => {
      answer.resume();
      answer.on("end", () => { times.push(performance.now() - start); resolve(); });
    });
    request.on("error", reject);
    request.end(body);
  });
  await Promise.all(Array.from({ length: window }, async () => { while (performance.now() < until) await once(); }));
  return { done: times.length, seconds: (performance.now() - began) / 1000, p50: median(times) };
}

// --- the servers ---

fs.mkdirSync(path.join(directory, "routes.d"));
const wayleave = path.join(build, "daemon/cli/wayleave");
const key = path.join(directory, "server.key");
execFileSync(wayleave, ["token", "--new-key", "HS256", "--out", key]);
fs.writeFileSync(path.join(directory, "routes.d/a.route"), `
token server { keys = file "../server.key" from header "Authorization" claim sub : string required }
backend app { url = "http://127.0.0.1:${ports.backend}" }
route forms /forms { auth = none origins = any allow connect
    message form { field text : string required allow forward to app "/form" } }
api internal /api { auth = server allow publish on ** }
`);
fs.writeFileSync(path.join(directory, "w.toml"), `
workers = 1
[[listen]]
address = "127.0.0.1:${ports.wayleave}"
[policy]
directory = "routes.d"
[log]
level = "error"
`);
const token = execFileSync(wayleave, ["token", "--key", key, "--subject", "bench", "--expires", "1h"], { encoding: "utf8" }).trim();
const daemon = start(wayleave, "serve", "--config", path.join(directory, "w.toml"));

fs.writeFileSync(path.join(directory, "endpoint.cjs"), `
require("http").createServer((request, response) => {
  let body = "";
  request.on("data", (data) => (body += data));
  request.on("end", () => {
    JSON.parse(body);
    response.writeHead(200, { "Content-Type": "application/json", "Content-Length": 2 });
    response.end("{}");
  });
}).listen(${ports.node}, "127.0.0.1");
`);
const endpoint = start(process.execPath, path.join(directory, "endpoint.cjs"));

const nchan = fs.existsSync("/usr/lib/nginx/modules/ngx_nchan_module.so");
let nginx = null;
if (nchan) {
  fs.writeFileSync(path.join(directory, "nginx.conf"), `
load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
daemon off; worker_processes 1; pid ${directory}/nginx.pid; error_log stderr crit;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000000; client_body_temp_path ${directory}; proxy_temp_path ${directory};
  fastcgi_temp_path ${directory}; uwsgi_temp_path ${directory}; scgi_temp_path ${directory};
  server { listen 127.0.0.1:${ports.nchan}; location = /pub { nchan_publisher; nchan_channel_id $arg_id; nchan_message_buffer_length 0; } } }
`);
  nginx = start("/usr/sbin/nginx", "-c", path.join(directory, "nginx.conf"), "-p", directory);
}

const reply = Buffer.from('{"saved":7}');
http.createServer((request, response) => {
  request.resume();
  request.on("end", () => {
    response.writeHead(200, { "Content-Type": "application/json", "Content-Length": reply.length });
    response.end(reply);
  });
}).listen(ports.backend, "127.0.0.1");
for (const port of [ports.wayleave, ports.node, ...(nchan ? [ports.nchan] : [])]) (await open(port)).destroy();

// --- in turn ---

const data = '{"type":"new","text":"some words that a page shows","n":12345}';
const single = `{"channel":"room/a","data":${data}}`;
const batch = `[${Array.from({ length: 100 }, () => single).join(",")}]`;
const bearer = `Authorization: Bearer ${token}\r\n`;
const api = post("/api/publish", single, bearer);
for (let round = 0; round < rounds; ++round) {
  for (const connections of [1, 16]) {
    const what = `publish, ${connections} connection${connections > 1 ? "s" : ""}`;
    await measure(what, "wayleave", daemon.pid, ports.wayleave, api, connections);
    await measure(what, "bare Node", endpoint.pid, ports.node, post("/", single), connections);
    if (nchan) await measure(what, "Nchan", nginx.pid, ports.nchan, post("/pub?id=a", data), connections);
  }
  await measure("publish, batches of 100 (messages)", "wayleave", daemon.pid, ports.wayleave, post("/api/publish", batch, bearer), 4, 100);
  await measure("publish, batches of 100 (messages)", "bare Node", endpoint.pid, ports.node, post("/", batch), 4, 100);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
  for (const window of [1, 64]) {
    const what = `forward, ${window} under way`;
    const before = cpu(daemon.pid);
    const through = await converse(`ws://127.0.0.1:${ports.wayleave}/forms`, window);
    note(what, "through wayleave", through.done / through.seconds, (cpu(daemon.pid) - before) / through.done, through.p50);
    const straight = await ask(agent, single, window);
    note(what, "bare client", straight.done / straight.seconds, undefined, straight.p50);
  }
  agent.destroy();
}
for (const { what, who, rate, cost, latency } of table.values()) {
  const columns = [what.padEnd(36), who.padEnd(17), `${Math.round(median(rate))}/s`.padStart(10)];
  if (cost.length) columns.push(`${median(cost).toFixed(1)} us CPU`.padStart(16));
  if (latency.length) columns.push(`p50 ${median(latency).toFixed(3)} ms`.padStart(16));
  console.log(columns.join(" "));
}
process.exit(0);
