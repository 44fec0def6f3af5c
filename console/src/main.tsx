import "./page.css";

import { I18nProvider } from "@cloudscape-design/components/i18n";
import messages from "@cloudscape-design/components/i18n/messages/all.en";
import { applyMode, Mode } from "@cloudscape-design/global-styles";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./app";
import { takeLinkedKey } from "./session";

takeLinkedKey();
window.addEventListener("hashchange", takeLinkedKey);

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => applyMode(dark.matches ? Mode.Dark : Mode.Light);
dark.addEventListener("change", follow);
follow();

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <I18nProvider locale="en" messages={[messages]}>
        <App />
      </I18nProvider>
    </StrictMode>,
  );
}
