import Alert from "@cloudscape-design/components/alert";
import Badge from "@cloudscape-design/components/badge";
import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs, {
  type KeyValuePairsProps,
} from "@cloudscape-design/components/key-value-pairs";
import Link from "@cloudscape-design/components/link";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";

import { type Batch, useFollowed, useLoaded } from "../api";
import { CampaignMark, COUNTED_MILLISECONDS, finished, loadBatch } from "../campaign";
import { Shown, STATUSES, StatusMark, Time, Written } from "../parts";
import { href } from "../route";

const AGAIN_MILLISECONDS = 5000;
const STOPPED = ["cancelled", "failed"];

export default function BatchPage({ id }: { id: string }) {
  const [loaded, again] = useLoaded(id, () => loadBatch(id));
  return (
    <SpaceBetween size="l">
      <Link href={href(["batches"])}>All batches and campaigns</Link>
      <Shown loaded={loaded} again={again} title="Batch">
        {(batch) => <Standing first={batch} />}
      </Shown>
    </SpaceBetween>
  );
}

function Standing({ first }: { first: Batch }) {
  const [batch] = useFollowed(
    first,
    () => loadBatch(first.id),
    (now) => now.final && !(now.campaign?.state === "sending" || now.campaign?.state === "reading"),
    first.campaign ? COUNTED_MILLISECONDS : AGAIN_MILLISECONDS,
  );
  const { campaign } = batch;
  const over = finished(batch);
  const shown = STATUSES.filter((status) => batch.counts[status]).map((status) => ({
    status,
    count: batch.counts[status] ?? 0,
  }));
  const price = batch.price.map((one) => `${one.amount} ${one.currency}`).join(", ");
  const items: KeyValuePairsProps.Item[] = [
    { label: "Accepted", value: <Time at={batch.created_at} /> },
    { label: "Messages", value: batch.total },
    { label: "Price", value: price || "–" },
    { label: "Id", value: batch.id },
  ];
  if (campaign) {
    items.push(
      { label: "Campaign", value: <CampaignMark state={campaign.state} /> },
      { label: "Rows read", value: `${campaign.rows_read} of ${campaign.rows ?? "?"}` },
      { label: "Rows refused", value: campaign.rows_refused },
      { label: "Counted", value: <Time at={campaign.counted_at} /> },
      { label: "Results file", value: <Written>{campaign.results}</Written> },
    );
  }
  return (
    <SpaceBetween size="l">
      <Header variant="h1">
        <Written>{campaign?.file ?? "Batch"}</Written> {batch.test && <Badge>test</Badge>}
      </Header>
      {campaign?.problem && (
        <Alert type="error" header={campaign.problem.title}>
          <Written>{campaign.problem.detail}</Written>
        </Alert>
      )}
      <Container header={<Header variant="h2">How it stands</Header>}>
        <SpaceBetween size="l">
          <ProgressBar
            value={batch.total ? Math.floor((over * 100) / batch.total) : 0}
            label="Messages that are final"
            additionalInfo={`${over} of ${batch.total}`}
            status={batch.final && !STOPPED.includes(campaign?.state ?? "") ? "success" : "in-progress"}
            resultText={`All ${batch.total} are final`}
          />
          <KeyValuePairs columns={3} items={items} />
        </SpaceBetween>
      </Container>
      <Table
        header={<Header variant="h2">Messages by status</Header>}
        items={shown}
        trackBy="status"
        ariaLabels={{ tableLabel: "Messages by status" }}
        empty={<Box textAlign="center">None was counted yet.</Box>}
        columnDefinitions={[
          {
            id: "status",
            header: "Status",
            isRowHeader: true,
            cell: ({ status }) =>
              campaign ? (
                <StatusMark status={status} />
              ) : (
                <Link href={href(["messages"], { batch_id: batch.id, status })}>
                  <StatusMark status={status} />
                </Link>
              ),
          },
          { id: "count", header: "Messages", cell: ({ count }) => count },
        ]}
      />
    </SpaceBetween>
  );
}
