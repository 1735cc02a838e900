import { isPortolanError } from "@portolan/kernel";
import type { VersionRecord } from "@portolan/registry/contract";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { versionPath } from "../client/version-path.ts";
import { connect } from "../context.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { promptText } from "../provenance/prompt-file.ts";
import {
  type Change,
  type MetricChange,
  type VersionDiff,
  type VersionToDiff,
  versionDiff,
} from "../provenance/version-diff.ts";

export function registerDiff(model: Command, contextOf: ContextOf): void {
  model
    .command("diff <name> <before> <after>")
    .description(
      "What changed from one version to another: data, features, code, prompt, parameters, environment, metrics, evaluation, signature, and how endpoints serve them",
    )
    .addHelpText("after", "\nExample:\n  portolan model diff flight-delays 1 2 --json")
    .action(async (name: string, before: string, after: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const [a, b] = [await toDiff(api, name, before), await toDiff(api, name, after)];
      const diff = versionDiff(a, b);
      const versions = { model: name, before: Number(before), after: Number(after) };
      context.output.result({ ...versions, diff }, describe(`${name} ${before} → ${after}`, diff));
    });
}

async function toDiff(api: ApiClient, name: string, version: string): Promise<VersionToDiff> {
  const record = await api.json<VersionRecord>({ path: `${versionPath(name, version)}/record` });
  const { code, prompt } = record.version.lineage;
  const text = code === undefined ? undefined : await textOf(api, code);
  const said = prompt === undefined ? undefined : await textOf(api, prompt);
  const shown = said === undefined ? undefined : promptText(new TextEncoder().encode(said));
  return {
    record,
    ...(text === undefined ? {} : { code: text }),
    ...(shown === undefined ? {} : { prompt: shown }),
  };
}

/** @returns `undefined` for bytes that the caller may not read, that are gone, or that are no text: the digests differ all the same */
async function textOf(api: ApiClient, digest: string): Promise<string | undefined> {
  try {
    const bytes = await api.bytes({ path: `/v1/artifacts/${digest}` });
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError || (isPortolanError(error) && unreadable.has(error.code)))
      return undefined;
    throw error;
  }
}

const unreadable: ReadonlySet<string> = new Set([
  "registry.artifact_not_found",
  "data.access_denied",
  "identity.forbidden",
]);

const titles = {
  model: "Model and signature",
  data: "Data",
  features: "Features",
  code: "Code",
  prompt: "Prompt",
  params: "Parameters",
  environment: "Environment",
  evaluation: "Evaluation",
  charter: "Charter",
  serving: "Serving",
} as const;

function describe(head: string, diff: VersionDiff): string {
  const parts = (Object.keys(titles) as (keyof typeof titles)[]).flatMap((part) => {
    const found = [...changesText(diff[part]), ...linesOf(diff, part)];
    return found.length === 0 ? [] : [[titles[part], ...found].join("\n")];
  });
  const metrics = metricsText(diff.metrics);
  if (parts.length === 0 && metrics.length === 0) return `${head}: nothing on record differs.`;
  return [head, ...parts, ...(metrics.length === 0 ? [] : [["Metrics", ...metrics].join("\n")])].join("\n\n");
}

function linesOf(diff: VersionDiff, part: keyof typeof titles): readonly string[] {
  if (part === "code") return diff.codeLines;
  return part === "prompt" ? diff.promptLines : [];
}

function changesText(changes: readonly Change[]): string[] {
  if (changes.length === 0) return [];
  const rows = changes.map(({ what, before, after }) => [what, before ?? "-", after ?? "-"]);
  return [table(["what", "before", "after"], rows)];
}

/** All of them, equal ones too: whoever compares versions compares these. */
function metricsText(metrics: readonly MetricChange[]): string[] {
  if (metrics.length === 0) return [];
  const rows = metrics.map(({ metric, before, after }) => [
    metric,
    measuredText(before),
    measuredText(after),
  ]);
  return [table(["metric", "before", "after"], rows)];
}

function measuredText(measured: MetricChange["before"]): string {
  if (!measured) return "-";
  const { value, interval } = measured;
  const digits = (figure: number) => String(Number(figure.toPrecision(6)));
  if (!interval) return digits(value);
  return `${digits(value)} [${digits(interval.low)}, ${digits(interval.high)}]`;
}
