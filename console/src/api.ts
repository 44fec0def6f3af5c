/** Calls of the API beside which the console lies, with the types of its contract. */
import createClient from "openapi-fetch";
import { useCallback, useEffect, useRef, useState } from "react";

import type { components, paths } from "./contract";
import { current, end, type Session } from "./session";

export type Message = components["schemas"]["Message"];
export type Batch = components["schemas"]["Batch"];
export type ListedBatch = components["schemas"]["BatchSummary"];
export type Webhook = components["schemas"]["Webhook"];
export type Delivery = components["schemas"]["Delivery"];
export type VendorState = components["schemas"]["VendorState"];
export type Balance = components["schemas"]["Balance"];
export type ListedMessage = components["schemas"]["MessagePage"]["messages"][number];
export type LimitUsage = components["schemas"]["LimitUsage"];
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

/** Ask what a key is. Throws a Problem. */
export async function sessionOf(key: string): Promise<Session> {
  const headers = { Authorization: `Bearer ${key}` };
  return { key, ...(await read(api.GET("/key", { headers }))) };
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

/**
 * Follow what changes by itself, from `first` on, until it is `over`; the second is a function that
 * sets it. What fails in the background is tried again: what is shown stays true of its time.
 */
export function useFollowed<T extends object>(
  first: T,
  load: () => Promise<T>,
  over: (now: T) => boolean,
  milliseconds: number,
): [T, (now: T) => void] {
  const [now, setNow] = useState(first);
  useEffect(() => {
    if (over(now)) return;
    let wanted = true;
    const timer = setTimeout(() => {
      load().then(
        (next) => wanted && setNow(next),
        () => wanted && setNow({ ...now }),
      );
    }, milliseconds);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [now]);
  return [now, setNow];
}

export interface Page<T> {
  items: T[];
  cursor: string | null;
}

export interface Pages<T> {
  items: T[];
  loading: boolean;
  problem: Problem | null;
  /** Load the next page; null where there is none. */
  more: (() => void) | null;
  again: () => void;
}

/** Load a list's first page at first and when `key` changes, and others when asked for. */
export function usePages<T>(key: string, load: (cursor: string | null) => Promise<Page<T>>): Pages<T> {
  const [page, setPage] = useState<Page<T>>({ items: [], cursor: null });
  const [loading, setLoading] = useState(true);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [turn, setTurn] = useState(0);
  // An answer to an earlier question is dropped.
  const question = useRef(0);

  function ask(cursor: string | null, before: T[]) {
    question.current += 1;
    const own = question.current;
    setLoading(true);
    setProblem(null);
    load(cursor).then(
      (next) => {
        if (own !== question.current) return;
        setPage({ items: [...before, ...next.items], cursor: next.cursor });
        setLoading(false);
      },
      (thrown: Problem) => {
        if (own !== question.current) return;
        setPage({ items: before, cursor });
        setProblem(thrown);
        setLoading(false);
      },
    );
  }

  useEffect(() => {
    ask(null, []);
    return () => {
      question.current += 1;
    };
  }, [key, turn]);
  const { items, cursor } = page;
  return {
    items,
    loading,
    problem,
    more: cursor === null ? null : () => ask(cursor, items),
    again: useCallback(() => setTurn((now) => now + 1), []),
  };
}
