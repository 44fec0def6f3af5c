/** What is shown where a page of the console can't be loaded, as after an upgrade of the gateway. */
import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import { Component, type ReactNode } from "react";

export class Changed extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    if (!this.state.failed) return this.props.children;
    return (
      <Alert
        type="error"
        header="This page can't be shown"
        action={<Button onClick={() => window.location.reload()}>Load again</Button>}
      >
        The console may have changed since you opened it, or the gateway can't be reached.
      </Alert>
    );
  }
}
