import type { AnyWire, Client, Handler, Pattern, Status, Wire } from "./wayleave.js";

export function useStatus(client: Client<any>): Status;
/** `f` may be another function at each render; the newest is called. */
export function useMessages<W extends Wire = AnyWire, T extends Pattern<W> = Pattern<W>>(client: Client<W>, type: T, f: Handler<W, T>): void;
/** `name` may be null: nothing is subscribed to. */
export function useChannel<W extends Wire = AnyWire>(client: Client<W>, name: W["channel"] | null, f: Handler<W, "*">): void;
