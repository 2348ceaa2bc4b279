// npm's ws as the client: the native dialect, and an echo route with all that a message can be. BINARY
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import WebSocket from "ws";
import { Daemon, patience, story, waitUntil } from "./daemon.mjs";

const daemon = new Daemon({
  files: {
    "wayleave.toml": `workers = 2
[[listen]]
address = "127.0.0.1:0"
[control]
socket = "control.sock"
[log]
format = "text"
[limits]
max_queue_bytes = "8mb"
close_timeout = "1s"
`,
    "routes.d/test.route": `
token demo { keys = file "../demo.key"  from subprotocol "wayleave.v1"  claim sub : string required }
route chat /ws {
    auth = demo
    origins = { none, "https://app.example.com" }
    subprotocols = { "app.v2", "app.v1" }
    allow connect
    allow subscribe on room/:room
    limit messages to 1000/s per connection
    message say { field room : string required  allow  publish to room/{room} }
}
route echo /echo { auth = none  dialect = "echo"  max_message = 2mb  subprotocols = { "mirror" }  allow connect }
route deny /deny { auth = none  allow connect  deny connect then status 451 because "not here" }
`,
  },
});
daemon.run("token", "--new-key", "EdDSA", "--out", daemon.path("demo.key"));
const token = (user) => daemon.run("token", "--key", daemon.path("demo.key"), "--subject", user).trim();

// A client whose messages wait until they are asked for.
class Client {
  constructor(path, protocols = [], options = {}) {
    this.socket = new WebSocket(`ws://127.0.0.1:${daemon.port}${path}`, protocols, { handshakeTimeout: patience, ...options });
    this.messages = [];
    this.socket.on("message", (data, binary) => this.messages.push({ data, binary }));
    this.closed = new Promise((resolve) => this.socket.on("close", (code, reason) => resolve([code, reason.toString()])));
    this.socket.on("error", () => {}); // close follows
  }
  static async open(...args) {
    const client = new Client(...args);
    await once(client.socket, "open");
    return client;
  }
  static async user(name) {
    const client = await Client.open("/ws", ["wayleave.v1", token(name)]);
    assert.equal((await client.json()).type, "$hello");
    return client;
  }
  async next() {
    await waitUntil(() => this.messages.length > 0, "a message");
    return this.messages.shift();
  }
  async json() {
    const { data, binary } = await this.next();
    assert.equal(binary, false);
    return JSON.parse(data.toString());
  }
  send(message) { this.socket.send(JSON.stringify(message)); }
  async close(code = 1000) {
    this.socket.close(code);
    return this.closed;
  }
}

async function refusal(path, protocols, options) {
  const socket = new WebSocket(`ws://127.0.0.1:${daemon.port}${path}`, protocols, options);
  socket.on("error", () => {});
  const [, response] = await once(socket, "unexpected-response");
  let body = "";
  for await (const part of response) body += part;
  return [response.statusCode, JSON.parse(body)];
}

async function echoes(client, data, send) {
  send(client.socket, data);
  const { data: back, binary } = await client.next();
  assert.equal(binary, typeof data !== "string");
  assert.ok(Buffer.from(data).equals(back), `${data.length} bytes came back as ${back.length} others`);
}

