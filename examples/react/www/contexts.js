// One bus under several contexts: each takes the messages that concern it, whatever the others do.
import { createContext, createElement, useContext, useEffect, useReducer, useState } from "react";
import { useChannel, useMessages } from "wayleave/react";
import { bus, user } from "./bus.js";

const make = (useValue) => {
  const Context = createContext(null);
  const Provider = ({ children }) => createElement(Context.Provider, { value: useValue() }, ...[].concat(children));
  return [Provider, () => useContext(Context)];
};
let lastId = 0;
export const newId = () => `${Date.now().toString(36)}${++lastId}`;

// What is kept in the user's own channel, for who has just come: one question, asked by all contexts together.
const past = bus.channel(`user/${user}`).history({ limit: 200 }).then((page) => page.messages, () => []);
const usePast = (type, take) => useEffect(() => {
  let here = true;
  past.then((all) => here && all.filter((m) => m.type.startsWith(type)).forEach(take));
  return () => { here = false; };
}, []);

// --- notifications: what anybody or the server tells this user ---

const addNote = (notes, note) => (notes.some((one) => one.id === note.id) ? notes : [note, ...notes].slice(0, 50));
export const [Notifications, useNotifications] = make(() => {
  const [notes, add] = useReducer(addNote, []);
  const take = (m) => add({ id: m.$.id, at: m.$.at, from: m.from ?? "the server", text: m.text });
  usePast("note.send", take);
  useMessages(bus, "note.send", take);
  useMessages(bus, "notification", take); // wayleave publish user/alice '{"type":"notification","text":"…"}'
  return notes;
});

// --- friends: both hear what was asked and answered, in each of their tabs ---

const friends = (known, m) => {
  const mine = m.from === user;
  const other = mine ? m.to : m.from;
  if (m.type === "friend.accept") return { ...known, [other]: "friend" };
  return known[other] === "friend" ? known : { ...known, [other]: mine ? "asked" : "asks" };
};
export const [Friends, useFriends] = make(() => {
  const [known, take] = useReducer(friends, {});
  usePast("friend.", take);
  useMessages(bus, "friend.*", take);
  const ask = (to) => bus.send("friend.request", { to }, { once: true });
  const accept = (to) => bus.send("friend.accept", { to }, { once: true });
  return { known, ask, accept };
});

// --- the company's board: its history is its state ---

const tasks = (board, m) => {
  if (m.type === "reset") return {};
  if (m.type === "task.add") return { ...board, [m.task]: { state: "open", ...board[m.task], id: m.task, text: m.text, by: m.by } };
  const known = board[m.task];
  return known ? { ...board, [m.task]: { ...known, state: m.state, by: m.by } } : board;
};
export const company = "acme"; // a claim of the token
const board = `tasks/${company}`;
export const [Tasks, useTasks] = make(() => {
  const [all, take] = useReducer(tasks, {});
  const load = () => bus.channel(board).history({ limit: 1000 }).then((page) => {
    take({ type: "reset" });
    page.messages.forEach(take);
    bus.channel(board).loaded();
  });
  useEffect(() => { load().catch(() => {}); }, []);
  useChannel(bus, board, take);
  const add = (text) => bus.send("task.add", { task: newId(), text }, { once: true });
  const move = (task, state) => bus.send("task.move", { task, state }, { once: true });
  return { all: Object.values(all), add, move, load };
});

// --- uploads: low priority, and only the newest word counts ---

export const [Uploads, useUploads] = make(() => {
  const [files, take] = useReducer((all, m) => ({ ...all, [m.file]: m.percent }), {});
  useMessages(bus, "upload.progress", take);
  // A real page sends the file by HTTP, and its server tells how far it is.
  const start = () => {
    const file = `photo-${newId().slice(-4)}.jpg`;
    let percent = 0;
    const timer = setInterval(() => {
      percent = Math.min(100, percent + 10);
      bus.send("upload.progress", { file, percent, $key: file }, { priority: "low", volatile: percent < 100 }).catch(() => {});
      if (percent === 100) clearInterval(timer);
    }, 250);
  };
  return { files, start };
});

// --- the tutorial: a step taken in one tab is taken in all, and on the phone ---

export const [Tutorial, useTutorial] = make(() => {
  const [step, setStep] = useState(1);
  const take = (m) => setStep((old) => Math.max(old, m.step));
  usePast("tutorial.", take);
  useMessages(bus, "tutorial.step", take);
  return { step, next: () => bus.send("tutorial.step", { step: step + 1 }, { once: true }) };
});

// --- calls: urgent, and only for those who are there ---

export const [Calls, useCalls] = make(() => {
  const [ringing, setRinging] = useState(null);
  useMessages(bus, "call.*", (m) => setRinging(m.type === "call.ring" ? m.from : null));
  const call = (to, type) => bus.send(type, { to }, { priority: "urgent", volatile: true });
  return {
    ringing,
    ring: (to) => call(to, "call.ring"),
    end: (to) => { setRinging(null); return call(to, "call.end"); },
  };
});
