/** Calls of the API beside which the console lies, with the types of its contract. */
import createClient from "openapi-fetch";
import { useCallback, useEffect, useState } from "react";

import type { components, paths } from "./contract";
import { current, end, type Scope } from "./session";

export type Message = components["schemas"]["Message"];
export type ListedMessage = components["schemas"]["MessagePage"]["messages"][number];
export type Status = components["schemas"]["Status"];

export interface Problem {
  status: number;
  title: string;
  detail: string;
  request: string;
}

const BASE = new URL("..", document.baseURI).href.replace(/\/$/, "");
const UNREACHABLE = {
  status: 0,
  title: "No answer",
  detail: "The gateway can't be reached. Check your connection, then try again.",
  request: "",
};

export const api = createClient<paths>({ baseUrl: BASE });
api.use({
  onRequest({ request }) {
    const session = current();
    if (session && !request.headers.has("Authorization")) {
      request.headers.set("Authorization", `Bearer ${session.key}`);
    }
    return request;
  },
});

interface Outcome<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** Wait for a call's data. Throws a Problem; a key that opens nothing ends the session. */
export async function read<T>(call: Promise<Outcome<T>>): Promise<T> {
  let outcome: Outcome<T>;
  try {
    outcome = await call;
  } catch {
    throw UNREACHABLE;
  }
  if (outcome.response.ok) return outcome.data as T;
  const problem = problemOf(outcome);
  if (problem.status === 401) end("Your key is not valid any more: it may have expired.");
  throw problem;
}

function problemOf({ error, response }: Outcome<unknown>): Problem {
  const told = (typeof error === "object" && error ? error : {}) as Record<string, unknown>;
  const text = (name: string) => (typeof told[name] === "string" ? (told[name] as string) : "");
  return {
    status: response.status,
    title: text("title") || "The gateway did not answer as expected",
    detail: text("detail") || `It answered with status ${response.status}.`,
    request: text("request_id"),
  };
}

/** Find out what a key may do: no route says it, so each scope's cheapest one is asked. */
export async function scopesOf(key: string): Promise<Scope[]> {
  const headers = { Authorization: `Bearer ${key}` };
  const probes: Record<Scope, () => Promise<{ response: Response; error?: unknown }>> = {
    "messages:read": () => api.GET("/messages", { headers, params: { query: { limit: 1 } } }),
    // No recipient: who may send gets a 422.
    "messages:send": () => api.POST("/messages/preview", { headers, body: {} as never }),
    "webhooks:manage": () => api.GET("/webhooks", { headers }),
    "balances:read": () => api.GET("/vendors", { headers }),
  };
  const scopes: Scope[] = [];
  for (const [scope, probe] of Object.entries(probes) as [Scope, (typeof probes)[Scope]][]) {
    let found;
    try {
      found = await probe();
    } catch {
      throw UNREACHABLE;
    }
    const { status } = found.response;
    if (status === 401 || status === 429 || status >= 500) throw problemOf(found);
    if (status !== 403) scopes.push(scope);
  }
  return scopes;
}

export type Loaded<T> =
  | { state: "loading" }
  | { state: "failed"; problem: Problem }
  | { state: "here"; data: T };

/** Load at first and when `key` changes; the second is a function that loads again. */
export function useLoaded<T>(key: string, load: () => Promise<T>): [Loaded<T>, () => void] {
  const [loaded, setLoaded] = useState<Loaded<T>>({ state: "loading" });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let wanted = true;
    setLoaded({ state: "loading" });
    load().then(
      (data) => wanted && setLoaded({ state: "here", data }),
      (problem: Problem) => wanted && setLoaded({ state: "failed", problem }),
    );
    return () => {
      wanted = false;
    };
    // `load` is another function at each render; `key` says when it does something else.
  }, [key, turn]);
  return [loaded, useCallback(() => setTurn((now) => now + 1), [])];
}
