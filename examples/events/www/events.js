// A page that listens, and speaks now and then, without a WebSocket: Server-Sent Events by wayleave's client, which comes
// back by itself and misses nothing. EventSource would do as well; wayleave.route(5) shows how.
import { connect } from "./client/wayleave.js";

const byId = (id) => document.getElementById(id);
const board = "board"; // joined by the policy
const client = (window.client = connect("/events", { transports: ["sse"] }));

function show(text, kind = "") {
  const line = document.createElement("li");
  line.textContent = text;
  line.className = kind;
  byId("log").append(line);
}

const words = {
  connecting: () => "connecting",
  online: () => "connected",
  waiting: () => "coming back",
  offline: () => "coming back when there is a network",
  stopped: (status) => `closed: ${status.because ?? status.reason}`,
};
client.on("$status", (status) => {
  byId("state").textContent = words[status.state](status);
  byId("state").className = status.state;
  if (!status.gap.includes(board)) return;
  show("(something was missed)", "missed");
  client.channel(board).loaded(); // there is nothing to load anew
});
client.on("note", (m) => show(m.text));

byId("say").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  client.send("note", { text: byId("text").value }).catch((error) => show(`refused: ${error.because ?? error.message}`, "missed"));
  byId("text").value = "";
});
