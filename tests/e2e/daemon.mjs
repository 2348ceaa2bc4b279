// Starts a daemon on a copy of files, on free ports, and ends it; the Python tests have daemon.py for the same.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const binary = process.argv[2];
// The point at which a test gives up, also where a sanitizer makes all slow.
export const patience = 60_000;

export async function waitUntil(condition, what) {
  const deadline = Date.now() + patience;
  for (;;) {
    const result = await condition();
    if (result) return result;
    assert.ok(Date.now() < deadline, `gave up waiting for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export class Daemon {
  #log = "";

  // `files`: name -> text; `copy`: a directory to start from. The settings are wayleave.toml among them.
  constructor({ files = {}, copy = null }) {
    this.root = mkdtempSync(join(tmpdir(), "wayleave-e2e-"));
    if (copy) cpSync(copy, this.root, { recursive: true });
    for (const [name, text] of Object.entries(files)) this.write(name, text);
  }

  path(name) { return join(this.root, name); }

  write(name, text) {
    mkdirSync(join(this.path(name), ".."), { recursive: true });
    writeFileSync(this.path(name), text);
  }

  edit(name, ...pairs) {
    let text = readFileSync(this.path(name), "utf8");
    for (const [old, now] of pairs) {
      assert.ok(text.includes(old), `${old} is not in ${name}`);
      text = text.replaceAll(old, now);
    }
    this.write(name, text);
  }

  run(...args) { return execFileSync(binary, args, { encoding: "utf8", timeout: patience }); }

  get log() { return this.#log; }

  async start() {
    this.process = spawn(binary, ["serve", "--config", this.path("wayleave.toml")], { stdio: ["ignore", "ignore", "pipe"] });
    this.process.stderr.on("data", (data) => { this.#log += data; });
    this.ended = new Promise((resolve) => this.process.on("close", (code, signal) => resolve(signal ?? code)));
    await waitUntil(() => this.#log.includes("event=started") || this.process.exitCode !== null, "the start");
    assert.equal(this.process.exitCode, null, `the daemon ended at its start:\n${this.#log}`);
    this.port = Number(/event=listening address=https?:\/\/\S*:(\d+)/.exec(this.#log)[1]);
    return this;
  }

  reload() { return this.run("reload", "--config", this.path("wayleave.toml")); }

  async stop() {
    this.process.kill("SIGTERM");
    const code = await this.ended;
    for (const sign of ["ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "event=bug"]) {
      assert.ok(!this.#log.includes(sign), `the daemon has a bug:\n${this.#log}`);
    }
    assert.equal(code, 0, `the daemon ended with ${code}:\n${this.#log}`);
  }

  remove() {
    if (this.process && this.process.exitCode === null) this.process.kill("SIGKILL");
    rmSync(this.root, { recursive: true, force: true });
  }
}

// Steps in order, each with a line; the first that fails ends the test.
export async function story(daemon, steps) {
  try {
    await daemon.start();
    for (const [name, step] of Object.entries(steps)) {
      try {
        await step();
        console.log(`ok    ${name}`);
      } catch (error) {
        console.log(`FAIL  ${name}`);
        throw error;
      }
    }
    await daemon.stop();
    console.log("all passed");
  } catch (error) {
    console.error(error);
    console.error("--- the daemon's log:\n" + daemon.log.split("\n").slice(-40).join("\n"));
    process.exitCode = 1;
  } finally {
    daemon.remove();
  }
}
