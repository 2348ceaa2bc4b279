// The console in Debian's Chromium: what an admin sees and does, without and with the token. BINARY DIRECTORY-FOR-SCREENSHOTS
import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import WebSocket from "ws";
import { Daemon, patience, story, waitUntil } from "./daemon.mjs";

const pictures = process.argv[3] ?? ".";
const secret = "a-token-of-the-console";
const policy = `
token who {
    keys = file "../key"
    from header "Authorization"
    claim sub : string required
}
route app /ws {
    auth    = who
    origins = { none }
    allow connect
    deny connect if user.sub == "eve" because "eve is not welcome"
    join user/{user.sub}
    allow subscribe on room/*
    deny subscribe on room/attic because "the attic is closed"
    message say { field text : string required  allow  publish to room/hall }
}
`;
const daemon = new Daemon({
  files: {
    "routes.d/app.route": policy,
    "console.token": `${secret}\n`,
    "wayleave.toml": `
workers = 2
[[listen]]
address = "127.0.0.1:0"
[policy]
directory = "routes.d"
[admin]
address = "127.0.0.1:0"
token_file = "console.token"
[control]
socket = "run/control.sock"
[log]
format = "text"
`,
  },
});
chmodSync(daemon.path("console.token"), 0o600);
daemon.run("token", "--new-key", "HS256", "--out", daemon.path("key"));
let admin;

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium", args: process.getuid() === 0 ? ["--no-sandbox"] : [], timeout: patience,
});
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
context.setDefaultTimeout(patience);
const page = await context.newPage();
const errors = [];
const asked = new Set();
page.on("pageerror", (error) => errors.push(String(error)));
page.on("console", (message) => { if (message.type() === "error" && !/ (401|422) /.test(message.text())) errors.push(message.text()); });
page.on("request", (request) => asked.add(new URL(request.url()).origin));
page.on("dialog", (dialog) => dialog.accept());

async function client(user) {
  const token = daemon.run("token", "--key", daemon.path("key"), "--subject", user).trim();
  const socket = new WebSocket(`ws://127.0.0.1:${daemon.port}/ws`, { headers: { Authorization: `Bearer ${token}` } });
  const heard = [];
  socket.on("message", (text) => heard.push(JSON.parse(text)));
  socket.on("error", () => {});
  const ended = new Promise((resolve) => socket.on("close", (code) => resolve(code)));
  return { socket, heard, ended, say: (message) => socket.send(JSON.stringify(message)) };
}
const greeted = (one) => waitUntil(() => one.heard.some((message) => message.type === "$hello"), "$hello");
const tab = (name) => page.click(`nav button:has-text("${name}")`);
const seen = (where, text) => page.locator(where, { hasText: text }).first().waitFor();
const shot = (name) => page.screenshot({ path: join(pictures, `console-${name}.png`), fullPage: true });
const post = (path, body, headers = {}) => fetch(`${admin}/console/api/${path}`, { method: "POST", body: JSON.stringify(body), headers });

