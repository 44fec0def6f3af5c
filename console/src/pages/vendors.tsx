import Alert from "@cloudscape-design/components/alert";
import Badge from "@cloudscape-design/components/badge";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator, {
  type StatusIndicatorProps,
} from "@cloudscape-design/components/status-indicator";
import Table from "@cloudscape-design/components/table";

import { api, type Balance, type Problem, read, useLoaded, type VendorState } from "../api";
import { ProblemAlert, Shown, Time, Written } from "../parts";

interface Seen {
  vendors: VendorState[];
  /** Why no vendor could be asked for its balance, if so. */
  problem: Problem | null;
}

const CIRCUITS: Record<VendorState["circuit"], [StatusIndicatorProps.Type, string]> = {
  closed: ["success", "healthy"],
  half_open: ["in-progress", "failed; one call tries whether it is back"],
  open: ["error", "failed; left alone for half a minute"],
};
const CAPABILITIES: Record<keyof VendorState["capabilities"], string> = {
  bulk: "many numbers in a call",
  personalised: "many texts in a call",
  flash: "flash",
  schedule: "holds messages",
  unicode: "Unicode",
  filter_dnd: "do-not-disturb filter",
  template_id: "template ids",
  receipts_poll: "receipts when asked",
  receipts_callback: "receipts by itself",
  own_reference: "carries our reference",
  tokens: "makes codes",
  senders: "unlocks senders",
  vouchers: "vouchers",
};

/** Ask the vendors for their balances; what they said last is shown where that fails. */
async function load(): Promise<Seen> {
  const [listed, asked] = await Promise.allSettled([
    read(api.GET("/vendors")),
    read(api.GET("/balances")),
  ]);
  if (listed.status === "rejected") throw listed.reason;
  const { vendors } = listed.value;
  if (asked.status === "rejected") return { vendors, problem: asked.reason as Problem };
  const of = (vendor: string) => asked.value.balances.filter((one) => one.vendor === vendor);
  return {
    vendors: vendors.map((one) => ({ ...one, balances: of(one.vendor) })),
    problem: null,
  };
}

export default function Vendors() {
  const [loaded, again] = useLoaded("", load);
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        description="What each can do, how it is, and the credit left there."
        actions={<Button iconName="refresh" ariaLabel="Load again" onClick={again} />}
      >
        Vendors
      </Header>
      <Shown loaded={loaded} again={again}>
        {({ vendors, problem }) => (
          <SpaceBetween size="l">
            {problem && <ProblemAlert problem={problem} again={again} />}
            {[...vendors].sort(byUse).map((one) => (
              <VendorCard key={one.vendor} vendor={one} />
            ))}
          </SpaceBetween>
        )}
      </Shown>
    </SpaceBetween>
  );
}

function byUse(one: VendorState, other: VendorState): number {
  return Number(other.configured) - Number(one.configured);
}

function VendorCard({ vendor }: { vendor: VendorState }) {
  const [kind, words] = CIRCUITS[vendor.circuit];
  const able = Object.entries(CAPABILITIES).filter(
    ([name]) => vendor.capabilities[name as keyof typeof CAPABILITIES],
  );
  return (
    <Container
      header={
        <Header
          variant="h2"
          description={
            vendor.configured ? (
              <StatusIndicator type={kind}>{words}</StatusIndicator>
            ) : (
              <StatusIndicator type="stopped">no account here</StatusIndicator>
            )
          }
        >
          {vendor.title}
        </Header>
      }
    >
      <SpaceBetween size="m">
        {vendor.problem && <ProblemAlert problem={{ status: 0, request: "", ...told(vendor.problem) }} />}
        {vendor.warnings.map((warning) => (
          <Alert key={warning} type="warning">
            <Written>{warning}</Written>
          </Alert>
        ))}
        {vendor.configured && <BalanceTable vendor={vendor} />}
        <SpaceBetween direction="horizontal" size="xs">
          {able.map(([name, words]) => (
            <Badge key={name}>{words}</Badge>
          ))}
        </SpaceBetween>
      </SpaceBetween>
    </Container>
  );
}

function told({ title, detail }: { title: string; detail: string }) {
  return { title, detail };
}

function BalanceTable({ vendor }: { vendor: VendorState }) {
  return (
    <Table
      variant="embedded"
      items={vendor.balances}
      wrapLines
      ariaLabels={{ tableLabel: `Balances at ${vendor.title}` }}
      empty={<Box textAlign="center">It told no balance yet.</Box>}
      columnDefinitions={[
        {
          id: "product",
          header: "Product",
          minWidth: 110,
          isRowHeader: true,
          cell: (one) => one.product ?? "all",
        },
        { id: "amount", header: "Credit", minWidth: 120, cell: (one) => <Amount of={one} /> },
        {
          id: "per_day",
          header: "Used a day",
          minWidth: 110,
          cell: ({ forecast }) =>
            forecast?.per_day ? `${forecast.per_day}, seen in ${forecast.basis.hours} h` : "not known yet",
        },
        { id: "empty", header: "Ends", minWidth: 150, cell: (one) => <End of={one} /> },
        { id: "at", header: "As of", minWidth: 150, cell: (one) => <Time at={one.checked_at} /> },
      ]}
    />
  );
}

function Amount({ of: { amount, unit, problem } }: { of: Balance }) {
  return (
    <>
      {amount === null ? "–" : `${amount} ${unit ?? ""}`}{" "}
      {problem && (
        <StatusIndicator type="warning" wrapText>
          <Written>{problem.detail}</Written>
        </StatusIndicator>
      )}
    </>
  );
}

function End({ of: { forecast } }: { of: Balance }) {
  if (!forecast?.empty_at) return <>–</>;
  return (
    <>
      <Time at={forecast.empty_at} /> {forecast.basis.ends_by === "expiry" ? "(expires)" : "(used up)"}
    </>
  );
}
