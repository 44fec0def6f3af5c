import Badge from "@cloudscape-design/components/badge";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import FormField from "@cloudscape-design/components/form-field";
import Grid from "@cloudscape-design/components/grid";
import Link from "@cloudscape-design/components/link";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { type FormEvent, useEffect, useState } from "react";

import { api, type ListedMessage, type Page, read, type Status, usePages } from "../api";
import { CATEGORIES, PagedTable, STATUSES, StatusMark, Time, Written } from "../parts";
import { go, href } from "../route";

const MESSAGE_ID = /^[0-9A-HJKMNP-TV-Z]{29,}$/i;
const FILTERS = ["to", "reference", "batch_id"] as const;
const CHOICES = { status: STATUSES, category: CATEGORIES };

interface Filters {
  to: string;
  reference: string;
  batch_id: string;
  status: string;
  category: string;
}

function filtersOf(query: URLSearchParams): Filters {
  const of = (name: string) => query.get(name) ?? "";
  const words = { to: of("to"), reference: of("reference"), batch_id: of("batch_id") };
  return { ...words, status: of("status"), category: of("category") };
}

async function load(filters: Filters, cursor: string | null): Promise<Page<ListedMessage>> {
  const query: Record<string, string> = {};
  for (const name of [...FILTERS, "status", "category"] as const) {
    if (filters[name]) query[name] = filters[name];
  }
  if (cursor) query.cursor = cursor;
  const page = await read(api.GET("/messages", { params: { query: query as { status?: Status } } }));
  return { items: page.messages, cursor: page.cursor ?? null };
}

export function Messages({ query }: { query: URLSearchParams }) {
  const asked = query.toString();
  const [filters, setFilters] = useState(filtersOf(query));
  const pages = usePages(asked, (cursor) => load(filtersOf(query), cursor));
  useEffect(() => setFilters(filtersOf(query)), [asked]);

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

  const choice = (name: keyof typeof CHOICES, label: string) => {
    const any = { value: "", label: `Any ${name}` };
    const options = [any, ...CHOICES[name].map((one: string) => ({ value: one, label: one }))];
    return (
      <FormField label={label} stretch>
        <Select
          selectedOption={options.find((one) => one.value === filters[name]) ?? any}
          options={options}
          onChange={({ detail }) =>
            setFilters({ ...filters, [name]: detail.selectedOption.value ?? "" })
          }
        />
      </FormField>
    );
  };

  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        description="Newest first."
        actions={
          <Button iconName="refresh" ariaLabel="Load again" onClick={pages.again} />
        }
      >
        Messages
      </Header>
      <form onSubmit={search} role="search">
        <SpaceBetween size="s">
          <Grid
            gridDefinition={[6, 6, 4, 4, 4].map((xs) => ({
              colspan: { default: 12, xs, m: xs / 2 },
            }))}
          >
            {field("to", "Number or message id", "+8801000000001")}
            {field("reference", "Your reference", "")}
            {field("batch_id", "Batch", "")}
            {choice("status", "Status")}
            {choice("category", "Category")}
          </Grid>
          <SpaceBetween size="xs" direction="horizontal">
            <Button variant="primary" formAction="submit">
              Search
            </Button>
            {any && <Button onClick={() => go(href(["messages"]))}>Clear</Button>}
          </SpaceBetween>
        </SpaceBetween>
      </form>
      <PagedTable
        pages={pages}
        label="Messages"
        empty={any ? "No message matches." : "Nothing was sent yet."}
        trackBy="id"
        columnDefinitions={[
          {
            id: "to",
            header: "To",
            minWidth: 150,
            isRowHeader: true,
            cell: (one) => (
              <>
                <Link href={href(["messages", one.id])}>{one.to}</Link>{" "}
                {one.test && <Badge>test</Badge>}
              </>
            ),
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
      />
    </SpaceBetween>
  );
}
