/** A campaign's file on its way to the link that takes it. */
import type { components } from "./contract";
import type { Problem } from "./api";

export type Upload = components["schemas"]["MadeCampaign"]["upload"];

const WHY: Record<number, [string, string]> = {
  0: [
    "The file did not arrive",
    "The connection broke off. Nothing was sent, and nothing half done is left: try again.",
  ],
  403: [
    "The link is over",
    "It lasts an hour and takes the file only as it was chosen. Nothing was sent: choose the file again.",
  ],
  412: ["The campaign has a file already", "It keeps that one: open it in the list of campaigns."],
};

/** Put a file; `moved` gets how many per cent have left. Throws a Problem. */
export function put(file: File, upload: Upload, moved: (percent: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    // This reports how far it is, which fetch does not.
    const request = new XMLHttpRequest();
    const failed = () => reject(problemOf(request.status));
    request.open(upload.method, upload.url);
    for (const [name, value] of Object.entries(upload.headers)) {
      request.setRequestHeader(name, value);
    }
    request.upload.onprogress = ({ loaded, total }) => moved(Math.floor((loaded * 100) / total));
    request.onload = () => (request.status === 200 ? resolve() : failed());
    request.onerror = failed;
    request.onabort = failed;
    request.send(file.slice(0, file.size, "text/csv"));
  });
}

function problemOf(status: number): Problem {
  const [title, detail] = WHY[status] ?? [
    "The file was not taken",
    `The store answered with status ${status}. Nothing was sent: try again later.`,
  ];
  return { status: status === 403 ? 409 : status, title, detail, request: "" };
}