let ann;
let ben;
await story(daemon, Object.fromEntries([
  ["the page comes from this machine alone, and shows what there is", async () => {
    admin = `http://127.0.0.1:${/event=admin-listening address=\S*:(\d+)/.exec(daemon.log)[1]}`;
    [ann, ben] = [await client("ann"), await client("ben")];
    await Promise.all([greeted(ann), greeted(ben)]);
    for (const one of [ann, ben]) one.say({ type: "$subscribe", channel: "room/hall" });
    await page.goto(`${admin}/console/`);
    await seen("#state", "running");
    await seen("#figures", "connections");
    await waitUntil(async () => (await page.locator("#figures li").first().textContent()) === "2connections", "two connections");
    assert.deepEqual([...asked], [admin]);
  }],
  ["what a client has written is text", async () => {
    ann.say({ type: "$subscribe", channel: "room/attic" });
    ann.say({ type: "<img src=x onerror=document.title='hacked'>" });
    await waitUntil(() => ann.heard.filter((message) => message.type === "$error").length === 2, "two refusals");
    await tab("Refusals");
    await seen("#refusals-list", "the attic is closed");
    await seen("#refusals-list", "<img src=x");
    await seen("#refusals-list", "deny subscribe on room/attic");
    assert.equal(await page.title(), "wayleave");
    await shot("refusals");
    await tab("Overview");
    await seen("#rules", "deny subscribe on room/attic");
    await seen("#types", "(other)");
  }],
  ["sessions and channels are searched", async () => {
    await tab("Sessions");
    await page.fill("#search [name=who]", "ben");
    await page.press("#search [name=who]", "Enter");
    await seen("#sessions-note", "1 connections");
    assert.equal(await page.locator("#sessions-list tbody tr").count(), 1);
    await tab("Channels");
    await page.click("#channels-list button:has-text('room/hall')");
    await seen("#who-list", "ben");
    await shot("channels");
  }],
  ["the trace is live", async () => {
    await tab("Trace");
    await page.fill("#trace-form [name=who]", "ben");
    await page.click("#trace-start");
    await seen("#trace-note", "watching ben");
    await waitUntil(async () => {
      ann.say({ type: "say", text: "TOPSECRET" });
      return (await page.locator("#trace-log").textContent()).includes("delivered");
    }, "a delivery in the trace");
    assert.ok(!(await page.locator("#trace-log").textContent()).includes("TOPSECRET"));
    await shot("trace");
    await page.click("#trace-stop");
  }],
  ["without the token nobody acts, and a wrong one is refused", async () => {
    await tab("Reloads");
    assert.ok(await page.locator("#reload-now").isDisabled());
    for (const [path, body] of [["kick", { user: "ann" }], ["drain", {}], ["reload", {}], ["reload/dry-run", {}], ["bans/lift", "x"]]) {
      assert.equal((await post(path, body)).status, 401, path);
      assert.equal((await post(path, body, { Authorization: "Bearer a-token-of-the-consolE" })).status, 401, path);
    }
    assert.equal((await post("publish", {}, { Authorization: `Bearer ${secret}` })).status, 404);
    assert.equal((await post("kick", { user: "ann" }, { Authorization: `Bearer ${secret}`, Origin: "http://evil.example" })).status, 403);
    assert.equal((await post("sessions", {}, { Origin: "http://evil.example" })).status, 403);
    await page.fill("#token", "wrong");
    await page.press("#token", "Enter");
    await seen("#state", "this is not the token");
    await waitUntil(() => daemon.log.includes("event=console-refused"), "the line of the log");
  }],
  ["another host's name is not answered, and the page cannot be framed", async () => {
    const { get } = await import("node:http");
    const status = await new Promise((resolve) => get(`${admin}/console/`, { headers: { Host: "rebound.example" } }, (answer) => resolve(answer.statusCode)));
    assert.equal(status, 421);
    const answer = await fetch(`${admin}/console/`);
    assert.match(answer.headers.get("content-security-policy"), /script-src 'self';.*frame-ancestors 'none'/);
    assert.ok(!/<script>|onclick=|style=/.test(await answer.text()));
  }],
  ["with the token a reload is refused and done, and both are remembered", async () => {
    await page.fill("#token", secret);
    await page.press("#token", "Enter");
    await waitUntil(async () => page.locator("#reload-now").isEnabled(), "the buttons");
    daemon.write("routes.d/app.route", policy.replace("allow connect", "allow conect"));
    await page.click("#reload-now");
    await seen("#reload-answer", "refused");
    daemon.write("routes.d/app.route", policy.replace("deny subscribe on room/attic", "deny subscribe on room/cellar"));
    await page.click("#reload-dry");
    await seen("#reload-answer", "room/cellar");
    await page.click("#reload-now");
    await seen("#reloads-list", "done");
    assert.equal(await page.locator("#reloads-list details").count(), 2);
    await page.locator("#reloads-list details").first().locator("summary").click();
    await seen("#reloads-list details[open] pre", "room/cellar");
    await shot("reloads");
  }],
  ["a session is ended", async () => {
    await tab("Sessions");
    await page.fill("#search [name=who]", "ben");
    await page.press("#search [name=who]", "Enter");
    await seen("#sessions-note", "1 connections");
    await page.click("#sessions-list button");
    assert.equal(await ben.ended, 4403);
    await waitUntil(() => daemon.log.includes("event=console-acts action=kick"), "the line of the log");
  }],
  ["dark, on a phone, by keyboard", async () => {
    await page.emulateMedia({ colorScheme: "dark" });
    await page.setViewportSize({ width: 390, height: 844 });
    await page.reload();
    await seen("#state", "running");
    await page.focus("nav button[aria-selected=true]");
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.locator("nav button[aria-selected=true]").textContent(), "Channels");
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the page is wider than the phone");
    await tab("Overview");
    await page.waitForTimeout(5000);
    await shot("dark-phone");
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.emulateMedia({ colorScheme: "light" });
    await shot("overview");
  }],
  ["no error, and nothing from elsewhere", async () => {
    assert.deepEqual(errors, []);
    assert.deepEqual([...asked], [admin]);
    ann.socket.close();
  }],
]));
await browser.close();
