/** What became of messages that were sent together, and what they cost. */
import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import Table from "@cloudscape-design/components/table";

import type { Batch } from "./api";
import { STATUSES, StatusMark } from "./parts";
import { href } from "./route";

interface Counted {
  counts: Batch["counts"];
  /** The batch to whose messages each status leads, if any. */
  leadingTo: string | null;
}

export function Counts({ counts, leadingTo }: Counted) {
  const items = STATUSES.filter((status) => counts[status]).map((status) => ({
    status,
    count: counts[status] ?? 0,
  }));
  return (
    <Table
      header={<Header variant="h2">Messages by status</Header>}
      items={items}
      trackBy="status"
      ariaLabels={{ tableLabel: "Messages by status" }}
      empty={<Box textAlign="center">None was counted yet.</Box>}
      columnDefinitions={[
        {
          id: "status",
          header: "Status",
          isRowHeader: true,
          cell: ({ status }) =>
            leadingTo ? (
              <Link href={href(["messages"], { batch_id: leadingTo, status })}>
                <StatusMark status={status} />
              </Link>
            ) : (
              <StatusMark status={status} />
            ),
        },
        { id: "count", header: "Messages", cell: ({ count }) => count },
      ]}
    />
  );
}

export function written(price: Batch["price"]): string {
  return price.map((one) => `${one.amount} ${one.currency}`).join(", ") || "–";
}
