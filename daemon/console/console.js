// The console: what `wayleave top`, `why`, `sessions`, `channels`, `trace` and others say, as a page. It asks the admin
// address alone, shows all that others have written as text, and acts only with a token.
import { element, note, show, table } from "./parts.js";
import { Plots } from "./plots.js";
import { quantile, readMetrics } from "./metrics.js";

const every_ms = 2000;
const views = ["overview", "sessions", "channels", "refusals", "trace", "reloads"];
const by = (id) => document.getElementById(id);

let token = "";
let before = null;  // the frame before this one
const plots = new Plots();
const texts = new Map();  // of lines that refused, by decision

async function ask(path, body) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(`api/${path}`, body === undefined ? { headers } : { method: "POST", headers, body: typeof body === "string" ? body : JSON.stringify(body) });
  const text = await answer.text();
  let json = {};
  try { json = JSON.parse(text); } catch { json = { detail: text }; }
  if (!answer.ok) throw new Error(json.detail ? `${json.detail}${json.diagnostics ? `\n${json.diagnostics}` : ""}` : `HTTP ${answer.status}`);
  return json;
}

const filled = (form) => Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));
const number = (value) => value.toLocaleString(undefined, { maximumFractionDigits: value < 10 ? 1 : 0 });
const mebibytes = (bytes) => `${number(bytes / 2 ** 20)} MiB`;
const acting = (button) => { button.classList.add("acts"); button.disabled = token === ""; return button; };

// --- tabs ---

function choose(name, focus) {
  for (const view of views) by(view).hidden = view !== name;
  for (const tab of document.querySelectorAll("nav button")) {
    const chosen = tab.dataset.view === name;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    if (chosen && focus) tab.focus();
  }
  location.replace(`#${name}`);
  refresh(name).catch(fail);
}

function makeTabs() {
  const nav = document.querySelector("nav");
  for (const view of views) {
    const tab = element("button", { role: "tab", type: "button" }, by(view).getAttribute("aria-label"));
    tab.dataset.view = view;
    tab.setAttribute("aria-controls", view);
    tab.addEventListener("click", () => choose(view));
    nav.append(tab);
  }
  nav.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const now = views.indexOf(document.activeElement?.dataset.view);
    if (!step || now < 0) return;
    event.preventDefault();
    choose(views[(now + step + views.length) % views.length], true);
  });
}

// --- overview ---

async function takeFrame() {
  const [status, page] = await Promise.all([ask("status"), fetch("/metrics").then((answer) => answer.text())]);
  return { at: performance.now(), status, metrics: readMetrics(page) };
}

function rate(now, name) {
  if (!before) return 0;
  const seconds = (now.at - before.at) / 1000;
  return Math.max(0, (now.status.counters[name] ?? 0) - (before.status.counters[name] ?? 0)) / seconds;
}

function refusedRate(now) {
  if (!before) return 0;
  const sum = (frame) => Object.values(frame.status.refusals).reduce((all, one) => all + one, 0);
  return Math.max(0, sum(now) - sum(before)) / ((now.at - before.at) / 1000);
}

function showFigures(frame) {
  const { status } = frame;
  const figures = [
    [number(status.connections), "connections"], [number(status.channels), "channels"],
    [number(rate(frame, "deliveries")), "deliveries/s"], [number(rate(frame, "messages_received")), "messages in/s"],
    [number(rate(frame, "publications")), "publications/s"], [number(refusedRate(frame)), "refused/s"],
    [mebibytes(status.memory.used), status.memory.budget ? `of ${mebibytes(status.memory.budget)}` : "memory"],
    [number(status.counters.bans_in_force), "bans"],
  ];
  show(by("figures"), figures.map(([value, name]) => element("li", {}, element("b", {}, value), element("span", {}, name))));
}

function showTypes(frame) {
  const seconds = before ? (frame.at - before.at) / 1000 : 0;
  const key = (one) => `${one.route} ${one.type}`;
  const earlier = new Map((before?.status.messages ?? []).map((one) => [key(one), one.count]));
  const rows = frame.status.messages
    .map((one) => ({ ...one, rate: seconds > 0 ? Math.max(0, one.count - (earlier.get(key(one)) ?? 0)) / seconds : 0 }))
    .filter((one) => one.count > 0).sort((a, b) => b.rate - a.rate || b.count - a.count).slice(0, 10);
  show(by("types"), table(["A second", "In all", "Route", "Type"], rows.map((one) => [number(one.rate), number(one.count), one.route, one.type]), [0, 1]));
}

