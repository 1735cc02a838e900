import type { Evaluation, TextEvaluation } from "@portolan/evaluation/contract";
import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { ComputeProfile, ModelVersion, VersionRecord } from "@portolan/registry/contract";
import { gatesText, metricsText } from "../commands/evaluation-text.ts";
import { onOneLine, table } from "../output.ts";
import { sizeText } from "../size-text.ts";

/** What control knows of a version, for people and for machines. */
export interface ShownVersion extends ModelVersion, Pick<VersionRecord, "decisions" | "deployments"> {
  readonly evaluations: readonly Evaluation[];
  readonly textEvaluations: readonly TextEvaluation[];
  /** Null until it is measured. */
  readonly compute: { readonly profile: ComputeProfile } | null;
  /** Null until it is made. */
  readonly reference: { readonly columns: number; readonly data: { readonly rows: number } } | null;
}

/** Deployments, decisions and evaluations: so many, the newest first. */
const shownEach = 10;

/** A version as people read it: what it is, what it was made of, how it did, who decided what, where it serves. Pure. */
export function versionText(version: ShownVersion): string {
  return [
    headText(version),
    section("made of", fields(lineageRows(version))),
    ...evaluationsText(version),
    section("what it takes of a machine", computeText(version.compute)),
    section("reference profile", referenceText(version.reference)),
    ...decisionsText(version.decisions),
    ...deploymentsText(version.deployments),
    "All of it, configurations and bins too: --json",
  ].join("\n\n");
}

function headText(version: ShownVersion): string {
  const { model, signature, stages, artifact, sizeBytes, signingKeyId, createdBy } = version;
  const tensors = (specs: ModelVersion["signature"]["inputs"]): string =>
    specs.map(({ name, datatype, shape }) => `${name} ${datatype} [${shape.join(", ")}]`).join(", ") ||
    "text";
  return fields([
    [`${model} version ${version.version}`, version.id],
    ["promoted in", stages.join(", ") || "nowhere"],
    ["artifact", `${artifact}, ${sizeText(sizeBytes)}`],
    ["signed", `${time(version.signedAt)} with ${signingKeyId}, for ${createdBy}`],
    ["takes", tensors(signature.inputs)],
    ["gives", tensors(signature.outputs)],
  ]);
}

type Field = readonly [string, string | undefined];

function lineageRows({ lineage, useCaseId }: ShownVersion): Field[] {
  const { upstream, features, trainingRunId, trainingSetId, data, charterId, charterDigest } = lineage;
  return [
    ["origin", upstream ? `served elsewhere: ${upstream.protocol}, ${upstream.owner}` : lineage.origin],
    ["use case", useCaseId],
    ["charter", charterId && `${charterId}, ${charterDigest ?? "no digest"}`],
    ["training run", trainingRunId],
    ["training set", trainingSetId && `${trainingSetId}, ${data ?? "no digest"}`],
    ["data class", lineage.dataClass],
    ["made from", lineage.base],
    ["code", lineage.code],
    ["parameters", lineage.params],
    ["environment", lineage.environmentLock],
    ["seed", lineage.seed?.toString()],
    ["features", features?.map(({ view }) => view).join(", ")],
    ["prompt", lineage.prompt],
    ["source", lineage.source],
  ];
}

function evaluationsText({ evaluations, textEvaluations }: ShownVersion): string[] {
  const all = [
    ...evaluations.map((one) => ({
      ...one,
      found: metricsText(one.metrics),
      of: `${one.metrics.rows} rows`,
    })),
    ...textEvaluations.map((one) => ({
      ...one,
      found: `${one.metrics.passed} of ${one.metrics.cases} cases passed`,
      of: `${one.metrics.cases} cases`,
    })),
  ].toSorted((a, b) => b.createdAt - a.createdAt);
  if (all.length === 0) return [section("evaluations", "none")];
  const [newest] = all;
  const told = newest
    ? `${time(newest.createdAt)}, ${newest.of}, held out: ${newest.heldOut.because}\n\n${newest.found}\n\n${gatesText(newest.gates)}`
    : "";
  return [section(all.length === 1 ? "evaluation" : `newest of ${all.length} evaluations`, told)];
}

function computeText(compute: ShownVersion["compute"]): string {
  if (!compute) return "not measured yet";
  const { single, batches, memory, machine, runtime } = compute.profile;
  const rows = batches.map((one) => `${one.rows} in ${millis(one.micros)}`).join(", ");
  return fields([
    [
      "one row",
      `p50 ${millis(single.p50Micros)}, p95 ${millis(single.p95Micros)}, ${millis(single.cpuMicros)} of a processor`,
    ],
    ["rows in a run", rows],
    [
      "memory",
      `${sizeText(memory.loadedBytes)} loaded; the process held ${sizeText(memory.peakBytes)} at most`,
    ],
    ["measured on", `${machine.cpu}, ${machine.cores} cores, load ${machine.loadAverage}, ${runtime}`],
  ]);
}

function referenceText(reference: ShownVersion["reference"]): string {
  return reference
    ? `${counted(reference.columns, "column")} of ${reference.data.rows} rows`
    : "none yet: portolan model profile";
}

function decisionsText(decisions: ShownVersion["decisions"]): string[] {
  if (decisions.length === 0) return [];
  const rows = newestFirst(decisions, ({ decidedAt }) => decidedAt).map((one) => [
    time(one.decidedAt),
    one.kind,
    one.environment,
    one.outcome,
    one.requestedBy,
    `${one.approvals.length} of ${one.approvalsNeeded}: ${one.approvals.map(({ by }) => by).join(", ")}`,
  ]);
  const header = ["decided", "what", "environment", "outcome", "asked for by", "approved by"];
  return [section(titleOf("decisions", decisions.length), table(header, rows))];
}

function deploymentsText(deployments: ShownVersion["deployments"]): string[] {
  if (deployments.length === 0) return [];
  const rows = newestFirst(deployments, ({ deployedAt }) => deployedAt).map((one) => [
    time(one.deployedAt),
    `${one.environment}/${one.endpoint}`,
    one.role,
    one.deployedBy,
    one.digest.slice(0, 19),
  ]);
  const header = ["deployed", "endpoint", "as", "by", "configuration"];
  return [section(titleOf("deployments", deployments.length), table(header, rows))];
}

function newestFirst<T>(all: readonly T[], at: (one: T) => number): T[] {
  return all.toSorted((a, b) => at(b) - at(a)).slice(0, shownEach);
}

function titleOf(what: string, count: number): string {
  return count > shownEach ? `${what} (the newest ${shownEach} of ${count})` : what;
}

function section(title: string, text: string): string {
  return `${title}\n${text.replaceAll(/^(?=.)/gm, "  ")}`;
}

/** Name and value, a line each; what has no value is left out. */
function fields(rows: readonly Field[]): string {
  const known = rows.filter(([, value]) => value !== undefined && value !== "");
  const width = Math.max(...known.map(([name]) => name.length));
  return known.map(([name, value]) => `${name.padEnd(width)}  ${onOneLine(value ?? "")}`).join("\n");
}

function time(micros: number): string {
  return formatInstant(asEpochMicros(micros));
}

function millis(micros: number): string {
  return `${micros / 1000} ms`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
