// npm's ws as its documentation shows a broadcast: as little as the load needs. node ws.mjs PORT
// /fan hears all, /fanpub says it to them; /ch/7 and /chpub/7 likewise; /echo hears itself.
import { createRequire } from "node:module";

const { WebSocketServer } = createRequire(new URL("../../e2e/package.json", import.meta.url))("ws");
const topics = new Map();
const server = new WebSocketServer({ port: Number(process.argv[2]), host: "127.0.0.1", perMessageDeflate: false, backlog: 4096 });
server.on("connection", (socket, request) => {
  const echoes = request.url === "/echo";
  const publishes = request.url.includes("pub");
  const topic = request.url.split("/")[2] ?? "all";
  if (!topics.has(topic)) topics.set(topic, new Set());
  const subscribers = topics.get(topic);
  if (!publishes && !echoes) subscribers.add(socket);
  socket.on("error", () => {});
  socket.on("close", () => subscribers.delete(socket));
  socket.on("message", (text) => {
    if (echoes) socket.send(text, { binary: false });
    else if (publishes) for (const one of subscribers) one.send(text, { binary: false });
  });
  socket.send("{}");
});
