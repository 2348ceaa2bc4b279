// The hooks, by the React example under StrictMode, which mounts all twice: BINARY DIRECTORY-FOR-SCREENSHOTS
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { source, launch } from "./client_world.mjs";
import { Daemon, patience, story, waitUntil } from "./daemon.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const example = join(here, "../../examples/react");
const pictures = process.argv[3] ?? ".";
const daemon = new Daemon({});
for (const name of ["wayleave.toml", "routes.d", "www"]) cpSync(join(example, name), daemon.path(name), { recursive: true });
daemon.edit("wayleave.toml", ["127.0.0.1:8082", "127.0.0.1:0"], ["127.0.0.1:9182", "127.0.0.1:0"]);

mkdirSync(daemon.path("www/client"), { recursive: true });
mkdirSync(daemon.path("www/vendor"), { recursive: true });
mkdirSync(daemon.path("run"), { recursive: true });
for (const file of ["wayleave.js", "wayleave-holder.js", "react.js"]) cpSync(join(source, file), daemon.path(`www/client/${file}`));
execFileSync("node", [join(example, "vendor.mjs"), "--development", join(here, "node_modules"), daemon.path("www/vendor/react.js")]);
cpSync(join(here, "node_modules/htm/dist/htm.module.js"), daemon.path("www/vendor/htm.js"));
daemon.run("token", "--new-key", "ES256", "--out", daemon.path("run/keys.jwks"));
const token = (user) => daemon.run("token", "--key", daemon.path("run/keys.jwks"), "--issuer", "https://example.com/demo", "--audience", "chat",
  "--subject", user, "--claim", `name=${user}`, "--claim", "company=acme").trim();
daemon.write("www/tokens.js", `window.wayleaveDemoTokens = ${JSON.stringify({ alice: token("alice"), bob: token("bob") })};`);

const sessions = () => JSON.parse(daemon.run("sessions", "--config", daemon.path("wayleave.toml"), "--format", "json"));
const count = (user) => (sessions().sessions ?? sessions()).filter((one) => one.user === user).length;

const browser = await launch("chromium");
const problems = [];
async function open(user, options = {}) {
  const context = options.context ?? await browser.newContext(options);
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => { if (message.type() === "error") problems.push(message.text()); });
  await page.goto(`http://127.0.0.1:${daemon.port}/?as=${user}`);
  await page.locator("#status.online").waitFor();
  return page;
}
const has = (page, selector, text) => page.locator(selector, { hasText: text }).first().waitFor();

let alice;
let second;
let bob;
await story(daemon, {
  "the policy is told the page's port": () => {
    daemon.edit("routes.d/react.route", [":8082", `:${daemon.port}`]);
    daemon.reload();
  },
  "two tabs of alice are one connection, StrictMode or not": async () => {
    alice = await open("alice");
    second = await open("alice", { context: alice.context() });
    bob = await open("bob");
    await waitUntil(() => count("alice") === 1 && count("bob") === 1, "one session each");
    const subscribed = (sessions().sessions ?? sessions()).find((one) => one.user === "alice").channels;
    assert.equal(subscribed, 4, "user, call, upload, and the board once");
  },
  "a notification arrives once in each tab": async () => {
    await bob.fill("[aria-label='Tell alice']", "the build is green");
    await bob.press("[aria-label='Tell alice']", "Enter");
    daemon.run("publish", "--config", daemon.path("wayleave.toml"), "user/alice", '{"type":"notification","text":"order 7 is paid"}');
    for (const page of [alice, second]) {
      await has(page, "#notes li", "the build is green");
      await has(page, "#notes li", "order 7 is paid");
      assert.equal(await page.locator("#notes li").count(), 2);
    }
  },
  "friends": async () => {
    await bob.click("text=Ask alice");
    await has(bob, "#friends li", "has been asked");
    await second.click("text=Accept bob");
    for (const page of [alice, second, bob]) await has(page, "#friends li", "is a friend");
  },
  "the board is everybody's": async () => {
    await alice.fill("[aria-label='A new task']", "write <b>the</b> manual");
    await alice.press("[aria-label='A new task']", "Enter");
    await has(bob, "ul[aria-label=open] li", "write <b>the</b> manual");
    await bob.click("[aria-label='write <b>the</b> manual: doing']");
    for (const page of [alice, second]) await has(page, "ul[aria-label=doing] li", "write");
    const late = await open("bob");
    await has(late, "ul[aria-label=doing] li", "write");
    await late.close();
  },
  "an upload, the tutorial, a call": async () => {
    await alice.click("text=Upload a photo");
    await second.locator("#uploads progress[value='100']").waitFor();
    await alice.click("text=Done, next");
    await has(second, "#lesson", "Add a task");
    await bob.click("text=Call alice");
    await has(alice, "#call[open]", "bob is calling");
    await alice.screenshot({ path: join(pictures, "react-call.png") });
    await alice.press("#call", "Escape");
    await alice.locator("#call[open]").waitFor({ state: "detached" });
  },
  "what was missed and is gone is told, and loaded anew": async () => {
    daemon.process.kill("SIGKILL");
    await daemon.ended;
    daemon.edit("wayleave.toml", ["127.0.0.1:0\"\n\n[policy]", `127.0.0.1:${daemon.port}"\n\n[policy]`]);
    await daemon.start();
    await alice.locator("#status.online").waitFor();
    await has(alice, "#missed", "tasks/acme");
    await alice.screenshot({ path: join(pictures, "react-missed.png") });
    await alice.click("text=Load anew");
    await alice.locator("#missed").waitFor({ state: "detached" });
    assert.equal(await alice.locator("#board li").count(), 0);
  },
  "dark, and narrow": async () => {
    for (const task of ["call the printer", "water the plants"]) {
      await alice.fill("[aria-label='A new task']", task);
      await alice.press("[aria-label='A new task']", "Enter");
    }
    await has(alice, "ul[aria-label=open] li", "plants");
    await alice.screenshot({ path: join(pictures, "react-light.png"), fullPage: true });
    await alice.emulateMedia({ colorScheme: "dark" });
    await alice.screenshot({ path: join(pictures, "react-dark.png"), fullPage: true });
    await alice.setViewportSize({ width: 375, height: 700 });
    assert.ok(await alice.evaluate(() => document.documentElement.scrollWidth) <= 375);
    await alice.screenshot({ path: join(pictures, "react-narrow.png"), fullPage: true });
  },
  "no script failed": () => assert.deepEqual(problems.filter((text) => !/WebSocket connection|ERR_CONNECTION/.test(text)), []),
}).finally(() => browser.close());
