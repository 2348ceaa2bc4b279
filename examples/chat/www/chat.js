"use strict";
// A plain WebSocket and JSON: no library. tokens.js is not part of a real application; examples/run makes it so that
// the page has somebody to be. There, a login hands out the token.

const $ = (id) => document.getElementById(id);
const room = "lobby";
const mostUnsent = 100;
let socket = null;
let name = ""; // empty: nobody wants to be here
let lastId = 0;
let attempts = 0; // since the last $hello
let retry = 0; // the timer of the next
let goodbye = null; // the last $bye: says whether to come again
const waiting = new Map(); // $id -> what was tried
const unsent = []; // what was said while there was no connection
const present = new Map(); // user -> connections

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

const isOpen = () => socket && socket.readyState === WebSocket.OPEN;

function send(message, what, then) {
  message.$id = ++lastId;
  waiting.set(lastId, { what, then });
  socket.send(JSON.stringify(message));
}

// What is typed while there is no connection is kept, and sent with the next.
function say(text) {
  if (isOpen()) return send({ type: "chat.say", room, text }, "your message");
  if (unsent.length === mostUnsent) return note("too much is waiting; this is not kept", "refused");
  unsent.push(text);
  note(`${name} (not sent yet): ${text}`, "note");
}

function showPresent() {
  $("present").replaceChildren(...[...present.keys()].sort().map((who) => {
    const item = document.createElement("li");
    item.textContent = who;
    return item;
  }));
}

const handlers = {
  "$hello": (m) => {
    attempts = 0;
    state(`connected as ${name}`, "open");
    note(`session ${m.session}; joined ${m.channels.map((c) => c.channel).join(", ")}`, "note");
    send({ type: "$subscribe", channel: `room/${room}` }, "entering the room");
    send({ type: "$presence", channel: `room/${room}` }, "asking who is here", (data) => {
      present.clear();
      for (const one of data.users) present.set(one.user, one.connections);
      showPresent();
    });
    for (const text of unsent.splice(0)) say(text);
  },
  "$subscribed": (m) => waiting.delete(m.re),
  "$ok": (m) => {
    const asked = waiting.get(m.re);
    waiting.delete(m.re);
    if (asked && asked.then) asked.then(m.data);
  },
  "$error": (m) => {
    const asked = waiting.get(m.re) || { what: "that" };
    waiting.delete(m.re);
    const wait = m.retry_after ? ` (again in ${m.retry_after} ms)` : "";
    note(`refused: ${asked.what}: ${m.error}: ${m.because || "no reason given"}${wait}`, "refused");
  },
  "$bye": (m) => {
    goodbye = m;
    note(`goodbye ${m.code}: ${m.reason}${m.because ? ": " + m.because : ""}`, "refused");
  },
  "$join": (m) => {
    present.set(m.user, 1);
    showPresent();
  },
  "$leave": (m) => {
    present.delete(m.user);
    showPresent();
  },
  "chat.say": (m) => note(`${m.from}: ${m.text}`, "said"),
};

// The server says when to come again, or not to; without its word, later and later, and never all at once.
function comeAgain(opened) {
  if (!name || (goodbye && goodbye.reconnect === false)) return;
  if (!opened && attempts === 0) return; // refused at the door
  attempts += 1;
  const after = goodbye ? goodbye.reconnect.after_ms : Math.min(500 * 2 ** attempts, 30000) * (0.5 + Math.random() / 2);
  note(`the connection is gone; trying again in ${Math.round(after / 100) / 10} s`, "note");
  retry = setTimeout(connect, after);
}

function connect() {
  clearTimeout(retry);
  const who = $("who").value;
  const token = (window.wayleaveDemoTokens || {})[who];
  if (!token) return state("no token: start the example with examples/run", "shut");
  name = who === "expired" ? "carol" : who;
  goodbye = null;
  state("connecting", "");
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const own = new WebSocket(`${scheme}://${location.host}/ws/chat`, ["wayleave.v1", token]);
  socket = own;
  let opened = false;
  own.onopen = () => { opened = true; $("leave").disabled = false; };
  own.onmessage = (event) => {
    const message = JSON.parse(event.data);
    (handlers[message.type] || (() => note(event.data, "note")))(message);
  };
  own.onclose = (event) => {
    if (socket !== own) return; // another has taken its place
    $("leave").disabled = true;
    waiting.clear();
    present.clear();
    showPresent();
    state(opened ? `closed: ${event.code} ${event.reason}` : "the server refused the connection", "shut");
    if (!opened && attempts === 0)
      note("Browsers hide why; the daemon's log and /metrics say it, and so does curl.", "note");
    comeAgain(opened);
  };
}

const tries = {
  spoof: () => send({ type: "chat.say", room, from: "somebody-else", text: "I am somebody else" }, "your message"),
  staff: () => send({ type: "$subscribe", channel: "room/staff" }, "entering the staff room"),
  flood: () => { for (let i = 1; i <= 10; ++i) say(`flood ${i}`); },
  huge: () => say("x".repeat(3000)),
};

$("door").addEventListener("submit", (event) => {
  event.preventDefault();
  const old = socket;
  attempts = 0;
  unsent.length = 0;
  $("log").replaceChildren();
  $("room").hidden = false;
  connect();
  if (old) old.close();
});
$("leave").addEventListener("click", () => {
  name = "";
  socket.close(1000);
});
$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  if (name) say($("text").value);
  $("text").value = "";
});
for (const button of document.querySelectorAll("[data-try]")) {
  button.addEventListener("click", () => isOpen() && tries[button.dataset.try]());
}
