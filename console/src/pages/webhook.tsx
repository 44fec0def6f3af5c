import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Checkbox from "@cloudscape-design/components/checkbox";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { api, type Problem, read, useLoaded, type Webhook } from "../api";
import type { components } from "../contract";
import { Deliveries } from "../deliveries";
import { Confirm, ProblemAlert, Shown, Time, Written } from "../parts";
import { go, href } from "../route";
import { Secret, WebhookMark } from "../webhook";

type Tested = components["schemas"]["WebhookTest"];

export default function WebhookPage({ id, query }: { id: string; query: URLSearchParams }) {
  const load = () => read(api.GET("/webhooks/{id}", { params: { path: { id } } }));
  const [loaded, again] = useLoaded(id, load);
  return (
    <SpaceBetween size="l">
      <Link href={href(["webhooks"])}>All webhooks</Link>
      <Shown loaded={loaded} again={again} title="Webhook">
        {(webhook) => (
          <SpaceBetween size="l">
            <One first={webhook} load={load} />
            <Deliveries id={id} state={query.get("state") ?? ""} />
          </SpaceBetween>
        )}
      </Shown>
    </SpaceBetween>
  );
}

function One({ first, load }: { first: Webhook; load: () => Promise<Webhook> }) {
  const [webhook, setWebhook] = useState(first);
  const [asked, setAsked] = useState<"" | "rotate" | "delete">("");
  const [stopping, setStopping] = useState(false);
  const [testing, setTesting] = useState(false);
  const [tested, setTested] = useState<Tested | null>(null);
  const [secret, setSecret] = useState({ text: "", until: "" });
  const [problem, setProblem] = useState<Problem | null>(null);
  const params = { path: { id: webhook.id } };

  async function attempt(act: () => Promise<void>) {
    setAsked("");
    setProblem(null);
    try {
      await act();
    } catch (thrown) {
      setProblem(thrown as Problem);
    }
  }

  async function test() {
    setTesting(true);
    setTested(null);
    await attempt(async () => {
      setTested(await read(api.POST("/webhooks/{id}/test", { params })));
      setWebhook(await load());
    });
    setTesting(false);
  }

  const rotate = () =>
    attempt(async () => {
      const body = { stop_previous: stopping };
      const now = await read(api.POST("/webhooks/{id}/rotate", { params, body }));
      setSecret({ text: now.secret, until: now.previous_secret_until ?? "" });
    });

  const remove = () =>
    attempt(async () => {
      await read(api.DELETE("/webhooks/{id}", { params }));
      go(href(["webhooks"]));
    });

  const close = () => setAsked("");
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button loading={testing} onClick={test}>
              Test
            </Button>
            <Button onClick={() => setAsked("rotate")}>New secret</Button>
            <Button onClick={() => setAsked("delete")}>Delete</Button>
          </SpaceBetween>
        }
      >
        <Written>{webhook.url}</Written>
      </Header>
      <div aria-live="polite">
        <SpaceBetween size="s">
          {problem && <ProblemAlert problem={problem} />}
          {tested && <Outcome tested={tested} />}
          {secret.text && (
            <Secret secret={secret.text} onKept={() => setSecret({ text: "", until: "" })}>
              {secret.until ? (
                <>
                  The one before signs too until <Time at={secret.until} />.
                </>
              ) : (
                "It alone signs from now on."
              )}
            </Secret>
          )}
        </SpaceBetween>
      </div>
      <Container header={<Header variant="h2">Webhook</Header>}>
        <KeyValuePairs
          columns={3}
          items={[
            { label: "State", value: <WebhookMark webhook={webhook} /> },
            { label: "Events", value: webhook.events ? webhook.events.join(", ") || "of status_url only" : "all" },
            { label: "Failures in a row", value: webhook.failures_in_a_row },
            { label: "Description", value: <Written>{webhook.description}</Written> },
            { label: "Added", value: <Time at={webhook.created_at} /> },
            { label: "Disabled", value: <Time at={webhook.disabled_at} /> },
            { label: "Id", value: webhook.id },
          ]}
        />
      </Container>
      <Confirm
        shown={asked === "rotate"}
        title="Make a new secret?"
        act="Make a new secret"
        onAct={rotate}
        onKeep={close}
      >
        <SpaceBetween size="s">
          <Box>The one before signs beside it for a day, so that your program can change over.</Box>
          <Checkbox checked={stopping} onChange={({ detail }) => setStopping(detail.checked)}>
            It leaked: stop the secrets before at once
          </Checkbox>
        </SpaceBetween>
      </Confirm>
      <Confirm
        shown={asked === "delete"}
        title="Delete this webhook?"
        act="Delete webhook"
        keep="Keep it"
        onAct={remove}
        onKeep={close}
      >
        What waits for it is not sent any more. This can't be undone.
      </Confirm>
    </SpaceBetween>
  );
}

function Outcome({ tested }: { tested: Tested }) {
  const answered = tested.status_code ? `It answered ${tested.status_code}` : "It did not answer";
  return (
    <Alert
      type={tested.proven ? "success" : tested.delivered ? "warning" : "error"}
      header={
        tested.proven
          ? "It arrived, and the webhook is active"
          : tested.delivered
            ? "It arrived, and the challenge did not come back"
            : "It did not arrive"
      }
    >
      {answered} after {tested.milliseconds} ms. <Written>{tested.problem ?? " "}</Written>
    </Alert>
  );
}
