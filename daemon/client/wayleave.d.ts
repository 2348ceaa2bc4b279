// The types of wayleave.js. `wayleave types` prints a `Wire` of a policy, for `connect<Wire>(…)`.

/**
 * What may be said on a connection. An interface that `wayleave types` prints has this shape; `in` may be an interface
 * of its own, so that what servers publish can be added by declaration merging.
 */
export interface Wire {
  /** type of a message → the fields that a client sends with it */
  out: object;
  /** type of a message → the fields that arrive with it */
  in: object;
  /** names of channels that may be subscribed to, such as `room/${string}` */
  channel: string;
  /** names of folded endpoints */
  stream: string;
  /** names of refusals */
  reason: string;
}

/** Any message, any channel: for pages that have no types of their policy. */
export interface AnyWire extends Wire {
  out: { [type: string]: object };
  in: { [type: string]: any };
}

/** How far a channel has come. */
export interface Position {
  epoch: string;
  offset: number;
}

/** What the daemon says about a message. */
export interface Meta extends Partial<Position> {
  channel?: string;
  id?: string;
  /** milliseconds since 1970 */
  at?: number;
  /** with `ack: "manual"`: the user has this message and all before it in its channel */
  ack(): void;
}

/** Undoes an `on`. */
export type Off = () => void;

/** The message as it came; a type that the policy does not know is an object of anything. */
export type Incoming<W extends Wire, T> = { type: T } & (T extends keyof W["in"] ? W["in"][T] : { [name: string]: any });

/** A type, all types below one (`"call.*"`), or all (`"*"`). */
export type Pattern<W extends Wire> = (keyof W["in"] & string) | `${string}.*` | "*" | `$${string}`;

/** The types that a pattern stands for. */
export type Matching<W extends Wire, T> = T extends "*" | `${string}.*` ? string : T;

export type Handler<W extends Wire, T> = (message: Incoming<W, Matching<W, T>>, meta: Meta) => unknown;

export interface Listen {
  signal?: AbortSignal;
}

export interface Options {
  /**
   * Asked before the first connection, before the old token expires, and once after the server refused it. `null` says
   * that nobody is signed in: the client stops, and forgets what it kept.
   */
  token?: () => Promise<string | null> | string | null;
  /** Who it is. Two users never share a connection or a store. Required with `token`, unless `share` is "none". */
  user?: string;
  /** Who holds the socket: a SharedWorker, one of the tabs, or each tab its own. Default: "auto", the first that works. */
  share?: "auto" | "worker" | "tabs" | "none";
  /** Where wayleave.js is, if it was bundled; it must be of the page's origin. */
  worker?: string | URL;
  /** Default: both; SSE where WebSockets are blocked. */
  transports?: ("websocket" | "sse")[];
  /** What waits for a connection, at most. Default: 100 messages, 262144 bytes, one hour (`age`, ms), not persisted. */
  queue?: { messages?: number; bytes?: number; age?: number; persist?: boolean } | false;
  /** Channels with `acks`: when handlers have returned, or by `meta.ack()`. Default: "auto". */
  ack?: "auto" | "manual";
  /** How long an answer may take, ms. Default: 10000. */
  timeout?: number;
}

export interface Send {
  /** An urgent message overtakes what waits. Default: "normal". */
  priority?: "urgent" | "normal" | "low";
  /** Repeated until it is answered; the channel's `dedup` lets it be done once. */
  once?: boolean;
  /** Now or never: refused where there is no connection. */
  volatile?: boolean;
  signal?: AbortSignal;
  /** How long the answer may take, ms. */
  timeout?: number;
}

/** `$ok`, or what the policy replies. */
export interface Answer extends Partial<Position> {
  type: string;
  data?: any;
  duplicate?: boolean;
  [name: string]: any;
}

/** The server's no, or the client's own: offline, queue_full, too_big, too_old, signed_out, closed. */
export class Refused<R extends string = string> extends Error {
  readonly error: R;
  readonly because?: string;
  /** ms */
  readonly retryAfter?: number;
  /** where the route has `detail = true` */
  readonly rule?: string;
}

/** The message was sent and no answer came: it may have been done, or not. */
export class Unknown extends Error {}

export interface Status {
  readonly state: "connecting" | "online" | "waiting" | "offline" | "stopped";
  readonly transport?: "websocket" | "sse";
  readonly via: "worker" | "leader" | "follower" | "alone" | "nobody";
  /** since when it is in this state, ms since 1970 */
  readonly since: number;
  /** when the next attempt is due, ms since 1970 */
  readonly retryAt?: number;
  /** why it is not online, or what else is wrong: a reason of the server, or one of README.md */
  readonly reason?: string;
  readonly because?: string;
  /** messages that wait to be sent */
  readonly queued: number;
  /** ms, the median of the last five */
  readonly rtt?: number;
  readonly quality?: "good" | "fair" | "poor";
  /** channels of which something was missed that the server does not have any more: reload, then `loaded()` */
  readonly gap: readonly string[];
}

export interface History extends Position {
  messages: any[];
  more: boolean;
  recovered?: boolean;
}

export interface Presence {
  users: { user: string; connections: number }[];
  total: number;
  anonymous: number;
}

export interface Channel<W extends Wire = AnyWire> {
  readonly name: string;
  /** The first handler subscribes, the undoing of the last one unsubscribes. */
  on<T extends Pattern<W>>(type: T, f: Handler<W, T>, o?: Listen): Off;
  publish(data: object, o?: Send & { key?: string }): Promise<Answer>;
  presence(): Promise<Presence>;
  history(o?: { limit?: number; since?: Position; reverse?: boolean }): Promise<History>;
  /** The page has loaded the channel's state anew: it leaves `status.gap`. */
  loaded(): void;
  /** Undoes all handlers of this page. */
  leave(): void;
}

/** A folded endpoint in the shape of a WebSocket. It opens again by itself: `onclose` is called when it is over. */
export interface Folded extends EventTarget {
  readonly readyState: 0 | 1 | 3;
  /** Text as it is; an ArrayBuffer or a view as bytes. */
  send(data: string | ArrayBuffer | ArrayBufferView): Promise<Answer>;
  close(): void;
  onopen: ((event: Event) => unknown) | null;
  onmessage: ((event: MessageEvent) => unknown) | null;
  onclose: ((event: Event & { code: number; reason: string }) => unknown) | null;
}

export interface Client<W extends Wire = AnyWire> {
  /** A new frozen object at every change. */
  readonly status: Status;
  on(type: "$status", f: (status: Status) => unknown, o?: Listen): Off;
  on<T extends Pattern<W>>(type: T, f: Handler<W, T>, o?: Listen): Off;
  once<T extends Pattern<W>>(type: T, f: Handler<W, T>, o?: Listen): Off;
  send<T extends keyof W["out"] & string>(type: T, fields: W["out"][T], o?: Send): Promise<Answer>;
  channel(name: W["channel"]): Channel<W>;
  stream(name: W["stream"]): Folded;
  /** Now, also where it has stopped. */
  reconnect(): void;
  /** This page hears and says no more; the others that share the connection go on. */
  close(): void;
}

/** `url` may be relative to the page, and http(s) or ws(s). */
export function connect<W extends Wire = AnyWire>(url: string | URL, options?: Options): Client<W>;
