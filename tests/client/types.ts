// What the types of the client admit and refuse: compiled, never run.
import { connect, Refused } from "../../daemon/client/wayleave.js";
export interface Incoming { "task.update": { id: number; state: "open" | "done" } }
export interface Wire { out: { "task.update": { id: number; state: "open" | "done" }; "chat.say": { room: string; text: string; [other: string]: unknown } }; in: Incoming; channel: `room/${string}` | "news"; stream: never; reason: "forbidden" | "limited" }
declare module "./types" { interface Incoming { "paid": { order: number } } }
const c = connect<Wire>("/ws", { share: "none" });
c.send("task.update", { id: 7, state: "done" }).catch((e) => { if (e instanceof Refused) console.log(e.retryAfter); });
c.on("task.update", (m, meta) => { const n: number = m.id; console.log(n, meta.offset, m.type === "task.update"); });
c.on("paid", (m) => { const n: number = m.order; console.log(n); });
c.on("task.*", (m) => console.log(m.type, m["x"]));
c.on("*", (m) => console.log(m.type));
c.on("$status", (s) => console.log(s.state));
c.channel("room/a").on("task.update", (m) => console.log(m.state));
// @ts-expect-error
c.send("task.update", { id: "7", state: "done" });
// @ts-expect-error
c.channel("elsewhere");
// @ts-expect-error
c.on("task.update", (m) => console.log(m.nothing));
const any = connect("/ws");
any.send("x", { a: 1 }); any.channel("q").on("y", (m) => console.log(m.anything)); any.on("hm", (m) => m.z);

import { useChannel, useMessages, useStatus } from "../../daemon/client/react.js";
useMessages(c, "task.update", (m) => console.log(m.state));
useChannel(c, "room/a", (m, meta) => console.log(m.type, meta.at));
useChannel(c, null, () => {});
const state: string = useStatus(c).state;
console.log(state);
// @ts-expect-error
useChannel(c, "elsewhere", () => {});
