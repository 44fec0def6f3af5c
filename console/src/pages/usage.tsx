import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";

import { api, type LimitUsage, read, useLoaded } from "../api";
import { Shown, Time } from "../parts";

export default function Usage() {
  const [loaded, again] = useLoaded("", () => read(api.GET("/usage")));
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        description="The limits that the operator set for your tenant and this key, and what is used of them."
        actions={<Button iconName="refresh" ariaLabel="Load again" onClick={again} />}
      >
        Usage
      </Header>
      <Shown loaded={loaded} again={again}>
        {({ limits }) => (
          <Table
            items={limits}
            ariaLabels={{ tableLabel: "Usage" }}
            empty={<Box textAlign="center">Nothing is limited.</Box>}
            columnDefinitions={[
              { id: "what", header: "Limit", minWidth: 180, isRowHeader: true, cell: nameOf },
              { id: "of", header: "Set for", minWidth: 90, cell: (one) => `the ${one.of}` },
              { id: "used", header: "Used", minWidth: 200, cell: (one) => <Used limit={one} /> },
              {
                id: "resets",
                header: "Whole again",
                minWidth: 130,
                cell: (one) => <Time at={one.resets_at} />,
              },
            ]}
          />
        )}
      </Shown>
    </SpaceBetween>
  );
}

function nameOf({ quota }: LimitUsage): string {
  const words = quota.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function Used({ limit: { limit, used, quota } }: { limit: LimitUsage }) {
  if (used === null) return <>{limit} for each number</>;
  const share = limit ? Math.min(100, (100 * used) / limit) : 100;
  return (
    <ProgressBar value={share} ariaLabel={quota} additionalInfo={`${used} of ${limit}`} />
  );
}
