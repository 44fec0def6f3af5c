/** The key and what it may do, in this tab only: they are gone when it is closed. */
import { useSyncExternalStore } from "react";

export const SCOPES = ["messages:read", "messages:send", "webhooks:manage", "balances:read"] as const;
export type Scope = (typeof SCOPES)[number];

export interface Session {
  key: string;
  scopes: Scope[];
}

const NAME = "sms-gateway";
const CHANGED = "session-changed";
let ended = "";

export function current(): Session | null {
  const stored = sessionStorage.getItem(NAME);
  return stored ? (JSON.parse(stored) as Session) : null;
}

export function begin(session: Session): void {
  ended = "";
  sessionStorage.setItem(NAME, JSON.stringify(session));
  window.dispatchEvent(new Event(CHANGED));
}

/** Forget the key; `why` is shown where one signs in. */
export function end(why = ""): void {
  ended = why;
  sessionStorage.removeItem(NAME);
  window.dispatchEvent(new Event(CHANGED));
}

export function whyEnded(): string {
  return ended;
}

export function useSession(): Session | null {
  const stored = useSyncExternalStore(
    (changed) => {
      window.addEventListener(CHANGED, changed);
      return () => window.removeEventListener(CHANGED, changed);
    },
    () => sessionStorage.getItem(NAME),
  );
  return stored ? (JSON.parse(stored) as Session) : null;
}
