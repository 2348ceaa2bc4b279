// What a page downloads of the client: minified as the daemon serves it, and gzip -9. --table prints it beside others.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const e2e = join(here, "../e2e");
const minified = (text, directory, ...more) => execFileSync("esbuild", ["--minify", "--charset=utf8", "--log-level=error", ...more], { input: text, cwd: directory });
const zipped = (bytes) => gzipSync(bytes, { level: 9 }).length;

const client = join(here, "../../daemon/client");
const own = Object.fromEntries(["wayleave.js", "wayleave-holder.js", "react.js"].map((name) => [name, zipped(execFileSync("esbuild",
  [name, "--minify", "--charset=utf8", "--log-level=error"], { cwd: client }))]));

if (process.argv[2] === "--table") {
  const require = createRequire(join(e2e, "package.json"));
  console.log("| client | version | bytes |\n|---|---|---|");
  console.log(`| wayleave, the page | | ${own["wayleave.js"]} |\n| wayleave, whoever holds the socket | | ${own["wayleave-holder.js"]} |`);
  for (const [name, text] of Object.entries({
    phoenix: 'export { Socket } from "phoenix"',
    "socket.io-client": 'export { io } from "socket.io-client"',
    "pusher-js": 'export { default } from "pusher-js"',
    centrifuge: 'export { Centrifuge } from "centrifuge"',
  })) {
    const { version } = JSON.parse(execFileSync("cat", [join(e2e, `node_modules/${name}/package.json`)], { encoding: "utf8" }));
    console.log(`| ${name} | ${version} | ${zipped(minified(text, e2e, "--bundle", "--format=esm", "--platform=browser"))} |`);
  }
} else {
  for (const [name, bytes] of Object.entries(own)) {
    console.log(`${name}: ${bytes} bytes`);
    assert.ok(bytes <= 6144, `${name} has ${bytes} bytes; 6144 are the bound`);
  }
}
