// The example of Server-Sent Events in Debian's Chromium, cut off and restarted, and the browser's own EventSource,
// replaced. BINARY DIRECTORY-FOR-SCREENSHOTS
import assert from "node:assert/strict";
import { cpSync, mkdirSync } from "node:fs";
import { request } from "node:http";
import { connect, createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { Daemon, patience, story } from "./daemon.mjs";

const pictures = process.argv[3] ?? ".";
const here = dirname(fileURLToPath(import.meta.url));
const daemon = new Daemon({ copy: join(here, "../../examples/events") });
daemon.edit("wayleave.toml", ["127.0.0.1:8081", "127.0.0.1:0"], ["127.0.0.1:9181", "127.0.0.1:0"]);
mkdirSync(daemon.path("www/client"), { recursive: true });
for (const file of ["wayleave.js", "wayleave-holder.js"]) cpSync(join(here, "../../daemon/client", file), daemon.path(`www/client/${file}`));

// The line between the browser and the daemon, which can be cut.
const lines = new Set();
let down = false;
const line = createServer((browser) => {
  if (down) return browser.destroy();
  const server = connect(daemon.port, "127.0.0.1");
  const both = { browser, server };
  lines.add(both);
  for (const end of [browser, server]) {
    end.on("error", () => {});
    end.on("close", () => { browser.destroy(); server.destroy(); lines.delete(both); });
  }
  browser.pipe(server);
  server.pipe(browser);
});
await new Promise((resolve) => line.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${line.address().port}`;
const cut = () => { down = true; for (const { browser, server } of lines) { browser.destroy(); server.destroy(); } };

// Somebody else, on a line of his own.
function say(text) {
  return new Promise((resolve, reject) => {
    const stream = request({ port: daemon.port, path: "/events", headers: { Accept: "text/event-stream", Origin: origin } }, (events) => {
      let heard = "";
      events.setEncoding("utf8").on("error", () => {}).on("data", (data) => {
        heard += data;
        const session = /"session":"([0-9a-f]{16})"/.exec(heard)?.[1];
        if (!session || heard === "said") return;
        heard = "said";
        const post = request({ port: daemon.port, path: "/events", method: "POST", headers: { Origin: origin,
          "Content-Type": "application/json", "Wayleave-Session": session } }, (answer) => {
          answer.resume().on("end", () => { stream.destroy(); resolve(answer.statusCode); });
        });
        post.on("error", reject).end(JSON.stringify({ type: "note", text }));
      });
    });
    stream.on("error", (error) => { if (error.code !== "ECONNRESET") reject(error); }).end();
  });
}

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: process.getuid() === 0 ? ["--no-sandbox"] : [],
  timeout: patience,
});
const context = await browser.newContext();
context.setDefaultTimeout(patience);
const errors = [];

async function openTab() {
  const page = await context.newPage();
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(origin + "/");
  return page;
}
const hasState = (page, text) => page.locator("#state", { hasText: text }).waitFor();
const hasLine = (page, text) => page.locator("#log li", { hasText: text }).first().waitFor();
const notes = (page) => page.locator("#log li").allTextContents();

let page;
await story(daemon, {
  "the policy is told the line's origin": () => {
    daemon.edit("routes.d/events.route", ["http://127.0.0.1:8081", origin]);
    daemon.edit("wayleave.toml", ['[[listen]]\naddress = "127.0.0.1:0"', `[[listen]]\naddress = "127.0.0.1:${daemon.port}"`]);
    daemon.reload();
  },
  "a page listens, and speaks by POST": async () => {
    page = await openTab();
    await hasState(page, "connected");
    await page.fill("#text", "hello <b>äöü</b> ☃");
    await page.click("#say button");
    await hasLine(page, "hello <b>äöü</b> ☃");
    assert.equal(await page.locator("#log b").count(), 0, "what others write is text");
  },
  "a cut line is mended, and nothing is missed": async () => {
    assert.equal(await say("before"), 200);
    await hasLine(page, "before");
    cut();
    await hasState(page, "coming back");
    for (const text of ["away 1", "away 2", "away 3"]) assert.equal(await say(text), 200);
    down = false;
    await hasState(page, "connected");
    await hasLine(page, "away 3");
    assert.equal(await say("after"), 200);
    await hasLine(page, "after");
    assert.deepEqual((await notes(page)).slice(1), ["before", "away 1", "away 2", "away 3", "after"]);
  },
  "a restart is survived, and the gap is told": async () => {
    daemon.process.kill("SIGTERM");
    await daemon.ended;
    await hasState(page, "coming back");
    await daemon.start();
    await hasState(page, "connected");
    await hasLine(page, "(something was missed)");
    assert.equal(await say("new"), 200);
    await hasLine(page, "new");
  },
  "a browser that is not wanted again stops": async () => {
    daemon.edit("routes.d/events.route", ["limit connections to 20 per ip", "limit connections to 1 per ip on excess replace_oldest"]);
    daemon.reload();
    await page.evaluate(() => { client.close(); window.oldest = new EventSource("/events"); });
    await page.waitForFunction(() => window.oldest.readyState === EventSource.OPEN);
    const other = await (await browser.newContext()).newPage(); // it shares nothing with the first
    await other.goto(origin + "/");
    await hasState(other, "connected");
    await page.waitForFunction(() => window.oldest.readyState === EventSource.CLOSED);
    await hasState(other, "connected");
    await other.setViewportSize({ width: 375, height: 500 });
    assert.ok(await other.evaluate(() => document.documentElement.scrollWidth) <= 375);
    await other.fill("#text", "hello");
    await other.press("#text", "Enter");
    await hasLine(other, "hello");
    await page.screenshot({ path: join(pictures, "events.png") });
    await other.emulateMedia({ colorScheme: "dark" });
    await other.screenshot({ path: join(pictures, "events-dark.png") });
  },
  "no script failed": () => assert.deepEqual(errors, []),
}).finally(async () => { await browser.close(); line.close(); });
