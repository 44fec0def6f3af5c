import Alert from "@cloudscape-design/components/alert";
import AppLayout from "@cloudscape-design/components/app-layout";
import SideNavigation from "@cloudscape-design/components/side-navigation";
import TopNavigation from "@cloudscape-design/components/top-navigation";
import type { ReactNode } from "react";

import { MessagePage } from "./pages/message";
import { Messages } from "./pages/messages";
import { Send } from "./pages/send";
import { SignIn } from "./pages/sign_in";
import { href, type Route, useRoute } from "./route";
import { end, type Scope, type Session, useSession } from "./session";

interface View {
  name: string;
  title: string;
  scope: Scope;
  show: (route: Route, session: Session) => ReactNode;
}

const VIEWS: View[] = [
  {
    name: "messages",
    title: "Messages",
    scope: "messages:read",
    show: ({ path: [, id], query }, session) =>
      id ? (
        <MessagePage key={id} id={id} maySend={session.scopes.includes("messages:send")} />
      ) : (
        <Messages query={query} />
      ),
  },
  {
    name: "send",
    title: "Send",
    scope: "messages:send",
    show: (_, session) => <Send mayRead={session.scopes.includes("messages:read")} />,
  },
];

export function App() {
  const session = useSession();
  const route = useRoute();
  if (!session) return <main><SignIn /></main>;
  const allowed = VIEWS.filter((view) => session.scopes.includes(view.scope));
  const name = route.path[0] ?? allowed[0]?.name ?? "";
  return (
    <>
      <div id="top">
        <TopNavigation
          identity={{ href: "#/", title: "SMS gateway" }}
          utilities={[{ type: "button", text: "Sign out", onClick: () => end() }]}
        />
      </div>
      <AppLayout
        headerSelector="#top"
        toolsHide
        navigation={
          <SideNavigation
            activeHref={href([name])}
            items={allowed.map(({ name: to, title }) => ({
              type: "link",
              text: title,
              href: href([to]),
            }))}
          />
        }
        content={<Content name={name} route={route} session={session} />}
      />
    </>
  );
}

function Content({ name, route, session }: { name: string; route: Route; session: Session }) {
  const view = VIEWS.find((one) => one.name === name);
  if (view && session.scopes.includes(view.scope)) return <>{view.show(route, session)}</>;
  if (view) {
    return (
      <Alert type="warning" header="Your key may not see this">
        It needs the scope {view.scope}. Ask the gateway's operator for another key.
      </Alert>
    );
  }
  return (
    <Alert type="info" header={name ? "There is no such page" : "Nothing to show"}>
      {name ? "Choose another on the left." : "Your key's scopes have no page here."}
    </Alert>
  );
}
