// The one connection of the page. Not part of a component: whoever is drawn, drawn anew or taken away, it stays.
import { connect } from "wayleave";

// A login of yours says who it is, and gives the token; here examples/run made tokens, and the address chooses.
export const user = new URLSearchParams(location.search).get("as") ?? "alice";
export const others = ["alice", "bob"].filter((name) => name !== user);

export const bus = connect("/ws/app", {
  user,
  token: async () => window.wayleaveDemoTokens?.[user] ?? null,
  queue: { persist: true },
});
