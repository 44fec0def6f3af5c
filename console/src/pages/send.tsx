import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Textarea from "@cloudscape-design/components/textarea";
import { type FormEvent, useEffect, useRef, useState } from "react";

import { api, type Problem, read } from "../api";
import type { components } from "../contract";
import { CATEGORIES, ProblemAlert, Written } from "../parts";
import { go, href } from "../route";

type Body = components["schemas"]["Send"];
type Preview = components["schemas"]["Preview"];

const PAUSE_MILLISECONDS = 600;
const CHOICES = CATEGORIES.map((one) => ({ value: one, label: one }));

export default function Send({ mayRead }: { mayRead: boolean }) {
  const [to, setTo] = useState("");
  const [text, setText] = useState("");
  const [category, setCategory] = useState("transactional");
  const [preview, setPreview] = useState<Preview | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [sending, setSending] = useState(false);
  const [sent, setSent] = useState("");
  // The same request has the same key, so that a second try never sends twice.
  const attempt = useRef({ written: "", key: "" });
  const written = JSON.stringify({ to: to.trim(), text, category });

  useEffect(() => {
    setPreview(null);
    setProblem(null);
    if (!to.trim() || !text) return;
    let wanted = true;
    const timer = setTimeout(() => {
      read(api.POST("/messages/preview", { body: JSON.parse(written) as Body })).then(
        (found) => wanted && setPreview(found),
        (thrown: Problem) => wanted && setProblem(thrown),
      );
    }, PAUSE_MILLISECONDS);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [written]);

  async function send(event: FormEvent) {
    event.preventDefault();
    if (sending || !preview?.messages.length) return;
    if (attempt.current.written !== written) {
      attempt.current = { written, key: crypto.randomUUID() };
    }
    setSending(true);
    setSent("");
    setProblem(null);
    const params = { header: { "Idempotency-Key": attempt.current.key } };
    try {
      const body = JSON.parse(written) as Body;
      const answer = await read(api.POST("/messages", { params, body }));
      attempt.current = { written: "", key: "" };
      const id = answer.messages[0]?.id ?? "";
      if (mayRead) go(href(["messages", id]));
      else setSent(id);
    } catch (thrown) {
      setProblem(thrown as Problem);
    }
    setSending(false);
  }

  const ready = Boolean(preview?.messages.length);
  return (
    <form onSubmit={send}>
      <SpaceBetween size="l">
        <Header variant="h1">Send a message</Header>
        {sent && <Alert type="success">Accepted, as {sent}.</Alert>}
        <Container>
          <SpaceBetween size="m">
            <FormField label="To" description="A telephone number with its country code.">
              <Input
                type="text"
                inputMode="tel"
                value={to}
                onChange={({ detail }) => setTo(detail.value)}
              />
            </FormField>
            <FormField label="Text" stretch>
              <Textarea
                rows={5}
                value={text}
                onChange={({ detail }) => setText(detail.value)}
              />
            </FormField>
            <FormField label="Category">
              <Select
                options={CHOICES}
                selectedOption={CHOICES.find((one) => one.value === category) ?? null}
                onChange={({ detail }) => setCategory(detail.selectedOption.value ?? category)}
              />
            </FormField>
          </SpaceBetween>
        </Container>
        <div aria-live="polite">
          {problem && <ProblemAlert problem={problem} />}
          {preview && <Foreseen preview={preview} />}
          {!preview && !problem && (
            <Box color="text-body-secondary">
              With a number and a text, the gateway says here what it would do.
            </Box>
          )}
        </div>
        <Button variant="primary" formAction="submit" disabled={!ready} loading={sending}>
          Send
        </Button>
      </SpaceBetween>
    </form>
  );
}

/** What the gateway itself says of the text: no rule of it is repeated here. */
function Foreseen({ preview }: { preview: Preview }) {
  const [refused] = preview.rejected;
  const [one] = preview.messages;
  if (refused) {
    return (
      <Alert type="error" header={refused.problem.title}>
        <Written>{refused.problem.detail}</Written>
      </Alert>
    );
  }
  if (!one) return null;
  const costly = one.not_gsm7.map((each) => `${each.code_point} ${each.name}`).join(", ");
  return (
    <SpaceBetween size="m">
      <Container header={<Header variant="h2">What would be sent</Header>}>
        <KeyValuePairs
          columns={3}
          items={[
            { label: "To", value: one.to },
            { label: "Segments", value: `${one.segments} (${one.encoding})` },
            {
              label: "Characters of each",
              value: one.parts.map((part) => part.characters).join(" + "),
            },
            { label: "Vendor", value: `${one.vendor}: ${one.why}` },
            {
              label: "Price",
              value: one.price ? `${one.price.amount} ${one.price.currency}` : "not known",
            },
          ]}
        />
      </Container>
      {one.encoding === "ucs2" && costly && (
        <Alert type="info" header="Not in the GSM alphabet: each segment holds fewer characters">
          {costly}.
          {one.gsm7_segments && one.gsm7_segments < one.segments
            ? ` Without them it would be ${one.gsm7_segments} instead of ${one.segments}.`
            : ""}
        </Alert>
      )}
      {one.warnings.map((warning) => (
        <Alert key={warning.type} type="warning">
          <Written>{warning.detail}</Written>
        </Alert>
      ))}
    </SpaceBetween>
  );
}
