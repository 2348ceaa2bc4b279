// npm's ws as its documentation shows a broadcast: as little as the load needs. node ws.mjs PORT
import { createRequire } from "node:module";

const { WebSocketServer } = createRequire(new URL("../../e2e/package.json", import.meta.url))("ws");
const subscribers = new Set();
const server = new WebSocketServer({ port: Number(process.argv[2]), host: "127.0.0.1", perMessageDeflate: false, backlog: 4096 });
server.on("connection", (socket, request) => {
  const publishes = request.url.endsWith("pub");
  if (!publishes) subscribers.add(socket);
  socket.on("error", () => {});
  socket.on("close", () => subscribers.delete(socket));
  socket.on("message", (text) => {
    if (!publishes) return;
    for (const one of subscribers) one.send(text, { binary: false });
  });
  socket.send("{}");
});
