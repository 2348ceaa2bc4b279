// socket.io with its Redis adapter, as their documentation shows both. node socket.io.mjs PORT REDIS-PORT
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const redis = createClient({ url: `redis://127.0.0.1:${process.argv[3]}` });
const listener = redis.duplicate();
await Promise.all([redis.connect(), listener.connect()]);
const http = createServer();
const io = new Server(http, { transports: ["websocket"], adapter: createAdapter(redis, listener), pingInterval: 600_000, perMessageDeflate: false });
io.on("connection", (socket) => {
  if (!socket.handshake.query.as) socket.join("all");
  socket.on("say", (data, answer) => {
    io.to("all").emit("say", data);
    answer?.();
  });
});
http.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 });
