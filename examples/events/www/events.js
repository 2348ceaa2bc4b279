"use strict";

// What a page of its own needs to hear and say, without a library and without a WebSocket.
const address = "/events";
const byId = (id) => document.getElementById(id);
let session = null;

function show(text) {
  const line = document.createElement("li");
  line.textContent = text;
  byId("log").append(line);
}

// The browser comes back by itself after a cut, with the last id that it has seen: nothing is missed.
const events = new EventSource(address);
events.onerror = () => {
  session = null;
  byId("state").textContent = events.readyState === EventSource.CLOSED ? "refused" : "coming back";
};
events.onmessage = (event) => {
  const message = JSON.parse(event.data);
  if (message.type === "$hello") {
    session = message.session;
    byId("state").textContent = "connected";
    if (message.channels.some((channel) => channel.recovered === false)) show("(something was missed)");
  } else if (message.type === "$bye" && !message.reconnect) {
    events.close();
    byId("state").textContent = `closed: ${message.because ?? message.reason}`;
  } else if (message.type === "note") {
    show(message.text);
  }
};

async function say(message) {
  const answer = await fetch(address, { method: "POST", body: JSON.stringify(message),
    headers: { "Content-Type": "application/json", "Wayleave-Session": session ?? "" } });
  const said = await answer.json();
  if (!answer.ok) show(`refused: ${said.because ?? said.error}`);
}

byId("say").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  say({ type: "note", text: byId("text").value });
  byId("text").value = "";
});
