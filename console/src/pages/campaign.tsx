import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import Link from "@cloudscape-design/components/link";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { api, type Campaign, type Problem, read, useFollowed, useLoaded } from "../api";
import { CampaignMark } from "../campaign";
import { Counts, written } from "../counts";
import { Confirm, ProblemAlert, Shown, Time, Written } from "../parts";
import { CampaignPreview } from "../preview";
import { href } from "../route";

const SOON_MILLISECONDS = 2000;
const AGAIN_MILLISECONDS = 5000;

type Move = "pause" | "resume" | "cancel";

function load(id: string): Promise<Campaign> {
  return read(api.GET("/campaigns/{id}", { params: { path: { id } } }));
}

export default function CampaignPage({ id }: { id: string }) {
  const [loaded, again] = useLoaded(id, () => load(id));
  return (
    <SpaceBetween size="l">
      <Link href={href(["campaigns"])}>All campaigns</Link>
      <Shown loaded={loaded} again={again} title="Campaign">
        {(campaign) => <Standing first={campaign} />}
      </Shown>
    </SpaceBetween>
  );
}

function Standing({ first }: { first: Campaign }) {
  const [campaign, setCampaign] = useFollowed(
    first,
    () => load(first.id),
    (now) => now.final || now.state === "paused",
    first.state === "waiting" ? SOON_MILLISECONDS : AGAIN_MILLISECONDS,
  );
  const [moving, setMoving] = useState<Move | null>(null);
  const [asking, setAsking] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const { state } = campaign;
  const unread = campaign.rows_read === 0;

  async function move(what: Move) {
    setAsking(false);
    setMoving(what);
    setProblem(null);
    const params = { path: { id: campaign.id } };
    const calls = {
      pause: () => api.POST("/campaigns/{id}/pause", { params }),
      resume: () => api.POST("/campaigns/{id}/resume", { params }),
      cancel: () => api.POST("/campaigns/{id}/cancel", { params }),
    };
    try {
      setCampaign(await read(calls[what]()));
    } catch (thrown) {
      setProblem(thrown as Problem);
    }
    setMoving(null);
  }

  async function fetchResults() {
    setProblem(null);
    try {
      const params = { path: { id: campaign.id } };
      const { url } = await read(api.GET("/campaigns/{id}/results", { params }));
      window.location.assign(url);
    } catch (thrown) {
      setProblem(thrown as Problem);
    }
  }

  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            {campaign.has_results && (
              <Button iconName="download" onClick={fetchResults}>
                Results
              </Button>
            )}
            {!["done", "cancelled", "expired"].includes(state) && (
              <Button loading={moving === "cancel"} onClick={() => setAsking(true)}>
                Cancel campaign
              </Button>
            )}
            {state === "reading" && (
              <Button loading={moving === "pause"} onClick={() => move("pause")}>
                Pause
              </Button>
            )}
            {(state === "paused" || state === "failed") && (
              <Button variant="primary" loading={moving === "resume"} onClick={() => move("resume")}>
                {unread && state === "paused" ? "Start sending" : "Resume"}
              </Button>
            )}
          </SpaceBetween>
        }
      >
        <Written>{campaign.name}</Written>
      </Header>
      {problem && <ProblemAlert problem={problem} />}
      {campaign.problem && (
        <Alert
          type={state === "paused" ? "warning" : "error"}
          header={campaign.problem.title}
        >
          <Written>{campaign.problem.detail}</Written>
        </Alert>
      )}
      <Progress campaign={campaign} />
      {state === "paused" && <CampaignPreview id={campaign.id} begin={unread} />}
      <Counts counts={campaign.counts} leadingTo={null} />
      <Confirm
        shown={asking}
        title="Cancel this campaign?"
        act="Cancel campaign"
        keep="Keep it"
        onAct={() => move("cancel")}
        onKeep={() => setAsking(false)}
      >
        No further row is sent, and what has not left is taken back. This can't be undone.
      </Confirm>
    </SpaceBetween>
  );
}

function Progress({ campaign }: { campaign: Campaign }) {
  const { rows, rows_read: rowsRead } = campaign;
  return (
    <Container header={<Header variant="h2">How it stands</Header>}>
      <SpaceBetween size="l">
        <span role="status">
          <CampaignMark state={campaign.state} />
        </span>
        {rows !== null && (
          <ProgressBar
            value={rows ? Math.floor((rowsRead * 100) / rows) : 0}
            label="Rows read"
            additionalInfo={`${rowsRead} of ${rows}`}
          />
        )}
        <KeyValuePairs
          columns={3}
          items={[
            { label: "Made", value: <Time at={campaign.created_at} /> },
            { label: "Starts", value: <Time at={campaign.send_at} /> },
            { label: "Rows a minute", value: campaign.pace ?? "no bound" },
            { label: "Sent", value: campaign.rows_sent },
            { label: "Refused", value: campaign.rows_refused },
            { label: "Counted", value: <Time at={campaign.counted_at} /> },
            { label: "Price", value: written(campaign.price) },
            { label: "Id", value: campaign.id },
          ]}
        />
      </SpaceBetween>
    </Container>
  );
}