async function showRules(frame) {
  const rows = [...frame.metrics.entries()]
    .filter(([, series]) => series.name === "wayleave_decisions_total" && series.value > 0)
    .map(([, series]) => series)
    .sort((a, b) => b.value - a.value).slice(0, 20);
  if (rows.some((row) => !texts.has(row.labels.decision))) {
    for (const refusal of (await ask("why", { most: 1000 })).refusals)
      if (refusal.rule_text) texts.set(refusal.decision, refusal.rule_text);
    for (const row of rows) if (!texts.has(row.labels.decision)) texts.set(row.labels.decision, "");
  }
  show(by("rules"), table(["Refused", "Line", "Reason", "In words"], rows.map((row) => [
    number(row.value), row.labels.decision.split("/").slice(1).join("/"), row.labels.reason, texts.get(row.labels.decision) ?? "",
  ]), [0]));
}

async function tick() {
  const frame = await takeFrame();
  const { status } = frame;
  note(by("state"), `${status.version}, ${status.state}, policy ${status.policy.hash} generation ${status.policy.generation}` +
    (status.policy.last_reload_refused ? "; the last reload was refused" : ""), status.state !== "running" || status.policy.last_reload_refused);
  plots.add("connections", { connections: status.connections });
  plots.add("rates", { deliveries: rate(frame, "deliveries"), publications: rate(frame, "publications"), messages: rate(frame, "messages_received") });
  plots.add("refused", { refused: refusedRate(frame) });
  const late = {};
  for (const [name, metric] of [["handshake", "wayleave_handshake_seconds"], ["delivery", "wayleave_delivery_seconds"],
    ["loop", "wayleave_loop_turn_seconds"], ["decision", "wayleave_decision_seconds"]])
    late[name] = before ? quantile(frame.metrics, before.metrics, metric, 0.99) * 1000 : 0;
  plots.add("latency", late);
  if (!by("overview").hidden) {
    showFigures(frame);
    showTypes(frame);
    await showRules(frame);
  }
  before = frame;
}

// --- lists ---

async function listSessions(filter) {
  const list = await ask("sessions", filter);
  note(by("sessions-note"), `${list.count} connections${list.more ? ", of which these are some" : ""}`);
  show(by("sessions-list"), table(["User", "Session", "Route", "Address", "Seconds", "In", "Out", "Waiting", ""],
    list.sessions.slice(0, 500).map((one) => [one.user, one.session, one.route, one.ip, number(one.age_ms / 1000), number(one.messages_in),
      number(one.messages_out), number(one.waiting), kickButton(one.session)]), [4, 5, 6, 7]));
}

function kickButton(session) {
  const button = acting(element("button", { type: "button" }, "End"));
  button.setAttribute("aria-label", `End session ${session}`);
  button.addEventListener("click", async () => {
    if (!confirm(`End the session ${session}?`)) return;
    await ask("kick", { session }).then(() => listSessions(filled(by("search")))).catch(fail);
  });
  return button;
}

async function listChannels() {
  const list = await ask("channels", { ...filled(by("channel-search")), most: 200 });
  show(by("channels-list"), table(["Subscribers", "Newest", "Channel"], list.channels.map((one) => {
    const name = element("button", { type: "button" }, one.channel);
    name.addEventListener("click", () => showWho(one.channel).catch(fail));
    return [number(one.subscribers), one.offset ?? "", name];
  }), [0, 1]));
}

async function showWho(channel) {
  const list = await ask("sessions", { channel });
  by("who-title").hidden = false;
  note(by("who-title"), `Who is in ${channel}: ${list.count}`);
  show(by("who-list"), table(["User", "Session", "Route", "Address"], list.sessions.slice(0, 500).map((one) => [one.user, one.session, one.route, one.ip])));
}

