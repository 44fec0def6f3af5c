/** How a campaign stands, and how far the messages of a batch have come. */
import StatusIndicator, {
  type StatusIndicatorProps,
} from "@cloudscape-design/components/status-indicator";

import { api, type Batch, type ListedCampaign, read, useFollowed, useLoaded } from "./api";
import { FINAL } from "./parts";

type State = ListedCampaign["state"];

export const MOVING: State[] = ["reading", "sending"];
// The gateway counts a campaign again after this time.
export const COUNTED_MILLISECONDS = 15_000;
const KINDS: Record<State, StatusIndicatorProps.Type> = {
  waiting: "pending",
  expired: "stopped",
  reading: "in-progress",
  paused: "pending",
  cancelled: "stopped",
  failed: "error",
  sending: "in-progress",
  done: "success",
};

export function CampaignMark({ state }: { state: State }) {
  return <StatusIndicator type={KINDS[state] ?? "info"}>{state}</StatusIndicator>;
}

export function loadBatch(id: string): Promise<Batch> {
  return read(api.GET("/batches/{id}", { params: { path: { id } } }));
}

/** How many of a batch's messages are over, whatever became of them. */
export function finished(batch: Batch): number {
  return FINAL.reduce((sum, status) => sum + (batch.counts[status] ?? 0), 0);
}

/** How far a batch that is still moving has come; its total only, until that is known. */
export function Moved({ id, total }: { id: string; total: number }) {
  const [loaded] = useLoaded(id, () => loadBatch(id));
  return loaded.state === "here" ? <Following first={loaded.data} /> : <>{total}</>;
}

function Following({ first }: { first: Batch }) {
  const [batch] = useFollowed(
    first,
    () => loadBatch(first.id),
    (now) => now.final,
    COUNTED_MILLISECONDS,
  );
  return <>{`${finished(batch)} of ${batch.total} final`}</>;
}
