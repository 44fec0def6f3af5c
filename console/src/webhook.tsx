/** What both pages about webhooks share. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import StatusIndicator, {
  type StatusIndicatorProps,
} from "@cloudscape-design/components/status-indicator";
import type { ReactNode } from "react";

import type { Webhook } from "./api";
import { Written } from "./parts";

const KINDS: Record<Webhook["state"], StatusIndicatorProps.Type> = {
  pending: "pending",
  active: "success",
  disabled: "stopped",
};

export function WebhookMark({ webhook }: { webhook: Webhook }) {
  return (
    <>
      <StatusIndicator type={KINDS[webhook.state] ?? "info"}>{webhook.state}</StatusIndicator>
      {webhook.disabled_reason && (
        <Box color="text-body-secondary">
          <Written>{webhook.disabled_reason}</Written>
        </Box>
      )}
    </>
  );
}

interface SecretProps {
  secret: string;
  onKept: () => void;
  children: ReactNode;
}

/** A secret that the gateway shows this once. */
export function Secret({ secret, onKept, children }: SecretProps) {
  return (
    <Alert
      type="success"
      dismissible
      dismissAriaLabel="The secret is kept"
      onDismiss={onKept}
      header="Keep this secret now: it is shown this once"
    >
      <CopyToClipboard
        variant="inline"
        textToCopy={secret}
        copyButtonAriaLabel="Copy the secret"
        copySuccessText="Copied"
        copyErrorText="It could not be copied: select it."
      />
      <Box color="inherit">{children}</Box>
    </Alert>
  );
}
