/** What all pages share: times, statuses, and how a load that is under way or failed looks. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import StatusIndicator, {
  type StatusIndicatorProps,
} from "@cloudscape-design/components/status-indicator";
import Table, { type TableProps } from "@cloudscape-design/components/table";
import type { ReactNode } from "react";

import type { Loaded, Pages, Problem, Status } from "./api";

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
export const CATEGORIES = ["transactional", "otp", "promotional"];
export const FINAL: Status[] = [
  "delivered",
  "undelivered",
  "rejected",
  "expired",
  "cancelled",
  "unknown",
];

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

export function Loading() {
  return (
    <Box textAlign="center" padding="l">
      <span role="status">
        <Spinner /> Loading
      </span>
    </Box>
  );
}

interface ShownProps<T> {
  loaded: Loaded<T>;
  again: () => void;
  /** The page's title, where what is loaded brings its own. */
  title?: string;
  children: (data: T) => ReactNode;
}

export function Shown<T>({ loaded, again, title, children }: ShownProps<T>) {
  if (loaded.state === "here") return <>{children(loaded.data)}</>;
  return (
    <SpaceBetween size="l">
      {title && <Header variant="h1">{title}</Header>}
      {loaded.state === "loading" ? (
        <Loading />
      ) : (
        <ProblemAlert problem={loaded.problem} again={again} />
      )}
    </SpaceBetween>
  );
}

interface PagedTableProps<T> extends Pick<
  TableProps<T>,
  "columnDefinitions" | "trackBy" | "header" | "filter"
> {
  pages: Pages<T>;
  label: string;
  empty: string;
}

/** A list of which more can be loaded. */
export function PagedTable<T>({ pages, label, empty, ...table }: PagedTableProps<T>) {
  const { items, loading, problem, more, again } = pages;
  return (
    <SpaceBetween size="l">
      {problem && <ProblemAlert problem={problem} again={again} />}
      <Table
        {...table}
        items={items}
        loading={loading && items.length === 0}
        loadingText="Loading"
        wrapLines
        ariaLabels={{ tableLabel: label }}
        empty={
          !problem && (
            <Box textAlign="center" color="inherit">
              {more ? "Nothing yet in the time that was searched." : empty}
            </Box>
          )
        }
        footer={
          more && (
            <Box textAlign="center">
              <Button loading={loading} onClick={more}>
                Show older
              </Button>
            </Box>
          )
        }
      />
    </SpaceBetween>
  );
}

interface ConfirmProps {
  shown: boolean;
  title: string;
  act: string;
  keep?: string;
  onAct: () => void;
  onKeep: () => void;
  children: ReactNode;
}

/** Ask before what can't be undone. */
export function Confirm({ shown, title, act, keep = "Cancel", onAct, onKeep, children }: ConfirmProps) {
  return (
    <Modal
      visible={shown}
      onDismiss={onKeep}
      header={title}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={onKeep}>
              {keep}
            </Button>
            <Button variant="primary" onClick={onAct}>
              {act}
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      {children}
    </Modal>
  );
}
