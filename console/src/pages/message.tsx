import Alert from "@cloudscape-design/components/alert";
import Badge from "@cloudscape-design/components/badge";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { api, type Message, type Problem, read, useFollowed, useLoaded } from "../api";
import { Confirm, ProblemAlert, Shown, StatusMark, Time, Written } from "../parts";
import { href } from "../route";

const AGAIN_MILLISECONDS = 3000;
const CANCELLABLE = ["scheduled", "accepted"];

export default function MessagePage({ id, maySend }: { id: string; maySend: boolean }) {
  const load = () => read(api.GET("/messages/{id}", { params: { path: { id } } }));
  const [loaded, again] = useLoaded(id, load);
  return (
    <SpaceBetween size="l">
      <Link href={href(["messages"])}>All messages</Link>
      <Shown loaded={loaded} again={again} title="Message">
        {(message) => <Life key={message.id} first={message} load={load} maySend={maySend} />}
      </Shown>
    </SpaceBetween>
  );
}

interface LifeProps {
  first: Message;
  load: () => Promise<Message>;
  maySend: boolean;
}

/** A message that moves until its life is over. */
function Life({ first, load, maySend }: LifeProps) {
  const [message, setMessage] = useFollowed(first, load, (now) => now.final, AGAIN_MILLISECONDS);
  const [asking, setAsking] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);

  async function cancel() {
    setAsking(false);
    setProblem(null);
    const call = api.DELETE("/messages/{id}", { params: { path: { id: message.id } } });
    try {
      setMessage(await read(call));
    } catch (thrown) {
      setProblem(thrown as Problem);
    }
  }

  const price = message.price ? `${message.price.amount} ${message.price.currency}` : "–";
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        actions={
          maySend &&
          CANCELLABLE.includes(message.status) && (
            <Button onClick={() => setAsking(true)}>Cancel message</Button>
          )
        }
      >
        To {message.to} {message.test && <Badge>test</Badge>}
      </Header>
      {problem && <ProblemAlert problem={problem} />}
      {message.problem && (
        <Alert type="error" header={message.problem.title}>
          <Written>{message.problem.detail}</Written>
        </Alert>
      )}
      <Container header={<Header variant="h2">Message</Header>}>
        <KeyValuePairs
          columns={3}
          items={[
            {
              label: "Status",
              value: (
                <span role="status">
                  <StatusMark status={message.status} />
                </span>
              ),
            },
            {
              label: "Text",
              value: message.text_withheld ? "withheld" : <Written>{message.text}</Written>,
            },
            { label: "From", value: <Written>{message.from}</Written> },
            { label: "Vendor", value: message.vendor ?? "–" },
            { label: "Vendor's id", value: <Written>{message.vendor_id}</Written> },
            { label: "Segments", value: `${message.segments} (${message.encoding})` },
            { label: "Price", value: price },
            { label: "Category", value: message.category },
            { label: "Reference", value: <Written>{message.reference}</Written> },
            { label: "Accepted", value: <Time at={message.created_at} /> },
            { label: "Leaves at", value: <Time at={message.send_at} /> },
            {
              label: "Batch",
              value: (
                <Link href={href(["batches", message.batch_id])}>
                  {message.batch_id}
                </Link>
              ),
            },
            { label: "Id", value: message.id },
          ]}
        />
      </Container>
      <Container header={<Header variant="h2">Timeline</Header>}>
        <ol className="timeline">
          {message.timeline.map((step, nth) => (
            <li key={nth}>
              <StatusMark status={step.status} />
              <Box color="text-body-secondary">
                <Time at={step.at} /> · by {step.source}
                {step.vendor ? ` · ${step.vendor}` : ""}
                {step.attempt ? ` · attempt ${step.attempt}` : ""}
              </Box>
              {(step.vendor_code || step.vendor_text) && (
                <Box>
                  The vendor said:{" "}
                  <Written>
                    {[step.vendor_code, step.vendor_text].filter(Boolean).join(" ")}
                  </Written>
                </Box>
              )}
              {step.note && <Written>{step.note}</Written>}
            </li>
          ))}
        </ol>
      </Container>
      <Confirm
        shown={asking}
        title="Cancel this message?"
        act="Cancel message"
        keep="Keep it"
        onAct={cancel}
        onKeep={() => setAsking(false)}
      >
        It will not be sent to {message.to}. This can't be undone.
      </Confirm>
    </SpaceBetween>
  );
}
