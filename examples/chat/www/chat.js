// The chat by wayleave's client: one connection for each user, also in two tabs. tokens.js is not part of a real
// application; examples/run makes it so that the page has somebody to be. There, a login hands out the token.
import { connect } from "./client/wayleave.js";

const $ = (id) => document.getElementById(id);
const room = "room/lobby";
let client = null; // null: nobody wants to be here
let name = "";
const present = new Map(); // user -> connections

function note(text, kind) {
  const line = document.createElement("li");
  line.className = kind;
  line.textContent = text; // never innerHTML: what others write is text
  $("log").append(line);
  $("log").scrollTop = $("log").scrollHeight;
  return line;
}

function showPresent() {
  $("present").replaceChildren(...[...present.keys()].sort().map((who) => {
    const item = document.createElement("li");
    item.textContent = who;
    return item;
  }));
}

const why = (status) => [status.reason, status.because].filter(Boolean).join(": ");
const words = {
  connecting: () => "connecting",
  online: (status) => `connected as ${name}${status.transport === "sse" ? ", by events" : ""}`,
  waiting: () => "coming back",
  offline: () => "offline",
  stopped: (status) => `stopped: ${why(status)}`,
};
let last = "";
function showStatus(status) {
  $("state").textContent = words[status.state](status);
  $("state").className = { online: "open", stopped: "shut" }[status.state] ?? "";
  $("how").textContent = status.state === "online" ? `by ${status.via}${status.rtt === undefined ? "" : `, ${status.rtt} ms`}` : "";
  $("leave").disabled = !client;
  if (status.state === last) return;
  if (status.state === "waiting") note(`the connection is gone (${why(status)}); trying again in ${Math.round((status.retryAt - Date.now()) / 100) / 10} s`, "note");
  if (status.state === "stopped") note(`stopped: ${why(status)}`, "refused");
  if (status.state === "online") ask();
  last = status.state;
}

// Who is here, anew with each connection; $join and $leave keep it so.
async function ask() {
  try {
    const { users } = await client.channel(room).presence();
    present.clear();
    for (const one of users) present.set(one.user, one.connections);
    showPresent();
  } catch (error) { note(`who is here is not known: ${error.message}`, "note"); }
}

function refused(what, error) {
  const wait = error.retryAfter ? ` (again in ${error.retryAfter} ms)` : "";
  note(`refused: ${what}: ${error.error ?? error.message}: ${error.because ?? "no reason given"}${wait}`, "refused");
}

// What is typed while there is no connection is kept, and sent with the next.
async function say(text, more = {}) {
  const kept = client.status.state === "online" ? null : note(`${name} (not sent yet): ${text}`, "note");
  try {
    await client.send("chat.say", { room: "lobby", text, ...more });
  } catch (error) { refused("your message", error); }
  kept?.remove();
}

function comeIn() {
  const who = $("who").value;
  const token = window.wayleaveDemoTokens?.[who];
  client?.close();
  client = window.client = null;
  $("log").replaceChildren();
  $("room").hidden = false;
  if (!token) return void ($("state").textContent = "no token: start the example with examples/run");
  name = who === "expired" ? "carol" : who;
  last = "";
  client = window.client = connect("/ws/chat", { user: name, token: async () => token });
  const own = client;
  own.on("$status", (status) => own === client && showStatus(status));
  const lobby = own.channel(room);
  lobby.on("chat.say", (m) => note(`${m.from}: ${m.text}`, "said"));
  lobby.on("$join", (m) => { present.set(m.user, 1); showPresent(); });
  lobby.on("$leave", (m) => { present.delete(m.user); showPresent(); });
  lobby.on("$error", (m) => refused("entering the room", m));
}

const tries = {
  spoof: () => say("I am somebody else", { from: "somebody-else" }),
  staff: () => {
    const off = client.channel("room/staff").on("$error", (m) => { refused("entering the staff room", m); off(); });
  },
  flood: () => { for (let i = 1; i <= 10; ++i) say(`flood ${i}`); },
  huge: () => say("x".repeat(3000)),
};

$("door").addEventListener("submit", (event) => {
  event.preventDefault();
  comeIn();
});
$("leave").addEventListener("click", () => {
  client.close();
  client = window.client = null;
  $("state").textContent = "not connected";
  $("state").className = $("how").textContent = "";
  $("leave").disabled = true;
  present.clear();
  showPresent();
});
$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  if (client) say($("text").value);
  $("text").value = "";
});
for (const button of document.querySelectorAll("[data-try]")) {
  button.addEventListener("click", () => client && tries[button.dataset.try]());
}
