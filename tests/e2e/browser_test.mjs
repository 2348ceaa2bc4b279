// The chat example in Debian's Chromium: what a person sees who opens it in two tabs. BINARY DIRECTORY-FOR-SCREENSHOTS
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { cpSync, mkdirSync } from "node:fs";
import { Daemon, patience, story, waitUntil } from "./daemon.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const pictures = process.argv[3] ?? ".";
const daemon = new Daemon({ copy: join(here, "../../examples/chat") });
daemon.edit("wayleave.toml", ["127.0.0.1:8080", "127.0.0.1:0"], ["127.0.0.1:9180", "127.0.0.1:0"]);
mkdirSync(daemon.path("www/client"), { recursive: true });
for (const file of ["wayleave.js", "wayleave-holder.js"]) cpSync(join(here, "../../daemon/client", file), daemon.path(`www/client/${file}`));

// As examples/run makes them, but a key of the test's own.
function makeTokens() {
  daemon.edit("routes.d/chat.route", ["../run/keys.jwks", "../run/test.jwks"]);
  const key = daemon.path("run/test.jwks");
  daemon.write("run/.here", "");
  daemon.run("token", "--new-key", "ES256", "--out", key);
  const token = (user, expires) => daemon.run("token", "--key", key, "--issuer", "https://example.com/demo",
    "--audience", "chat", "--subject", user, "--claim", `name=${user}`, "--claim", "plan=member", `--expires=${expires}`).trim();
  const tokens = { alice: token("alice", "12h"), bob: token("bob", "12h"), mallory: token("mallory", "12h"),
    expired: token("carol", "-1h") };
  daemon.write("www/tokens.js", `window.wayleaveDemoTokens = ${JSON.stringify(tokens)};`);
}

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  // Chromium's sandbox does not work for root, as in many containers.
  args: process.getuid() === 0 ? ["--no-sandbox"] : [],
  timeout: patience,
});
const context = await browser.newContext();
context.setDefaultTimeout(patience);
const errors = [];

async function openTab() {
  const page = await context.newPage();
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(`http://127.0.0.1:${daemon.port}/`);
  return page;
}

async function comeIn(page, who) {
  await page.selectOption("#who", who);
  await page.click("#door button:not([type])");
}

const hasState = (page, text) => page.locator("#state", { hasText: text }).waitFor();
const hasLine = (page, text) => page.locator("#log li", { hasText: text }).first().waitFor();
const lines = (page) => page.locator("#log li").allTextContents();
const pause = (page, ms) => page.waitForTimeout(ms);

// The page's own traffic counts for the policy's rate; who is told to slow down tries again.
async function untilLine(page, act, text) {
  const deadline = Date.now() + patience;
  while (!(await lines(page)).some((line) => line.includes(text))) {
    assert.ok(Date.now() < deadline, `never saw ${text} in ${JSON.stringify(await lines(page))}`);
    await act();
    await pause(page, 700);
  }
}

async function say(page, text) {
  await page.fill("#text", text);
  await page.click("#say button");
}

const press = (page, name) => () => page.click(`[data-try=${name}]`);
let alice;
let bob;