await story(daemon, {
  "two users chat": async () => {
    const [alice, bob] = [await Client.user("alice"), await Client.user("bob")];
    assert.equal(alice.socket.protocol, "wayleave.v1");
    bob.send({ type: "$subscribe", channel: "room/a", $id: "s" });
    assert.deepEqual(await bob.json(), { type: "$subscribed", re: "s", channel: "room/a" });
    for (let n = 0; n < 200; ++n) alice.send({ type: "say", room: "a", n });
    for (let n = 0; n < 200; ++n) assert.equal((await bob.json()).n, n);
    assert.deepEqual(await alice.close(), [1000, ""]);
    assert.deepEqual(await bob.close(4000), [4000, ""]);
  },
  "subprotocols are negotiated": async () => {
    const choose = async (offered) => {
      const client = await Client.open("/ws", [...offered, "wayleave.v1", token("alice")]);
      const chosen = client.socket.protocol;
      await client.close();
      return chosen;
    };
    assert.equal(await choose(["app.v1"]), "app.v1");
    assert.equal(await choose(["other", "app.v1", "app.v2"]), "app.v1", "the first that the client offers");
    assert.equal(await choose(["other"]), "wayleave.v1");
    const client = await Client.open("/echo", ["mirror"]);
    assert.equal(client.socket.protocol, "mirror");
    await client.close();
    const socket = new WebSocket(`ws://127.0.0.1:${daemon.port}/echo`, ["nobody.knows"]);
    const [error] = await once(socket, "error"); // ws wants an answer to what it offered
    assert.match(String(error), /subprotocol/);
  },
  "binary and text come back as they were": async () => {
    const client = await Client.open("/echo");
    const plain = (socket, data) => socket.send(data);
    for (const size of [0, 1, 125, 126, 65535, 65536, 1 << 20]) {
      await echoes(client, randomBytes(size), plain);
      await echoes(client, "ä".repeat(size / 2), plain);
    }
    await client.close();
  },
  "one MB in fragments": async () => {
    const client = await Client.open("/echo");
    for (const size of [1 << 20, 100_000, 1_500]) {
      await echoes(client, randomBytes(1 << 20), (socket, data) => {
        for (let at = 0; at < data.length; at += size) {
          socket.send(data.subarray(at, at + size), { binary: true, fin: at + size >= data.length });
        }
      });
    }
    await client.close();
  },
  "many large messages, both ways at once": async () => {
    const client = await Client.open("/echo");
    const sent = Array.from({ length: 20 }, () => randomBytes(300_000));
    for (const data of sent) client.socket.send(data);
    for (const data of sent) assert.ok(data.equals((await client.next()).data));
    await client.close();
  },
  "compression is not spoken where the route does not want it": async () => {
    const client = await Client.open("/echo", [], { perMessageDeflate: true });
    assert.equal(client.socket.extensions, "");
    await echoes(client, "a".repeat(5000), (socket, data) => socket.send(data));
    await client.close();
  },
  "ping and pong": async () => {
    const client = await Client.open("/echo");
    for (const payload of ["", "abc", "x".repeat(125)]) {
      client.socket.ping(payload);
      const [back] = await once(client.socket, "pong");
      assert.equal(back.toString(), payload);
    }
    await client.close();
  },
  "too large is 1009, binary on the native dialect a bad message": async () => {
    const large = await Client.open("/echo");
    large.socket.send(randomBytes(3 << 20));
    // A client that is still sending may see the reset before the close frame.
    assert.ok([1009, 1006].includes((await large.closed)[0]));
    const native = await Client.user("alice");
    native.socket.send(randomBytes(10));
    assert.equal((await native.json()).error, "bad_message");
    await native.close();
  },
  "close codes come back": async () => {
    for (const code of [1000, 1001, 1003, 1011, 3000, 4999]) {
      const client = await Client.open("/echo");
      client.socket.close(code, "grund ☃");
      assert.equal((await client.closed)[0], code);
    }
    const client = await Client.open("/echo");
    client.socket.close();
    assert.equal((await client.closed)[0], 1005);
  },
  "refusals have a status and a reason": async () => {
    assert.equal((await refusal("/nowhere"))[0], 404);
    const [status, problem] = await refusal("/deny");
    assert.equal(status, 451);
    assert.equal(problem.detail, "not here");
    assert.equal((await refusal("/ws", ["wayleave.v1"]))[0], 401);
    assert.equal((await refusal("/ws", ["wayleave.v1", token("a")], { origin: "https://evil.example" }))[0], 403);
  },
  "the end is told": async () => {
    const [client, echo] = [await Client.user("alice"), await Client.open("/echo")];
    daemon.process.kill("SIGTERM");
    assert.equal((await client.json()).type, "$bye");
    assert.equal((await client.closed)[0], 1001);
    assert.equal((await echo.closed)[0], 1001);
  },
});
