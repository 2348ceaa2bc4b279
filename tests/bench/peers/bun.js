// Bun's publish and subscribe, which is uWebSockets: as little as the load needs. bun run bun.js PORT
// /fan hears all, /fanpub says it to them; /ch/7 and /chpub/7 likewise; /echo hears itself.
Bun.serve({
  port: Number(process.argv[2]),
  hostname: "127.0.0.1",
  fetch(request, server) {
    const path = new URL(request.url).pathname;
    const data = { echoes: path === "/echo", publishes: path.includes("pub"), topic: path.split("/")[2] ?? "all" };
    if (!server.upgrade(request, { data })) return new Response("no WebSocket", { status: 400 });
  },
  websocket: {
    perMessageDeflate: false,
    backpressureLimit: 16 << 20,
    open(socket) {
      if (!socket.data.publishes && !socket.data.echoes) socket.subscribe(socket.data.topic);
      socket.send("{}");
    },
    message(socket, text) {
      if (socket.data.echoes) socket.send(text);
      else if (socket.data.publishes) socket.publish(socket.data.topic, text);
    },
  },
});
