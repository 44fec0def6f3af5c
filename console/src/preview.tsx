/** What a campaign's rows would become: checked by the gateway, and not sent. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { useEffect } from "react";

import { api, type Preview, type Problem, read, useFollowed, useLoaded } from "./api";
import { Shown, Time, Written } from "./parts";

const AGAIN_MILLISECONDS = 1500;

function load(id: string): Promise<Preview> {
  return read(api.GET("/campaigns/{id}/preview", { params: { path: { id } } }));
}

function begun(id: string): Promise<Preview> {
  return read(api.POST("/campaigns/{id}/preview", { params: { path: { id } } }));
}

/** Show the last preview; where there is none, `begin` one. */
async function find(id: string, begin: boolean): Promise<Preview | null> {
  try {
    return await load(id);
  } catch (thrown) {
    if ((thrown as Problem).status !== 404) throw thrown;
    return begin ? begun(id) : null;
  }
}

export function CampaignPreview({ id, begin }: { id: string; begin: boolean }) {
  const [loaded, again] = useLoaded(id, () => find(id, begin));
  return (
    <Shown loaded={loaded} again={again}>
      {(preview) => (preview ? <Following first={preview} /> : null)}
    </Shown>
  );
}

function Following({ first }: { first: Preview }) {
  const [preview, setPreview] = useFollowed(
    first,
    () => load(first.campaign_id),
    (now) => now.state !== "reading",
    AGAIN_MILLISECONDS,
  );
  useEffect(() => setPreview(first), [first]);
  const over = preview.state !== "reading";
  return (
    <Container
      header={
        <Header
          variant="h2"
          description="Every row was checked by the rules of a send. Nothing was sent."
          actions={
            over && (
              <SpaceBetween direction="horizontal" size="xs">
                {preview.report && (
                  <Button
                    iconName="download"
                    onClick={() => window.location.assign(preview.report?.url ?? "")}
                  >
                    Refused rows
                  </Button>
                )}
                <Button onClick={() => begun(preview.campaign_id).then(setPreview, () => {})}>
                  Check again
                </Button>
              </SpaceBetween>
            )
          }
        >
          Preview
        </Header>
      }
    >
      {over ? <Found preview={preview} /> : <Checking preview={preview} />}
    </Container>
  );
}

function Checking({ preview }: { preview: Preview }) {
  const { rows, rows_read: rowsRead } = preview;
  return (
    <ProgressBar
      value={rows ? Math.floor((rowsRead * 100) / rows) : 0}
      label="Rows checked"
      additionalInfo={rows === null ? "The file is being read." : `${rowsRead} of ${rows}`}
    />
  );
}

function Found({ preview }: { preview: Preview }) {
  if (preview.problem) {
    return (
      <Alert type="error" header="The file can't be sent">
        <SpaceBetween size="xs">
          <Written>{preview.problem.detail}</Written>
          {preview.problem.lines?.length ? (
            <div>
              <Box color="inherit">It begins:</Box>
              {preview.problem.lines.map((line, nth) => (
                <div key={nth}>
                  <Box variant="code">
                    <Written>{line}</Written>
                  </Box>
                </div>
              ))}
            </div>
          ) : null}
        </SpaceBetween>
      </Alert>
    );
  }
  const segments = Object.entries(preview.segments).map(([each, rows]) => `${rows} × ${each}`);
  return (
    <SpaceBetween size="l">
      <KeyValuePairs
        columns={3}
        items={[
          { label: "Would be sent", value: preview.rows_passed },
          { label: "Would be refused", value: preview.rows_refused },
          { label: "Rows × segments", value: segments.join(", ") || "–" },
          { label: "Would end", value: <Time at={preview.ends_at} /> },
          { label: "Checked", value: <Time at={preview.made_at} /> },
        ]}
      />
      <Table
        variant="embedded"
        header={<Header variant="h3">By vendor</Header>}
        items={preview.vendors}
        wrapLines
        ariaLabels={{ tableLabel: "By vendor" }}
        empty={<Box textAlign="center">No row would be sent.</Box>}
        columnDefinitions={[
          { id: "vendor", header: "Vendor", isRowHeader: true, cell: (one) => one.vendor },
          { id: "messages", header: "Messages", cell: (one) => one.messages },
          { id: "segments", header: "Segments", cell: (one) => one.segments },
          {
            id: "price",
            header: "Price",
            cell: ({ price }) => (price ? `${price.amount} ${price.currency}` : "–"),
          },
          {
            id: "balance",
            header: "Balance left",
            cell: ({ balance, suffices }) =>
              balance
                ? `${balance.amount} ${balance.unit}${suffices === false ? ": too little" : ""}`
                : "–",
          },
        ]}
      />
      <Table
        variant="embedded"
        header={<Header variant="h3">Refused rows</Header>}
        items={preview.refusals}
        wrapLines
        ariaLabels={{ tableLabel: "Refused rows" }}
        empty={<Box textAlign="center">No row would be refused.</Box>}
        columnDefinitions={[
          {
            id: "why",
            header: "Why",
            isRowHeader: true,
            cell: (one) => <Written>{one.detail}</Written>,
          },
          { id: "rows", header: "Rows", cell: (one) => one.rows },
          {
            id: "first",
            header: "Row numbers",
            cell: ({ rows, first_rows: first }) =>
              first.join(", ") + (rows > first.length ? ", …" : ""),
          },
        ]}
      />
    </SpaceBetween>
  );
}
