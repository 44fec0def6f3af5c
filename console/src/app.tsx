import Alert from "@cloudscape-design/components/alert";
import AppLayout from "@cloudscape-design/components/app-layout";
import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import SideNavigation, {
  type SideNavigationProps,
} from "@cloudscape-design/components/side-navigation";
import SpaceBetween from "@cloudscape-design/components/space-between";
import TopNavigation from "@cloudscape-design/components/top-navigation";
import { lazy, type ReactNode, Suspense, useEffect } from "react";

import { Changed } from "./changed";
import { Messages } from "./pages/messages";
import { SignIn } from "./pages/sign_in";
import { Loading } from "./parts";
import { href, type Route, useRoute } from "./route";
import { end, type Scope, type Session, useSession } from "./session";

const BatchPage = lazy(() => import("./pages/batch"));
const Batches = lazy(() => import("./pages/batches"));
const MessagePage = lazy(() => import("./pages/message"));
const Send = lazy(() => import("./pages/send"));
const Usage = lazy(() => import("./pages/usage"));
const Vendors = lazy(() => import("./pages/vendors"));
const WebhookPage = lazy(() => import("./pages/webhook"));
const Webhooks = lazy(() => import("./pages/webhooks"));

interface View {
  name: string;
  title: string;
  scope: Scope;
  live?: true; // not for a test key
  show: (route: Route, session: Session) => ReactNode;
}

const VIEWS: View[] = [
  {
    name: "messages",
    title: "Messages",
    scope: "messages:read",
    show: ({ path: [, id], query }, { scopes }) =>
      id ? (
        <MessagePage key={id} id={id} maySend={scopes.includes("messages:send")} />
      ) : (
        <Messages query={query} />
      ),
  },
  {
    name: "batches",
    title: "Batches and campaigns",
    scope: "messages:read",
    show: ({ path: [, id] }) => (id ? <BatchPage key={id} id={id} /> : <Batches />),
  },
  {
    name: "send",
    title: "Send",
    scope: "messages:send",
    show: (_, { scopes }) => <Send mayRead={scopes.includes("messages:read")} />,
  },
  {
    name: "usage",
    title: "Usage",
    scope: "messages:read",
    live: true,
    show: () => <Usage />,
  },
  {
    name: "vendors",
    title: "Vendors",
    scope: "balances:read",
    show: () => <Vendors />,
  },
  {
    name: "webhooks",
    title: "Webhooks",
    scope: "webhooks:manage",
    show: ({ path: [, id], query }) =>
      id ? <WebhookPage key={id} id={id} query={query} /> : <Webhooks />,
  },
];
const REFERENCE: SideNavigationProps.Item[] = [
  { type: "divider" },
  { type: "link", text: "API reference", href: "docs.html" },
];

export function App() {
  const session = useSession();
  const route = useRoute();
  const allowed = VIEWS.filter(
    ({ scope, live }) => session?.scopes.includes(scope) && !(live && session.test),
  );
  const name = route.path[0] ?? allowed[0]?.name ?? "";
  const title = allowed.find((view) => view.name === name)?.title;
  useEffect(() => {
    document.title = title ? `${title} · SMS gateway` : "SMS gateway";
  }, [title]);
  if (!session) return <main><SignIn /></main>;
  const links = allowed.map(({ name: to, title: text }) => ({
    type: "link" as const,
    text,
    href: href([to]),
  }));
  return (
    <>
      <div id="top">
        <TopNavigation
          identity={{ href: "#/", title: "SMS gateway" }}
          utilities={[
            {
              type: "menu-dropdown",
              text: session.test ? `${session.tenant} (test)` : session.tenant,
              description: `Key ${session.id}${ending(session)}`,
              iconName: "user-profile",
              items: [{ id: "out", text: "Sign out" }],
              onItemClick: () => end(),
            },
          ]}
        />
      </div>
      <AppLayout
        headerSelector="#top"
        toolsHide
        navigation={
          <SideNavigation activeHref={href([name])} items={[...links, ...REFERENCE]} />
        }
        content={
          <Changed key={route.path.join("/")}>
            <Suspense fallback={<Loading />}>
              <Content name={name} route={route} session={session} />
            </Suspense>
          </Changed>
        }
      />
    </>
  );
}

function ending({ expires_at: at }: Session): string {
  if (!at) return "";
  const shown = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  return `, until ${shown.format(new Date(at))}`;
}

function Content({ name, route, session }: { name: string; route: Route; session: Session }) {
  const view = VIEWS.find((one) => one.name === name);
  if (view && session.scopes.includes(view.scope)) return <>{view.show(route, session)}</>;
  if (view) {
    return (
      <SpaceBetween size="l">
        <Header variant="h1">{view.title}</Header>
        <Alert type="warning" header="Your key may not see this">
          It needs the scope {view.scope}. Ask the gateway's operator for another key.
        </Alert>
      </SpaceBetween>
    );
  }
  return (
    <SpaceBetween size="l">
      <Header variant="h1">{name ? "There is no such page" : "Nothing to show"}</Header>
      <Box>
        {name
          ? "Choose another on the left."
          : "There is no page here for any of your key's scopes."}
      </Box>
    </SpaceBetween>
  );
}
