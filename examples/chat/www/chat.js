"use strict";
// A plain WebSocket and JSON: no library. tokens.js is not part of a real application; examples/run makes it so that
// the page has somebody to be. There, a login hands out the token.

const $ = (id) => document.getElementById(id);
const room = "lobby";
let socket = null;
let name = "";
let lastId = 0;
const waiting = new Map(); // $id -> what was tried
const seen = new Map(); // name -> when it was heard of

function note(text, kind) {
  const line = document.createElement("li");
  line.className = kind;
  line.textContent = text; // never innerHTML: what others write is text
  $("log").append(line);
  $("log").scrollTop = $("log").scrollHeight;
}

function state(text, kind) {
  $("state").textContent = text;
  $("state").className = kind;
}

function send(message, what) {
  if (!socket || socket.readyState !== WebSocket.OPEN) return;
  if (what) {
    message.$id = ++lastId;
    waiting.set(lastId, what);
  }
  socket.send(JSON.stringify(message));
}

function say(text, from = name) {
  send({ type: "chat.say", room, from, text }, "your message");
}

function showPresent() {
  const now = Date.now();
  for (const [who, at] of seen) if (now - at > 15000) seen.delete(who);
  $("present").replaceChildren(...[...seen.keys()].sort().map((who) => {
    const item = document.createElement("li");
    item.textContent = who;
    return item;
  }));
}

const here = () => send({ type: "chat.here", room });

const handlers = {
  "$hello": (m) => {
    state(`connected as ${name}`, "open");
    note(`session ${m.session}; joined ${m.channels.map((c) => c.channel).join(", ")}`, "note");
    send({ type: "$subscribe", channel: `room/${room}` }, "entering the room");
  },
  "$subscribed": (m) => {
    waiting.delete(m.re);
    here();
  },
  "$ok": (m) => waiting.delete(m.re),
  "$error": (m) => {
    const what = waiting.get(m.re) || "that";
    waiting.delete(m.re);
    const wait = m.retry_after ? ` (again in ${m.retry_after} ms)` : "";
    note(`refused: ${what}: ${m.error}: ${m.because || "no reason given"}${wait}`, "refused");
  },
  "$bye": (m) => note(`goodbye ${m.code}: ${m.reason}${m.because ? ": " + m.because : ""}`, "refused"),
  "chat.say": (m) => {
    seen.set(m.from, Date.now());
    note(`${m.from}: ${m.text}`, "said");
    showPresent();
  },
  "chat.here": (m) => {
    const news = !seen.has(m.from);
    seen.set(m.from, Date.now());
    if (news && m.from !== name) here(); // so that a newcomer learns of us at once
    showPresent();
  },
  "chat.leave": (m) => {
    seen.delete(m.from);
    showPresent();
  },
};

function connect() {
  const who = $("who").value;
  const token = (window.wayleaveDemoTokens || {})[who];
  if (!token) return state("no token: start the example with examples/run", "shut");
  name = who === "expired" ? "carol" : who;
  seen.clear();
  $("log").replaceChildren();
  $("room").hidden = false;
  state("connecting", "");
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/ws/chat`, ["wayleave.v1", token]);
  let opened = false;
  socket.onopen = () => { opened = true; $("leave").disabled = false; };
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    (handlers[message.type] || (() => note(event.data, "note")))(message);
  };
  socket.onclose = (event) => {
    $("leave").disabled = true;
    seen.clear();
    showPresent();
    state(opened ? `closed: ${event.code} ${event.reason}` : "the server refused the connection", "shut");
    if (!opened) note("Browsers hide why; the daemon's log and /metrics say it, and so does curl.", "note");
  };
}

const tries = {
  spoof: () => say("I am somebody else", "somebody-else"),
  staff: () => send({ type: "$subscribe", channel: "room/staff" }, "entering the staff room"),
  flood: () => { for (let i = 1; i <= 10; ++i) say(`flood ${i}`); },
  huge: () => say("x".repeat(3000)),
};

$("door").addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket) socket.close();
  connect();
});
$("leave").addEventListener("click", () => {
  send({ type: "chat.leave", room });
  socket.close(1000);
});
$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  say($("text").value);
  $("text").value = "";
});
for (const button of document.querySelectorAll("[data-try]")) {
  button.addEventListener("click", () => tries[button.dataset.try]());
}
setInterval(() => { here(); showPresent(); }, 5000);
