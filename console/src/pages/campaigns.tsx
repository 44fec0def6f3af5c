import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { api, type ListedCampaign, type Page, read, usePages } from "../api";
import { CampaignMark } from "../campaign";
import { PagedTable, Time, Written } from "../parts";
import { href } from "../route";

async function load(cursor: string | null): Promise<Page<ListedCampaign>> {
  const query = cursor ? { cursor } : {};
  const page = await read(api.GET("/campaigns", { params: { query } }));
  return { items: page.campaigns, cursor: page.cursor };
}

export default function Campaigns() {
  const pages = usePages("", load);
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        description="Files whose rows are sent, newest first."
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button iconName="refresh" ariaLabel="Load again" onClick={pages.again} />
            <Button variant="primary" href={href(["campaigns", "new"])}>
              New campaign
            </Button>
          </SpaceBetween>
        }
      >
        Campaigns
      </Header>
      <PagedTable
        pages={pages}
        label="Campaigns"
        empty="There is no campaign yet."
        trackBy="id"
        columnDefinitions={[
          {
            id: "name",
            header: "Name",
            minWidth: 200,
            isRowHeader: true,
            cell: (one) => (
              <Link href={href(["campaigns", one.id])}>
                <Written>{one.name}</Written>
              </Link>
            ),
          },
          { id: "at", header: "Made", minWidth: 130, cell: (one) => <Time at={one.created_at} /> },
          {
            id: "state",
            header: "State",
            minWidth: 120,
            cell: (one) => <CampaignMark state={one.state} />,
          },
          {
            id: "read",
            header: "Rows read",
            minWidth: 120,
            cell: (one) => `${one.rows_read} of ${one.rows ?? "?"}`,
          },
          { id: "sent", header: "Sent", cell: (one) => one.rows_sent },
          { id: "refused", header: "Refused", cell: (one) => one.rows_refused },
        ]}
      />
    </SpaceBetween>
  );
}
