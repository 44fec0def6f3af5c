import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import FormField from "@cloudscape-design/components/form-field";
import Grid from "@cloudscape-design/components/grid";
import Link from "@cloudscape-design/components/link";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { type FormEvent, useEffect, useState } from "react";

import { api, type ListedMessage, type Problem, read, type Status } from "../api";
import { ProblemAlert, STATUSES, StatusMark, Time, Written } from "../parts";
import { go, href } from "../route";

const MESSAGE_ID = /^[0-9A-HJKMNP-TV-Z]{29,}$/i;
const ANY = { value: "", label: "Any status" };
const FILTERS = ["to", "reference", "batch_id"] as const;

interface Filters {
  to: string;
  reference: string;
  batch_id: string;
  status: string;
}

function filtersOf(query: URLSearchParams): Filters {
  const of = (name: string) => query.get(name) ?? "";
  return { to: of("to"), reference: of("reference"), batch_id: of("batch_id"), status: of("status") };
}

interface Page {
  messages: ListedMessage[];
  cursor: string | null;
}

async function load(filters: Filters, cursor: string | null): Promise<Page> {
  const query: Record<string, string> = {};
  for (const name of FILTERS) if (filters[name]) query[name] = filters[name];
  if (filters.status) query.status = filters.status;
  if (cursor) query.cursor = cursor;
  const page = await read(api.GET("/messages", { params: { query: query as { status?: Status } } }));
  return { messages: page.messages, cursor: page.cursor ?? null };
}

export function Messages({ query }: { query: URLSearchParams }) {
  const asked = query.toString();
  const [filters, setFilters] = useState(filtersOf(query));
  const [page, setPage] = useState<Page>({ messages: [], cursor: null });
  const [loading, setLoading] = useState(true);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [turn, setTurn] = useState(0);

  useEffect(() => {
    let wanted = true;
    const given = filtersOf(new URLSearchParams(asked));
    setFilters(given);
    setLoading(true);
    setProblem(null);
    load(given, null)
      .then(
        (found) => wanted && setPage(found),
        (thrown: Problem) => wanted && (setPage({ messages: [], cursor: null }), setProblem(thrown)),
      )
      .finally(() => wanted && setLoading(false));
    return () => {
      wanted = false;
    };
  }, [asked, turn]);

  async function more() {
    setLoading(true);
    try {
      const next = await load(filtersOf(query), page.cursor);
      setPage({ messages: [...page.messages, ...next.messages], cursor: next.cursor });
    } catch (thrown) {
      setProblem(thrown as Problem);
    }
    setLoading(false);
  }

  function search(event: FormEvent) {
    event.preventDefault();
    const to = filters.to.trim();
    if (MESSAGE_ID.test(to)) go(href(["messages", to.toUpperCase()]));
    else go(href(["messages"], { ...filters, to }));
  }

  const any = [...query.keys()].length > 0;
  const field = (name: (typeof FILTERS)[number], label: string, hint: string) => (
    <FormField label={label} stretch>
      <Input
        value={filters[name]}
        placeholder={hint}
        onChange={({ detail }) => setFilters({ ...filters, [name]: detail.value })}
      />
    </FormField>
  );

  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        description="Newest first."
        actions={
          <Button iconName="refresh" ariaLabel="Load again" onClick={() => setTurn(turn + 1)} />
        }
      >
        Messages
      </Header>
      <form onSubmit={search} role="search">
        <SpaceBetween size="s">
          <Grid
            gridDefinition={[3, 3, 3, 3].map((m) => ({ colspan: { default: 12, xs: 6, m } }))}
          >
            {field("to", "Number or message id", "+8801000000001")}
            {field("reference", "Your reference", "")}
            {field("batch_id", "Batch", "")}
            <FormField label="Status" stretch>
              <Select
                selectedOption={
                  filters.status ? { value: filters.status, label: filters.status } : ANY
                }
                options={[ANY, ...STATUSES.map((one) => ({ value: one, label: one }))]}
                onChange={({ detail }) =>
                  setFilters({ ...filters, status: detail.selectedOption.value ?? "" })
                }
              />
            </FormField>
          </Grid>
          <SpaceBetween size="xs" direction="horizontal">
            <Button variant="primary" formAction="submit">
              Search
            </Button>
            {any && <Button onClick={() => go(href(["messages"]))}>Clear</Button>}
          </SpaceBetween>
        </SpaceBetween>
      </form>
      {problem && <ProblemAlert problem={problem} again={() => setTurn(turn + 1)} />}
      <Table
        items={page.messages}
        loading={loading && page.messages.length === 0}
        loadingText="Loading messages"
        trackBy="id"
        wrapLines
        ariaLabels={{ tableLabel: "Messages" }}
        empty={
          !problem && (
            <Box textAlign="center" color="inherit">
              {any ? "No message matches." : "Nothing was sent yet."}
            </Box>
          )
        }
        columnDefinitions={[
          {
            id: "to",
            header: "To",
            minWidth: 150,
            isRowHeader: true,
            cell: (one) => <Link href={href(["messages", one.id])}>{one.to}</Link>,
          },
          { id: "status", header: "Status", minWidth: 140, cell: (one) => <StatusMark status={one.status} /> },
          { id: "at", header: "Accepted", minWidth: 130, cell: (one) => <Time at={one.created_at} /> },
          { id: "vendor", header: "Vendor", minWidth: 110, cell: (one) => one.vendor ?? "–" },
          {
            id: "text",
            header: "Text",
            minWidth: 180,
            maxWidth: 360,
            cell: (one) =>
              one.text_withheld ? (
                <Box color="text-body-secondary">withheld</Box>
              ) : (
                <Written>{one.text}</Written>
              ),
          },
          {
            id: "reference",
            header: "Reference",
            cell: (one) => <Written>{one.reference}</Written>,
          },
        ]}
        footer={
          page.cursor && (
            <Box textAlign="center">
              <Button loading={loading} onClick={more}>
                Show older
              </Button>
            </Box>
          )
        }
      />
    </SpaceBetween>
  );
}
