import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import ContentLayout from "@cloudscape-design/components/content-layout";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import { type FormEvent, useEffect, useState } from "react";

import { type Problem, sessionOf } from "../api";
import { begin, linkedKey, whyEnded } from "../session";

const FORM = /^sms_(test_)?[A-Za-z0-9_-]{48}$/;
const WRONG = "The gateway does not know this key: it may be mistyped, expired or revoked.";

export function SignIn() {
  const [key, setKey] = useState("");
  const [error, setError] = useState(whyEnded());
  const [asking, setAsking] = useState(false);

  async function signIn(given: string) {
    if (!FORM.test(given)) {
      setError("This is no API key: copy it whole, from sms_ on.");
      return;
    }
    setAsking(true);
    setError("");
    try {
      begin(await sessionOf(given));
    } catch (thrown) {
      const problem = thrown as Problem;
      setError(problem.status === 401 ? WRONG : `${problem.title}. ${problem.detail}`);
      setAsking(false);
    }
  }

  useEffect(() => {
    const given = linkedKey();
    if (given) void signIn(given);
  }, []);

  function submit(event: FormEvent) {
    event.preventDefault();
    void signIn(key.trim());
  }

  return (
    <ContentLayout
      defaultPadding
      maxContentWidth={560}
      header={<Header variant="h1">SMS gateway</Header>}
    >
      <form onSubmit={submit}>
        <Container header={<Header variant="h2">Sign in</Header>}>
          <Form
            actions={
              <Button variant="primary" formAction="submit" loading={asking}>
                Sign in
              </Button>
            }
          >
            {error && (
              <Box margin={{ bottom: "m" }}>
                <Alert type="error">{error}</Alert>
              </Box>
            )}
            <FormField
              label="API key"
              description="It stays in this tab, until you close it or sign out."
              stretch
            >
              <Input
                type="password"
                autoComplete={false}
                autoFocus
                spellcheck={false}
                value={key}
                onChange={({ detail }) => setKey(detail.value)}
              />
            </FormField>
          </Form>
        </Container>
      </form>
    </ContentLayout>
  );
}
