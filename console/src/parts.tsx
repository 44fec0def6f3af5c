/** What all pages share: times, statuses, and how a load that is under way or failed looks. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Spinner from "@cloudscape-design/components/spinner";
import StatusIndicator, {
  type StatusIndicatorProps,
} from "@cloudscape-design/components/status-indicator";
import type { ReactNode } from "react";

import type { Loaded, Problem, Status } from "./api";

const KINDS: Record<Status, StatusIndicatorProps.Type> = {
  scheduled: "pending",
  accepted: "pending",
  submitting: "in-progress",
  submitted: "in-progress",
  delivered: "success",
  undelivered: "error",
  rejected: "error",
  expired: "stopped",
  cancelled: "stopped",
  unknown: "warning",
};

export const STATUSES = Object.keys(KINDS) as Status[];

export function StatusMark({ status }: { status: Status }) {
  return <StatusIndicator type={KINDS[status] ?? "info"}>{status}</StatusIndicator>;
}

/** A time in the viewer's zone; pointing at it shows UTC. */
export function Time({ at }: { at: string | null | undefined }) {
  if (!at) return <>–</>;
  const shown = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  return (
    <time dateTime={at} title={`${at.replace("T", " ").replace("Z", "")} UTC`}>
      {shown.format(new Date(at))}
    </time>
  );
}

/** What a caller or a vendor wrote: as text, in its own direction. */
export function Written({ children }: { children: string | null | undefined }) {
  return (
    <span className="as-written" dir="auto">
      {children || "–"}
    </span>
  );
}

export function ProblemAlert({ problem, again }: { problem: Problem; again?: () => void }) {
  const refused = problem.status === 403;
  return (
    <Alert
      type={refused ? "warning" : "error"}
      header={refused ? "Your key may not see this" : problem.title}
      action={again && !refused ? <Button onClick={again}>Try again</Button> : undefined}
    >
      {problem.detail}
      {problem.request && <Box color="inherit">Request: {problem.request}</Box>}
    </Alert>
  );
}

interface ShownProps<T> {
  loaded: Loaded<T>;
  again: () => void;
  children: (data: T) => ReactNode;
}

export function Shown<T>({ loaded, again, children }: ShownProps<T>) {
  switch (loaded.state) {
    case "loading":
      return (
        <Box textAlign="center" padding="l">
          <span role="status">
            <Spinner /> Loading
          </span>
        </Box>
      );
    case "failed":
      return <ProblemAlert problem={loaded.problem} again={again} />;
    case "here":
      return <>{children(loaded.data)}</>;
  }
}
