import { Fragment, StrictMode, createElement, useEffect, useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import htm from "htm";
import { useStatus } from "wayleave/react";
import { bus, others, user } from "./bus.js";
import { Calls, Friends, Notifications, Tasks, Tutorial, Uploads, useCalls, useFriends, useNotifications, useTasks, useTutorial, useUploads } from "./contexts.js";

const html = htm.bind(createElement); // JSX without a compiler

// What went wrong, in words, where the button was.
function useTry() {
  const [problem, setProblem] = useState("");
  const attempt = (act) => Promise.resolve(act()).then(() => setProblem(""), (error) => setProblem(error.because ?? error.message));
  return [problem && html`<p role="alert" className="problem">${problem}</p>`, attempt];
}

const words = {
  online: (s) => (s.transport === "sse" ? "online, by events" : "online"),
  connecting: () => "connecting",
  waiting: () => "coming back",
  offline: () => "offline",
  stopped: (s) => s.because ?? (s.reason === "signed_out" ? "signed out" : "stopped"),
};
function StatusBadge() {
  const status = useStatus(bus);
  const detail = [`by ${status.via}`, status.rtt !== undefined && `${status.rtt} ms`, status.queued > 0 && `${status.queued} not sent`].filter(Boolean).join(", ");
  return html`<p id="status" role="status" className=${`badge ${status.state} ${status.quality ?? ""}`} title=${status.reason ?? ""}>
    <b>${words[status.state](status)}</b> <small>${detail}</small>
    ${["stopped", "waiting"].includes(status.state) && html`<button onClick=${() => bus.reconnect()}>Connect now</button>`}
  </p>`;
}

function Missed() {
  const { gap } = useStatus(bus);
  const { load } = useTasks();
  if (!gap.length) return null;
  const reload = () => load().then(() => gap.forEach((name) => bus.channel(name).loaded()));
  return html`<p id="missed" role="alert" className="missed">While you were away more happened than the server has kept
    (${gap.join(", ")}). <button onClick=${reload}>Load anew</button></p>`;
}

function NotificationList() {
  const notes = useNotifications();
  const [problem, attempt] = useTry();
  const send = (event) => {
    event.preventDefault();
    const field = event.target.elements.text;
    attempt(() => bus.send("note.send", { to: others[0], text: field.value }, { once: true }));
    field.value = "";
  };
  return html`<section aria-labelledby="h-notes"><h2 id="h-notes">Notifications <span className="count">${notes.length}</span></h2>
    <form onSubmit=${send}><input name="text" required maxLength="200" autoComplete="off" aria-label=${`Tell ${others[0]}`} placeholder=${`Tell ${others[0]} …`} /><button>Send</button></form>
    ${problem}
    <ol id="notes" aria-live="polite">${notes.map((note) => html`<li key=${note.id}><b>${note.from}</b> ${note.text} <time>${new Date(note.at).toLocaleTimeString()}</time></li>`)}</ol>
  </section>`;
}

function FriendList() {
  const { known, ask, accept } = useFriends();
  const [problem, attempt] = useTry();
  const people = [...new Set([...others, ...Object.keys(known)])];
  return html`<section aria-labelledby="h-friends"><h2 id="h-friends">Friends</h2>
    <ul id="friends">${people.map((name) => html`<li key=${name}><b>${name}</b>
      ${known[name] === "friend" ? html`<span>is a friend</span>`
        : known[name] === "asked" ? html`<span>has been asked</span>`
        : known[name] === "asks" ? html`<button onClick=${() => attempt(() => accept(name))}>Accept ${name}</button>`
        : html`<button onClick=${() => attempt(() => ask(name))}>Ask ${name}</button>`}</li>`)}</ul>
    ${problem}
  </section>`;
}

const states = ["open", "doing", "done"];
function Board() {
  const { all, add, move } = useTasks();
  const [problem, attempt] = useTry();
  const submit = (event) => {
    event.preventDefault();
    const field = event.target.elements.text;
    attempt(() => add(field.value));
    field.value = "";
  };
  return html`<section className="wide" aria-labelledby="h-board"><h2 id="h-board">The company's board</h2>
    <form onSubmit=${submit}><input name="text" required maxLength="200" autoComplete="off" aria-label="A new task" placeholder="A new task" /><button>Add</button></form>
    ${problem}
    <div id="board" className="board">${states.map((state, at) => html`<div key=${state}><h3>${state}</h3><ul aria-label=${state}>
      ${all.filter((task) => task.state === state).map((task) => html`<li key=${task.id}>${task.text} <small>${task.by}</small>
        ${at < 2 && html`<button aria-label=${`${task.text}: ${states[at + 1]}`} onClick=${() => attempt(() => move(task.id, states[at + 1]))}>→</button>`}</li>`)}
    </ul></div>`)}</div>
  </section>`;
}

function UploadList() {
  const { files, start } = useUploads();
  return html`<section aria-labelledby="h-uploads"><h2 id="h-uploads">Uploads</h2>
    <button onClick=${start}>Upload a photo</button>
    <ul id="uploads">${Object.entries(files).map(([file, percent]) => html`<li key=${file}><label>${file} <progress max="100" value=${percent}>${percent} %</progress></label></li>`)}</ul>
  </section>`;
}

const lessons = ["Open this page in a second tab: it shares the connection.", "Add a task, and see it in both.", "Be bob in another browser, and ask alice to be a friend.", "That is all."];
function TutorialCard() {
  const { step, next } = useTutorial();
  const [problem, attempt] = useTry();
  const last = step >= lessons.length;
  return html`<section aria-labelledby="h-tutorial"><h2 id="h-tutorial">Tutorial <span className="count">${Math.min(step, lessons.length)} of ${lessons.length}</span></h2>
    <p id="lesson">${lessons[Math.min(step, lessons.length) - 1]}</p>${!last && html`<button onClick=${() => attempt(next)}>Done, next</button>`}${problem}</section>`;
}

function CallPanel() {
  const { ringing, ring, end } = useCalls();
  const [problem, attempt] = useTry();
  const dialog = useRef(null);
  useEffect(() => { ringing ? dialog.current.showModal() : dialog.current.close(); }, [ringing]);
  return html`<section aria-labelledby="h-calls"><h2 id="h-calls">Calls</h2>
    <button onClick=${() => attempt(() => ring(others[0]))}>Call ${others[0]}</button>${problem}
    <dialog ref=${dialog} id="call" aria-labelledby="h-ring" onCancel=${() => end(ringing)}><h2 id="h-ring">${ringing} is calling</h2>
      <button autoFocus onClick=${() => end(ringing)}>Hang up</button></dialog></section>`;
}

function App() {
  return html`<${Fragment}><header><h1>One bus, many contexts</h1><p>You are <b id="me">${user}</b>; <a href=${`?as=${others[0]}`}>be ${others[0]}</a></p><${StatusBadge} /></header>
    <${Notifications}><${Friends}><${Tasks}><${Uploads}><${Tutorial}><${Calls}>
      <${Missed} /><main><${Board} /><${NotificationList} /><${FriendList} /><${UploadList} /><${TutorialCard} /><${CallPanel} /></main>
    <//><//><//><//><//><//><//>`;
}

createRoot(document.getElementById("app")).render(html`<${StrictMode}><${App} /><//>`);
