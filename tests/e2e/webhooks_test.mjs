// npm's standardwebhooks on what wayleave sends to an application: messages, notices and checks. BINARY
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmodSync } from "node:fs";
import { createServer } from "node:http";
import { Webhook, WebhookVerificationError } from "standardwebhooks";
import WebSocket from "ws";
import { Daemon, patience, story, waitUntil } from "./daemon.mjs";

const secret = () => `whsec_${randomBytes(32).toString("base64")}`;
const now = secret();
const next = secret();

// The application: it remembers what came, as bytes.
const heard = [];
const application = createServer((request, answer) => {
  const parts = [];
  request.on("data", (part) => parts.push(part)).on("end", () => {
    heard.push({ url: request.url, method: request.method, headers: request.headers, body: Buffer.concat(parts) });
    const claims = JSON.stringify({ sub: "ann" });
    if (request.url === "/whoami") answer.writeHead(200, { "Content-Type": "application/json" }).end(claims);
    else answer.writeHead(204).end();
  });
});
await new Promise((resolve) => application.listen(0, "127.0.0.1", resolve));

const daemon = new Daemon({
  files: {
    "wayleave.toml": `workers = 1
[[listen]]
address = "127.0.0.1:0"
[control]
socket = "control.sock"
[log]
format = "text"
[limits]
close_timeout = "1s"
`,
    "routes.d/test.route": `
backend app { url = "http://127.0.0.1:${application.address().port}"  sign = file "../app.whsec" }
token session { check = app "/whoami"  from cookie "sid"  claim sub : string required }
route app /ws {
    auth = session
    origins = { none }
    allow connect
    notify app "/events" on connect, disconnect
    message form { field text : string required  allow  forward to app "/forms" }
}
`,
    "app.whsec": `${now}\n${next}\n`,
  },
});
chmodSync(daemon.path("app.whsec"), 0o600);

const verify = ({ headers, body }, key) => new Webhook(key).verify(body.toString(), headers);
const heardAt = (url) => waitUntil(() => heard.find((one) => one.url === url), `a request to ${url}`);
let socket;

function holds(request) {
  for (const key of [now, next]) verify(request, key);
  assert.throws(() => verify(request, secret()), WebhookVerificationError, "a key that is not ours");
  const changed = { ...request, body: Buffer.concat([request.body, Buffer.from(" ")]) };
  assert.throws(() => verify(changed, now), WebhookVerificationError, "another body");
  for (const [name, text] of [["webhook-id", "msg_other"], ["webhook-timestamp", String(Number(request.headers["webhook-timestamp"]) + 1)],
    ["webhook-signature", request.headers["webhook-signature"].replaceAll("v1,", "v2,")]]) {
    const headers = { ...request.headers, [name]: text };
    assert.throws(() => verify({ ...request, headers }, now), WebhookVerificationError, name);
  }
}

await story(daemon, {
  "a check of a cookie": async () => {
    socket = new WebSocket(`ws://127.0.0.1:${daemon.port}/ws`, "wayleave.v1", { handshakeTimeout: patience, headers: { Cookie: "sid=7" } });
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    const asked = await heardAt("/whoami");
    assert.equal(asked.method, "GET");
    assert.equal(asked.headers.cookie, "sid=7");
    holds(asked);
  },
  "a notice": async () => {
    const told = await heardAt("/events");
    holds(told);
    const envelope = verify(told, now);
    assert.equal(envelope.type, "connect");
    assert.equal(envelope.user, "ann");
    assert.equal(envelope.id, told.headers["webhook-id"]);
  },
  "a message": async () => {
    socket.send(JSON.stringify({ type: "form", text: "ein schöner Tag ☃ 𝄞 \u0000" }));
    const asked = await heardAt("/forms");
    holds(asked);
    assert.deepEqual(verify(asked, now).message, { type: "form", text: "ein schöner Tag ☃ 𝄞 \u0000" });
    assert.equal(asked.headers["content-type"], "application/json");
  },
  "the key that is new": async () => {
    daemon.write("app.whsec", `${next}\n`);
    daemon.reload();
    heard.length = 0;
    socket.send(JSON.stringify({ type: "form", text: "again" }));
    const asked = await heardAt("/forms");
    verify(asked, next);
    assert.throws(() => verify(asked, now), WebhookVerificationError, "the old key is gone");
    socket.close();
    verify(await heardAt("/events"), next);
  },
});
application.close();
application.closeAllConnections();
