// The page of the example `saas` in Debian's Chromium: two people who see each other do things. BINARY DIRECTORY-FOR-SCREENSHOTS
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { binary, patience, waitUntil } from "./daemon.mjs";

const examples = join(dirname(fileURLToPath(import.meta.url)), "../../examples");
const root = mkdtempSync(join(tmpdir(), "wayleave-saas-"));
cpSync(examples, join(root, "examples"), { recursive: true, filter: (path) => !path.endsWith("/run") || path === join(examples, "run") });

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

const port = await freePort();
const script = spawn(join(root, "examples/run"), ["saas"], {
  detached: true,  // a process group of its own, as a terminal's
  env: { ...process.env, WAYLEAVE: resolve(binary), APP_PORT: port, WAYLEAVE_PORT: await freePort(), ADMIN_PORT: await freePort() },
});
let log = "";
for (const stream of [script.stdout, script.stderr]) stream.on("data", (data) => { log += data; });
const ended = new Promise((done) => script.on("close", done));

const errors = [];
let browser;

async function person(name) {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(patience);
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(`http://127.0.0.1:${port}/`);
  await page.selectOption("#who", name);
  await page.click("#door button");
  await page.locator("#state", { hasText: `you are ${name}` }).waitFor();
  return page;
}

const has = (page, list, text) => page.locator(`#${list} li`, { hasText: text }).first().waitFor();
const press = (page, list, text, name) => page.locator(`#${list} li`, { hasText: text }).getByRole("button", { name, exact: true }).click();
async function fill(page, form, text) {
  await page.fill(`#${form} input`, text);
  await page.click(`#${form} button`);
}

try {
  await waitUntil(() => log.includes("Open http") || script.exitCode !== null, "the example");
  browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: process.getuid() === 0 ? ["--no-sandbox"] : [],
    timeout: patience,
  });
  const [ann, ben] = [await person("ann"), await person("ben")];
  await has(ann, "people", "ben, here");
  await has(ben, "people", "ann, here");

  await press(ann, "people", "ben", "Befriend");
  await press(ben, "people", "ann", "Be friends");
  await has(ann, "people", "ben, here, a friend");
  await press(ann, "people", "ben", "Remind");
  await has(ben, "notes", "ann reminds you");

  await fill(ann, "task", "write <b>it</b> down");
  await press(ben, "tasks", "write <b>it</b> down", "Done");
  await has(ann, "tasks", "(done)");

  await ann.click("#form button");
  await has(ann, "mistakes", "email: this is no address");
  await ann.setInputFiles("#file", { name: "päper.txt", mimeType: "text/plain", buffer: Buffer.alloc(1 << 20) });
  await has(ann, "uploads", "päper.txt: 100 %");

  await fill(ben, "join", "board");
  await has(ben, "said", "you are no member of this room");
  await fill(ann, "join", "board");
  await fill(ann, "say", "is anybody here?");
  await has(ann, "said", "ann: is anybody here?");
  await fill(ann, "invite", "ben");
  await press(ben, "notes", "ann invites you into board", "Enter");
  await has(ben, "said", "ann: is anybody here?");
  await fill(ben, "say", "I am");
  await has(ann, "said", "ben: I am");

  await press(ann, "people", "ben", "Call");
  await ben.locator("#ring[open]", { hasText: "ann calls" }).waitFor();
  if (process.argv[3]) await ben.screenshot({ path: join(process.argv[3], "saas.png") });
  await ben.click("#ring button");

  await ben.reload();
  await has(ben, "people", "ann, here, a friend");
  await has(ben, "tasks", "(done)");
  await ben.click("#leave");
  await ben.locator("#door").waitFor();
  await ann.locator("#people li", { hasText: "ben, here" }).waitFor({ state: "detached" });
  assert.deepEqual(errors, []);

  process.kill(-script.pid, "SIGINT");
  await ann.locator("#state", { hasText: "not connected" }).waitFor();
  await ended;
  console.log("all passed");
} catch (error) {
  console.error(error, errors);
  console.error(`--- the example's log:\n${log.split("\n").slice(-40).join("\n")}`);
  process.exitCode = 1;
} finally {
  await browser?.close();
  if (script.exitCode === null && script.signalCode === null) process.kill(-script.pid, "SIGTERM");
  await ended;
  rmSync(root, { recursive: true, force: true });
}
