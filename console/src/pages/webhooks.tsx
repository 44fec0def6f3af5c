import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Link from "@cloudscape-design/components/link";
import Modal from "@cloudscape-design/components/modal";
import Multiselect from "@cloudscape-design/components/multiselect";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { type FormEvent, useRef, useState } from "react";

import { api, type Problem, read, useLoaded, type Webhook } from "../api";
import type { components } from "../contract";
import { ProblemAlert, Shown, Time, Written } from "../parts";
import { href } from "../route";
import { Secret, WebhookMark } from "../webhook";

type EventType = components["schemas"]["EventType"];

const EVENTS: Record<EventType, true> = {
  MessageAccepted: true,
  MessageSubmitted: true,
  MessageUnknown: true,
  MessageDelivered: true,
  MessageUndelivered: true,
  MessageRejected: true,
  MessageExpired: true,
  MessageCancelled: true,
  BatchCompleted: true,
  VerificationApproved: true,
  VerificationBlocked: true,
  QuotaReached: true,
  WebhookDisabled: true,
  CampaignBraked: true,
};
const OPTIONS = Object.keys(EVENTS).map((value) => ({ value, label: value }));

export default function Webhooks() {
  const [loaded, again] = useLoaded("", () => read(api.GET("/webhooks")));
  const [adding, setAdding] = useState(false);
  const [secret, setSecret] = useState("");

  function added(its: string) {
    setAdding(false);
    setSecret(its);
    again();
  }

  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        description="Addresses that are told what becomes of your messages."
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button iconName="refresh" ariaLabel="Load again" onClick={again} />
            <Button variant="primary" onClick={() => setAdding(true)}>
              Add webhook
            </Button>
          </SpaceBetween>
        }
      >
        Webhooks
      </Header>
      {secret && (
        <Secret secret={secret} onKept={() => setSecret("")}>
          The webhook is pending: test it next, so that its host shows that it wants the events.
        </Secret>
      )}
      <Shown loaded={loaded} again={again}>
        {({ webhooks }) => <List webhooks={webhooks} />}
      </Shown>
      {adding && <Add onAdded={added} onLeft={() => setAdding(false)} />}
    </SpaceBetween>
  );
}

function List({ webhooks }: { webhooks: Webhook[] }) {
  return (
    <Table
      items={webhooks}
      trackBy="id"
      wrapLines
      ariaLabels={{ tableLabel: "Webhooks" }}
      empty={<Box textAlign="center">Nobody is told anything yet.</Box>}
      columnDefinitions={[
        {
          id: "url",
          header: "Address",
          minWidth: 220,
          isRowHeader: true,
          cell: (one) => (
            <Link href={href(["webhooks", one.id])}>
              <Written>{one.url}</Written>
            </Link>
          ),
        },
        { id: "state", header: "State", minWidth: 110, cell: (one) => <WebhookMark webhook={one} /> },
        {
          id: "events",
          header: "Events",
          minWidth: 160,
          cell: (one) => (one.events ? one.events.join(", ") || "of status_url only" : "all"),
        },
        { id: "failures", header: "Failures in a row", cell: (one) => one.failures_in_a_row },
        {
          id: "description",
          header: "Description",
          minWidth: 140,
          cell: (one) => <Written>{one.description}</Written>,
        },
        { id: "at", header: "Added", minWidth: 130, cell: (one) => <Time at={one.created_at} /> },
      ]}
    />
  );
}

function Add({ onAdded, onLeft }: { onAdded: (secret: string) => void; onLeft: () => void }) {
  const [url, setUrl] = useState("");
  const [description, setDescription] = useState("");
  const [events, setEvents] = useState<typeof OPTIONS>([]);
  const [asking, setAsking] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  // The same request has the same key, so that a second try adds none twice.
  const attempt = useRef({ written: "", key: "" });

  async function add(event: FormEvent) {
    event.preventDefault();
    const body = {
      url: url.trim(),
      description: description.trim() || null,
      events: events.length ? events.map(({ value }) => value as EventType) : null,
    };
    const written = JSON.stringify(body);
    if (attempt.current.written !== written) {
      attempt.current = { written, key: crypto.randomUUID() };
    }
    setAsking(true);
    setProblem(null);
    const params = { header: { "Idempotency-Key": attempt.current.key } };
    try {
      const { secret } = await read(api.POST("/webhooks", { params, body }));
      onAdded(secret);
    } catch (thrown) {
      setProblem(thrown as Problem);
      setAsking(false);
    }
  }

  return (
    <Modal visible onDismiss={onLeft} header="Add a webhook">
      <form onSubmit={add}>
        <Form
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              <Button variant="link" formAction="none" onClick={onLeft}>
                Cancel
              </Button>
              <Button variant="primary" formAction="submit" loading={asking}>
                Add
              </Button>
            </SpaceBetween>
          }
        >
          <SpaceBetween size="m">
            {problem && <ProblemAlert problem={problem} />}
            <FormField label="Address" description="Where your program takes the events, with https.">
              <Input
                inputMode="url"
                value={url}
                placeholder="https://"
                onChange={({ detail }) => setUrl(detail.value)}
              />
            </FormField>
            <FormField label="Events" description="None chosen means all.">
              <Multiselect
                options={OPTIONS}
                selectedOptions={events}
                placeholder="All events"
                onChange={({ detail }) => setEvents([...detail.selectedOptions] as typeof OPTIONS)}
              />
            </FormField>
            <FormField label="Description" description="For your own memory.">
              <Input value={description} onChange={({ detail }) => setDescription(detail.value)} />
            </FormField>
          </SpaceBetween>
        </Form>
      </form>
    </Modal>
  );
}
