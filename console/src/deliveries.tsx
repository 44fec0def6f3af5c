/** The deliveries of a webhook that did not arrive at once, with every attempt. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator, {
  type StatusIndicatorProps,
} from "@cloudscape-design/components/status-indicator";
import { useState } from "react";

import { api, type Delivery, type Page, type Problem, read, usePages } from "./api";
import { PagedTable, ProblemAlert, Time, Written } from "./parts";
import { go, href } from "./route";

const KINDS: Record<Delivery["state"], StatusIndicatorProps.Type> = {
  waiting: "pending",
  delivered: "success",
  failed: "error",
};
const ANY = { value: "", label: "Any state" };
const OPTIONS = [ANY, ...Object.keys(KINDS).map((value) => ({ value, label: value }))];

async function load(id: string, state: string, cursor: string | null): Promise<Page<Delivery>> {
  const query = {
    ...(state in KINDS ? { state: state as Delivery["state"] } : {}),
    ...(cursor ? { cursor } : {}),
  };
  const call = api.GET("/webhooks/{id}/deliveries", { params: { path: { id }, query } });
  const page = await read(call);
  return { items: page.deliveries, cursor: page.cursor ?? null };
}

export function Deliveries({ id, state }: { id: string; state: string }) {
  const pages = usePages(`${id} ${state}`, (cursor) => load(id, state, cursor));
  const [problem, setProblem] = useState<Problem | null>(null);

  async function replay(delivery: string) {
    setProblem(null);
    const params = { path: { id } };
    try {
      await read(api.POST("/webhooks/{id}/replay", { params, body: { ids: [delivery] } }));
      pages.again();
    } catch (thrown) {
      setProblem(thrown as Problem);
    }
  }

  return (
    <SpaceBetween size="m">
      {problem && <ProblemAlert problem={problem} />}
      <PagedTable
        pages={pages}
        label="Deliveries"
        empty="Everything arrived at the first attempt."
        trackBy="id"
        header={
          <Header
            variant="h2"
            description="Those that did not arrive at once, newest first."
            actions={<Button iconName="refresh" ariaLabel="Load deliveries again" onClick={pages.again} />}
          >
            Deliveries
          </Header>
        }
        filter={
          <FormField label="State">
            <Select
              options={OPTIONS}
              selectedOption={OPTIONS.find(({ value }) => value === state) ?? ANY}
              onChange={({ detail }) =>
                go(href(["webhooks", id], { state: detail.selectedOption.value ?? "" }))
              }
            />
          </FormField>
        }
        columnDefinitions={[
          {
            id: "type",
            header: "Event",
            minWidth: 170,
            isRowHeader: true,
            cell: (one) => (
              <>
                {one.type}
                {one.url && (
                  <Box color="text-body-secondary">
                    <Written>{one.url}</Written>
                  </Box>
                )}
              </>
            ),
          },
          {
            id: "state",
            header: "State",
            minWidth: 110,
            cell: (one) => <StatusIndicator type={KINDS[one.state] ?? "info"}>{one.state}</StatusIndicator>,
          },
          { id: "at", header: "Happened", minWidth: 130, cell: (one) => <Time at={one.occurred_at} /> },
          {
            id: "attempts",
            header: "Attempts",
            minWidth: 240,
            cell: (one) => <Attempts delivery={one} />,
          },
          { id: "next", header: "Next attempt", minWidth: 130, cell: (one) => <Time at={one.next_attempt_at} /> },
          {
            id: "act",
            header: "Replay",
            cell: (one) => (
              <Button
                variant="inline-link"
                ariaLabel={`Send again: ${one.type}`}
                onClick={() => replay(one.id)}
              >
                Send again
              </Button>
            ),
          },
        ]}
      />
    </SpaceBetween>
  );
}

function Attempts({ delivery: { attempts } }: { delivery: Delivery }) {
  return (
    <ol className="attempts">
      {attempts.map(({ at, status_code: status, problem }) => (
        <li key={at}>
          <Time at={at} />: <Written>{problem ?? `it answered ${status ?? "nothing"}`}</Written>
        </li>
      ))}
    </ol>
  );
}