async function listRefusals() {
  const [why, bans] = await Promise.all([ask("why", { ...filled(by("why")), most: 200 }), ask("bans")]);
  show(by("refusals-list"), table(["When", "Who", "Asked", "Because", "Line", "Known"], why.refusals.map((one) => [
    one.time.replace("T", " ").slice(0, 19), `${one.user ?? ""} ${one.ip ?? ""}`, `${one.action ?? ""} ${one.target ?? ""}`,
    one.message + (one.more ? ` (and ${one.more} more)` : ""), one.rule_text ?? one.decision ?? "", one.facts ?? ""])));
  show(by("bans-list"), table(["Who", "Route", "Left", "Because", ""], bans.bans.map((one) => {
    const lift = acting(element("button", { type: "button" }, "Lift"));
    lift.addEventListener("click", () => ask("bans/lift", one.id).then(listRefusals).catch(fail));
    return [one.who, one.route, `${number(one.left_ms / 1000)} s`, one.because, lift];
  })));
}

async function listReloads() {
  const list = await ask("reloads");
  show(by("reloads-list"), list.reloads.length === 0 ? element("p", { class: "none" }, "There was no reload since the start.") : list.reloads.map((one) => {
    const what = one.done ? (one.same ? "read again, the same" : "done") : "refused";
    return element("details", {},
      element("summary", {}, `${one.time.replace("T", " ").slice(0, 19)}  `, element("span", { class: one.done ? "good" : "bad" }, what), `  generation ${one.generation}`),
      element("pre", {}, [...one.changes, one.difference, one.text].filter((line) => line !== "").join("\n") || "nothing differs"));
  }));
}

// --- the live trace ---

let tracing = null;

async function startTrace(who) {
  const begun = { number: (await ask("trace", { who })).trace };
  tracing = begun;
  by("trace-start").disabled = true;
  by("trace-stop").disabled = false;
  note(by("trace-note"), `watching ${who}`);
  while (tracing === begun) {
    const more = await ask("trace/more", { trace: begun.number });
    const log = by("trace-log");
    for (const { time, event, message, ...rest } of more.events)
      log.append(`${time.slice(11, 23)}  ${message}  ${Object.entries(rest).map(([key, value]) => `${key}=${value}`).join("  ")}\n`);
    while (log.childNodes.length > 1000) log.firstChild.remove();
    if (more.events.length > 0) log.scrollTop = log.scrollHeight;
    if (more.lost > 0) note(by("trace-note"), `${more.lost} events were more than could be kept`, true);
  }
}

function stopTrace() {
  if (tracing) ask("trace/stop", { trace: tracing.number }).catch(() => {});
  tracing = null;
  by("trace-start").disabled = false;
  by("trace-stop").disabled = true;
}

// --- what acts ---

async function act(path, body) {
  const answer = by("reload-answer");
  answer.hidden = false;
  note(answer, "…");
  try {
    const done = await ask(path, body);
    note(answer, done.forecast || (done.changes ?? []).join("\n") || "done");
  } catch (error) {
    note(answer, error.message, true);
  }
  await listReloads();
}

function fail(error) {
  note(by("state"), error.message, true);
}

const refreshers = {
  overview: tick, sessions: () => listSessions(filled(by("search"))), channels: listChannels, refusals: listRefusals,
  trace: async () => {}, reloads: listReloads,
};
const refresh = (view) => refreshers[view]();

function listen(id, event, handler) {
  by(id).addEventListener(event, (happened) => {
    happened.preventDefault();
    Promise.resolve(handler()).catch(fail);
  });
}

function start() {
  makeTabs();
  listen("search", "submit", () => refresh("sessions"));
  listen("channel-search", "submit", listChannels);
  listen("why", "submit", listRefusals);
  listen("trace-form", "submit", () => startTrace(filled(by("trace-form")).who).catch((error) => { stopTrace(); note(by("trace-note"), error.message, true); }));
  listen("trace-stop", "click", stopTrace);
  listen("reload-now", "click", () => act("reload", {}));
  listen("reload-dry", "click", () => act("reload/dry-run", {}));
  listen("drain", "click", () => confirm("Send all clients away?") && act("drain", {}));
  listen("undrain", "click", () => act("drain", { undo: true }));
  listen("unlock", "submit", async () => {
    token = by("token").value;
    try {
      if (token) await ask("unlock", {});
    } catch (error) {
      token = "";
      fail(error);
    }
    for (const button of document.querySelectorAll(".acts")) button.disabled = token === "";
  });
  for (const button of document.querySelectorAll(".acts")) button.disabled = true;
  choose(views.includes(location.hash.slice(1)) ? location.hash.slice(1) : "overview");
  setInterval(() => { if (!document.hidden) tick().catch(fail); }, every_ms);
}

start();
