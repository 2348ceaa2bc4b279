// Hooks for wayleave.js. The client is made outside of components, once: the socket belongs to the page, and
// StrictMode, which mounts everything twice, opens no second one.

import { useCallback, useEffect, useRef, useSyncExternalStore } from "react";

// The status, drawn anew at each change.
export function useStatus(client) {
  const subscribe = useCallback((changed) => client.on("$status", changed), [client]);
  const current = () => client.status;
  return useSyncExternalStore(subscribe, current, current);
}

// A handler may be another function at each render: the newest is called, and nothing is subscribed to anew.
function useNewest(f) {
  const newest = useRef(f);
  useEffect(() => { newest.current = f; });
  return useCallback((...args) => newest.current(...args), []);
}

// Messages of a type ("task.update"), of all types below one ("call.*"), or all ("*"), whatever their channel.
export function useMessages(client, type, f) {
  const handler = useNewest(f);
  useEffect(() => client.on(type, handler), [client, type, handler]);
}

// All messages of a channel, which is subscribed to while a component asks for it. No name, no channel.
export function useChannel(client, name, f) {
  const handler = useNewest(f);
  useEffect(() => (name ? client.channel(name).on("*", handler) : undefined), [client, name, handler]);
}
