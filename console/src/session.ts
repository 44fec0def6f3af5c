/** The key and what it is, in this tab only: they are gone when it is closed. */
import { useSyncExternalStore } from "react";

import type { components } from "./contract";

type Key = components["schemas"]["Key"];
export type Scope = Key["scopes"][number];

export interface Session extends Key {
  key: string;
}

const NAME = "sms-gateway";
const CHANGED = "session-changed";
const LINK = /^#key=(.*)$/s;
const OWN_MACHINE = ["127.0.0.1", "localhost", "[::1]"];
const NOT_BY_LINK = "A link signs in on your own machine only. Give your key here.";
let ended = "";
let linked = "";

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

/**
 * Take a key out of the address before anything else reads it, as `make run` links to.
 *
 * Elsewhere than on one's own machine it is dropped: with a link, somebody could have others send and
 * search in a tenant that is not theirs.
 */
export function takeLinkedKey(): void {
  const found = LINK.exec(window.location.hash);
  if (!found) return;
  window.history.replaceState(null, "", "#/");
  if (OWN_MACHINE.includes(window.location.hostname)) {
    linked = found[1] ?? "";
    end();
  } else if (!current()) {
    end(NOT_BY_LINK);
  }
}

/** Give the key that a link brought, once. */
export function linkedKey(): string {
  const given = linked;
  linked = "";
  return given;
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
