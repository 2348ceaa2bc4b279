// Bun's publish and subscribe, which is uWebSockets: as little as the load needs. bun run bun.js PORT
Bun.serve({
  port: Number(process.argv[2]),
  hostname: "127.0.0.1",
  fetch(request, server) {
    const publishes = new URL(request.url).pathname.endsWith("pub");
    if (!server.upgrade(request, { data: { publishes } })) return new Response("no WebSocket", { status: 400 });
  },
  websocket: {
    perMessageDeflate: false,
    backpressureLimit: 16 << 20,
    open(socket) {
      if (!socket.data.publishes) socket.subscribe("all");
      socket.send("{}");
    },
    message(socket, text) {
      if (socket.data.publishes) socket.publish("all", text);
    },
  },
});
