import Alert from "@cloudscape-design/components/alert";
import Badge from "@cloudscape-design/components/badge";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs, {
  type KeyValuePairsProps,
} from "@cloudscape-design/components/key-value-pairs";
import Link from "@cloudscape-design/components/link";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { type Batch, useFollowed, useLoaded } from "../api";
import { CampaignMark, COUNTED_MILLISECONDS, finished, loadBatch } from "../campaign";
import { Counts, written } from "../counts";
import { Shown, Time, Written } from "../parts";
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
  const items: KeyValuePairsProps.Item[] = [
    { label: "Accepted", value: <Time at={batch.created_at} /> },
    { label: "Messages", value: batch.total },
    { label: "Price", value: written(batch.price) },
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
      <Counts counts={batch.counts} leadingTo={campaign ? null : batch.id} />
    </SpaceBetween>
  );
}
