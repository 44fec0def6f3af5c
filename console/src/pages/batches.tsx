import Badge from "@cloudscape-design/components/badge";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { api, type ListedBatch, type Page, read, usePages } from "../api";
import { CampaignMark, MOVING, Moved } from "../campaign";
import { PagedTable, Time, Written } from "../parts";
import { href } from "../route";

async function load(cursor: string | null): Promise<Page<ListedBatch>> {
  const query = cursor ? { cursor } : {};
  const page = await read(api.GET("/batches", { params: { query } }));
  return { items: page.batches, cursor: page.cursor ?? null };
}

export default function Batches() {
  const pages = usePages("", load);
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        description="What was sent together, newest first."
        actions={<Button iconName="refresh" ariaLabel="Load again" onClick={pages.again} />}
      >
        Batches and campaigns
      </Header>
      <PagedTable
        pages={pages}
        label="Batches and campaigns"
        empty="Nothing was sent yet."
        trackBy="id"
        columnDefinitions={[
          {
            id: "what",
            header: "File or batch",
            minWidth: 220,
            isRowHeader: true,
            cell: (one) => (
              <>
                <Link href={href(["batches", one.id])}>
                  <Written>{one.campaign?.file ?? one.id}</Written>
                </Link>{" "}
                {one.test && <Badge>test</Badge>}
              </>
            ),
          },
          { id: "at", header: "Accepted", minWidth: 130, cell: (one) => <Time at={one.created_at} /> },
          {
            id: "state",
            header: "Campaign",
            minWidth: 130,
            cell: (one) => (one.campaign ? <CampaignMark state={one.campaign.state} /> : "–"),
          },
          {
            id: "total",
            header: "Messages",
            minWidth: 150,
            cell: (one) =>
              one.campaign && MOVING.includes(one.campaign.state) ? (
                <Moved id={one.id} total={one.total} />
              ) : (
                one.total
              ),
          },
          {
            id: "refused",
            header: "Rows refused",
            minWidth: 110,
            cell: (one) => one.campaign?.rows_refused ?? "–",
          },
        ]}
      />
    </SpaceBetween>
  );
}
