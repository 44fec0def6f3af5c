import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FileUpload from "@cloudscape-design/components/file-upload";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Link from "@cloudscape-design/components/link";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { type FormEvent, useEffect, useState } from "react";

import { api, type Problem, read } from "../api";
import type { components } from "../contract";
import { ProblemAlert } from "../parts";
import { go, href } from "../route";
import { put } from "../upload";

type Category = components["schemas"]["Category"];

const CATEGORIES: { value: Category; label: string }[] = [
  { value: "promotional", label: "Promotional" },
  { value: "transactional", label: "Transactional" },
];
const LONGEST_NAME = 100;

export default function NewCampaign() {
  const [files, setFiles] = useState<File[]>([]);
  const [name, setName] = useState("");
  const [category, setCategory] = useState(CATEGORIES[0]!);
  const [pace, setPace] = useState("");
  const [refused, setRefused] = useState("20");
  const [sent, setSent] = useState<number | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const uploading = sent !== null;

  useEffect(() => {
    if (!uploading) return;
    // The browser asks, in its own words, before what is under way is lost.
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [uploading]);

  function choose(chosen: File[]) {
    setFiles(chosen);
    setProblem(null);
    if (chosen[0] && !name) setName(chosen[0].name.slice(0, LONGEST_NAME));
  }

  async function make(event: FormEvent) {
    event.preventDefault();
    const [file] = files;
    if (!file) return;
    setProblem(null);
    setSent(0);
    const body = {
      name: name.trim(),
      size: file.size,
      defaults: { category: category.value },
      pace: Number(pace) || null,
      stop_if: Number(refused) ? { refused_percent: Number(refused) } : null,
    };
    try {
      const made = await read(api.POST("/campaigns", { body }));
      await put(file, made.upload, setSent);
      go(href(["campaigns", made.id]));
    } catch (thrown) {
      setProblem(thrown as Problem);
      setSent(null);
    }
  }

  return (
    <SpaceBetween size="l">
      <Link href={href(["campaigns"])}>All campaigns</Link>
      <Header variant="h1" description="Nothing is sent until you start it on the next page.">
        New campaign
      </Header>
      <form onSubmit={make}>
        <Form
          actions={
            <Button
              variant="primary"
              formAction="submit"
              loading={uploading}
              disabled={!files.length || !name.trim()}
            >
              Upload and check
            </Button>
          }
        >
          <Container>
            <SpaceBetween size="m">
              {problem && <ProblemAlert problem={problem} />}
              <FormField
                label="File"
                description="A CSV in UTF-8 with the columns to, and text or template; up to 512 MB."
              >
                <FileUpload
                  value={files}
                  accept=".csv,text/csv"
                  onChange={({ detail }) => choose(detail.value)}
                  showFileSize
                  i18nStrings={{
                    uploadButtonText: () => "Choose file",
                    dropzoneText: () => "Drop the file here",
                    removeFileAriaLabel: () => "Remove the file",
                    limitShowFewer: "Show fewer",
                    limitShowMore: "Show more",
                    errorIconAriaLabel: "Error",
                  }}
                />
              </FormField>
              <FormField label="Name" description="For you and your colleagues.">
                <Input value={name} onChange={({ detail }) => setName(detail.value)} />
              </FormField>
              <FormField label="Category">
                <Select
                  selectedOption={category}
                  options={CATEGORIES}
                  onChange={({ detail }) =>
                    setCategory(detail.selectedOption as (typeof CATEGORIES)[number])
                  }
                />
              </FormField>
              <FormField label="Rows a minute" description="Empty: as fast as the vendors take them.">
                <Input
                  inputMode="numeric"
                  type="number"
                  value={pace}
                  onChange={({ detail }) => setPace(detail.value)}
                />
              </FormField>
              <FormField
                label="Pause when so many per cent are refused"
                description="Of at least 100 rows. Empty: never."
              >
                <Input
                  inputMode="numeric"
                  type="number"
                  value={refused}
                  onChange={({ detail }) => setRefused(detail.value)}
                />
              </FormField>
              {uploading && (
                <ProgressBar
                  value={sent}
                  label="Upload"
                  description="Keep this page open: if it is closed now, nothing is kept or sent."
                />
              )}
              {!uploading && (
                <Box color="text-body-secondary">
                  Each row is checked first. You see what would be sent, and what it costs.
                </Box>
              )}
            </SpaceBetween>
          </Container>
        </Form>
      </form>
    </SpaceBetween>
  );
}