makeTokens();
await story(daemon, {
  "the policy is told the page's port": async () => {
    daemon.edit("routes.d/chat.route", [":8080", `:${daemon.port}`]);
    assert.match(daemon.reload(), /generation 2/);
  },
  "two tabs come in": async () => {
    alice = await openTab();
    assert.equal(await alice.title(), "wayleave chat");
    assert.equal(await alice.locator("#state").textContent(), "not connected");
    await comeIn(alice, "alice");
    await hasState(alice, "connected as alice");
    bob = await openTab();
    await comeIn(bob, "bob");
    await hasState(bob, "connected as bob");
  },
  "each sees both present": async () => {
    for (const page of [alice, bob]) {
      for (const name of ["alice", "bob"]) await page.locator("#present li", { hasText: name }).waitFor();
      assert.deepEqual(await page.locator("#present li").allTextContents(), ["alice", "bob"]);
    }
  },
  "they chat": async () => {
    await untilLine(bob, () => say(alice, "hello bob, <b>äöü</b> ☃"), "alice: hello bob, <b>äöü</b> ☃");
    await untilLine(alice, () => say(bob, "hello alice"), "bob: hello alice");
    await hasLine(bob, "bob: hello alice");
    assert.equal(await bob.locator("#log b").count(), 0, "what others write is text");
  },
  "a word that is not said": async () => {
    await untilLine(alice, () => say(alice, "darn"), "refused: your message: forbidden: we do not say that here");
    assert.ok(!(await lines(bob)).some((line) => line.includes("darn")));
  },
  "speaking as somebody else": () =>
    untilLine(bob, press(alice, "spoof"), "alice: I am somebody else"),
  "entering the staff room": () =>
    untilLine(alice, press(alice, "staff"), "refused: entering the staff room: forbidden: the staff room is for staff"),
  "ten messages at once": async () => {
    await pause(alice, 2000); // what the other buttons used up
    await untilLine(alice, press(alice, "flood"), "refused: your message: slow_down: slow down a little (again in ");
    await hasLine(bob, "alice: flood 1");
    const heard = (await lines(bob)).filter((line) => line.startsWith("alice: flood")).length;
    assert.ok(heard < 10, `${heard} of ten messages came through a limit of five`);
    await alice.screenshot({ path: join(pictures, "chat-alice.png") });
    await bob.screenshot({ path: join(pictures, "chat-bob.png") });
  },
  "a reload drops nobody and holds": async () => {
    daemon.edit("routes.d/chat.route", ['"the staff room is for staff"', '"staff only, since the reload"']);
    daemon.reload();
    await untilLine(alice, press(alice, "staff"), "staff only, since the reload");
    await hasState(alice, "connected as alice");
    await hasState(bob, "connected as bob");
  },
  "a message over 2 kB is not sent": async () => {
    await alice.click("[data-try=huge]");
    await hasLine(alice, "refused: your message: too_big: more than 2048 bytes");
    await hasState(alice, "connected as alice");
    await pause(alice, 1500);
  },
  "what is said while the connection is gone is said later": async () => {
    await alice.evaluate(() => { // at once: it comes again within a moment
      client.reconnect();
      document.getElementById("text").value = "said in a tunnel";
      document.querySelector("#say button").click();
    });
    await hasLine(bob, "alice: said in a tunnel");
    await hasState(alice, "connected as alice");
    await alice.locator("#present li", { hasText: "bob" }).waitFor();
  },
  "two tabs of one user are one connection": async () => {
    const second = await openTab();
    await comeIn(second, "alice");
    await hasState(second, "connected as alice");
    const sessions = () => JSON.parse(daemon.run("sessions", "--config", daemon.path("wayleave.toml"), "--format", "json"));
    await waitUntil(() => (sessions().sessions ?? sessions()).filter((one) => one.user === "alice").length === 1, "one session");
    await pause(second, 1000);
    await untilLine(second, () => say(alice, "in both tabs"), "alice: in both tabs");
    await second.close();
  },
  "a narrow window shows all": async () => {
    await alice.setViewportSize({ width: 375, height: 700 });
    const width = await alice.evaluate(() => document.documentElement.scrollWidth);
    await alice.screenshot({ path: join(pictures, "chat-narrow.png") });
    await alice.emulateMedia({ colorScheme: "dark" });
    await alice.screenshot({ path: join(pictures, "chat-dark.png") });
    await alice.emulateMedia({ colorScheme: "light" });
    await alice.setViewportSize({ width: 1280, height: 720 });
    assert.ok(width <= 375, `the page is ${width} px wide`);
  },
  "leaving is seen": async () => {
    await comeIn(alice, "alice");
    await hasState(alice, "connected as alice");
    await bob.locator("#present li", { hasText: "alice" }).waitFor();
    await pause(alice, 1500);
    await alice.click("#leave");
    await hasState(alice, "not connected");
    await bob.locator("#present li", { hasText: "alice" }).waitFor({ state: "detached" });
  },
  "an expired token and a denied user are refused, and told why": async () => {
    for (const [who, why] of [["expired", "unauthenticated"], ["mallory", "forbidden: mallory may not chat"]]) {
      await comeIn(alice, who);
      await hasState(alice, `stopped: ${why}`);
      await hasLine(alice, `stopped: ${why}`);
    }
    await alice.screenshot({ path: join(pictures, "chat-refused.png") });
  },
  "a page of another origin is refused": async () => {
    const foreign = await context.newPage(); // about:blank, whose origin is null
    const outcome = await foreign.evaluate(([port]) => new Promise((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/chat`, ["wayleave.v1"]);
      socket.onopen = () => resolve("open");
      socket.onerror = () => resolve("refused");
    }), [daemon.port]);
    assert.equal(outcome, "refused");
  },
  "no script failed": () => assert.deepEqual(errors, []),
  "the browser hears of the end": async () => {
    await comeIn(alice, "alice");
    await hasState(alice, "connected as alice");
    daemon.process.kill("SIGTERM");
    await hasLine(alice, "the connection is gone (drain");
  },
}).finally(() => browser.close());
