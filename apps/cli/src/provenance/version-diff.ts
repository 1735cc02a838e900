import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { EvaluationFacts, LockedPackage, VersionRecord } from "@portolan/registry/contract";
import { unifiedDiff } from "../client/line-diff.ts";

/** A value that differs; a side that has none is absent. */
export interface Change {
  readonly what: string;
  readonly before?: string;
  readonly after?: string;
}

/** One metric of the newest evaluation of each version. */
export interface MetricChange {
  readonly metric: string;
  readonly before?: Measured;
  readonly after?: Measured;
}
type Measured = Omit<EvaluationFacts["metrics"][number], "name">;

export interface VersionDiff {
  readonly model: readonly Change[];
  readonly data: readonly Change[];
  readonly features: readonly Change[];
  readonly code: readonly Change[];
  /** Unified, without a head; empty where the programs are equal, longer than 2,000 lines, or may not be read. */
  readonly codeLines: readonly string[];
  readonly prompt: readonly Change[];
  /** Unified, of the prompts as people read them; empty where they are equal, or one of them may not be read. */
  readonly promptLines: readonly string[];
  readonly params: readonly Change[];
  readonly environment: readonly Change[];
  readonly evaluation: readonly Change[];
  readonly metrics: readonly MetricChange[];
  readonly charter: readonly Change[];
  /** By endpoint, of the newest deployment of each version: who got it, and what of the configuration differs. */
  readonly serving: readonly Change[];
}

export interface VersionToDiff {
  readonly record: VersionRecord;
  /** Text of its program; absent when there is none, or it is no text, or the caller may not read it. */
  readonly code?: string;
  /** Text of its prompt; absent when there is none, or the caller may not read it. */
  readonly prompt?: string;
}

/** What changed from one version of a model to another. Pure. */
export function versionDiff(before: VersionToDiff, after: VersionToDiff): VersionDiff {
  const [a, b] = [before.record, after.record];
  const compare = (valuesOf: (record: VersionRecord) => Values) => changes(valuesOf(a), valuesOf(b));
  return {
    model: compare(modelValues),
    data: compare(dataValues),
    features: compare(featureValues),
    code: compare(({ version }) => ({ code: version.lineage.code })),
    codeLines:
      before.code === undefined || after.code === undefined ? [] : unifiedDiff(before.code, after.code),
    prompt: compare(({ version }) => ({ prompt: version.lineage.prompt })),
    promptLines: promptLines(before, after),
    // Apart, since a parameter may have any name.
    params: [...compare(paramValues), ...compare(({ training }) => ({ "seed of the run": training?.seed }))],
    environment: compare(environmentValues),
    evaluation: compare(evaluationValues),
    metrics: metricChanges(a.evaluations[0], b.evaluations[0]),
    charter: compare(({ charter }) => ({
      charter: charter && `version ${charter.version}, ${charter.digest}`,
    })),
    serving: servingChanges(a, b),
  };
}

/** A version without a prompt has an empty one; one that may not be read is held against nothing. */
function promptLines(before: VersionToDiff, after: VersionToDiff): string[] {
  const textOf = ({ record, prompt }: VersionToDiff) =>
    record.version.lineage.prompt === undefined ? "" : prompt;
  const [a, b] = [textOf(before), textOf(after)];
  return a === undefined || b === undefined ? [] : unifiedDiff(a, b);
}

type Values = Readonly<Record<string, string | number | boolean | undefined>>;

function changes(before: Values, after: Values): Change[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((what) => {
    const [a, b] = [before[what], after[what]];
    if (a === b) return [];
    return [
      {
        what,
        ...(a === undefined ? {} : { before: String(a) }),
        ...(b === undefined ? {} : { after: String(b) }),
      },
    ];
  });
}

function modelValues({ version }: VersionRecord): Values {
  const { artifact, sizeBytes, signature, lineage, signingKeyId } = version;
  const tensors = (which: "inputs" | "outputs") =>
    signature[which].map(({ name, datatype, shape }) => [
      `${which === "inputs" ? "input" : "output"} ${name}`,
      `${datatype}[${shape.join(",")}]`,
    ]);
  return {
    artifact,
    "size in bytes": sizeBytes,
    origin: lineage.origin,
    source: lineage.source,
    "signing key": signingKeyId,
    ...Object.fromEntries([...tensors("inputs"), ...tensors("outputs")]),
    ...Object.fromEntries(
      Object.entries(lineage.upstream ?? {}).map(([name, value]) => [`upstream ${name}`, String(value)]),
    ),
  };
}

function dataValues({ version, trainingSet }: VersionRecord): Values {
  const { lineage } = version;
  return {
    data: lineage.data,
    "made from model": lineage.base,
    "data class": lineage.dataClass,
    "training set": lineage.trainingSetId,
    contract: trainingSet?.contract,
    dataset: trainingSet?.dataset,
    "dataset id": trainingSet?.datasetId,
    "first moment": trainingSet && instant(trainingSet.from),
    "moment after the last": trainingSet && instant(trainingSet.to),
    rows: trainingSet?.rows,
  };
}

function featureValues({ trainingSet }: VersionRecord): Values {
  if (!trainingSet) return {};
  const { features, views, label, baseline, definition } = trainingSet;
  // One view may be there in two versions.
  const viewValues = new Map<string, string>();
  for (const { view, digest, log } of views) {
    const name = `view ${view.replace(/@.*$/, "")}`;
    const text = `${view} ${digest}${log ? `, log ${log.digest} to ${log.lastSequence}` : ""}`;
    const before = viewValues.get(name);
    viewValues.set(name, before === undefined ? text : `${before}; ${text}`);
  }
  return {
    definition,
    label,
    baseline,
    ...Object.fromEntries(viewValues),
    ...Object.fromEntries(features.map((feature, index) => [`feature ${feature}`, `column ${index + 1}`])),
  };
}

function paramValues({ training }: VersionRecord): Values {
  return training?.params ?? {};
}

function environmentValues({ training, packages }: VersionRecord): Values {
  if (!training) return {};
  const { environmentLock, python, isolation, networkBlocked } = training;
  return {
    lock: environmentLock,
    python,
    isolation,
    "network blocked": networkBlocked,
    ...Object.fromEntries(packages.map((one) => [packageName(one), packageText(one)])),
  };
}

function packageName({ name, marker }: LockedPackage): string {
  return `package ${name.toLowerCase()}${marker === undefined ? "" : ` (${marker})`}`;
}

/** The version, and which files of it: the same version from other files is another package. */
function packageText({ version, hashes }: LockedPackage): string {
  return `${version} (${hashes
    .toSorted()
    .map((hash) => hash.slice(0, 8))
    .join(", ")})`;
}

function evaluationValues({ evaluations: [newest] }: VersionRecord): Values {
  if (!newest) return {};
  const { setId, set, examples, heldOut, gates } = newest;
  return {
    "evaluation set": setId,
    rows: set,
    examples,
    "held out": heldOut.shown,
    ...Object.fromEntries(
      gates.map(({ gate, passed, observed, required }) => [
        `gate ${gate}`,
        `${passed ? "passed" : "failed"}, observed ${observed}, required ${required}`,
      ]),
    ),
  };
}

type Deployment = VersionRecord["deployments"][number];

/** The newest deployment of each endpoint, by its name and environment. */
function newestByPlace({ deployments }: VersionRecord): Map<string, Deployment> {
  return new Map(
    deployments.toReversed().map((one) => [`${one.endpoint} in ${one.environment}`, one] as const),
  );
}

/** Member by member where both versions were served at the same endpoint, else by digest alone. */
function servingChanges(before: VersionRecord, after: VersionRecord): Change[] {
  const [a, b] = [newestByPlace(before), newestByPlace(after)];
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((place) => {
    const [was, is] = [a.get(place), b.get(place)];
    const whole = changes({ [place]: deploymentText(was) }, { [place]: deploymentText(is) });
    if (!was || !is) return whole;
    const prefixed = (one: Deployment) =>
      Object.fromEntries(leavesOf(one.config).map(([path, value]) => [`${place}: ${path}`, value]));
    return [...whole, ...changes(prefixed(was), prefixed(is))];
  });
}

function deploymentText(deployment: Deployment | undefined): string | undefined {
  return deployment && `${deployment.role}, ${deployment.digest}`;
}

/** The values of a configuration by their paths; a list is one value. */
function leavesOf(value: unknown, path = ""): [string, string][] {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return [[path, JSON.stringify(value)]];
  return Object.entries(value).flatMap(([name, inner]) =>
    leavesOf(inner, path === "" ? name : `${path}.${name}`),
  );
}

function metricChanges(
  before: EvaluationFacts | undefined,
  after: EvaluationFacts | undefined,
): MetricChange[] {
  const byName = (facts: EvaluationFacts | undefined) =>
    new Map((facts?.metrics ?? []).map(({ name, ...measured }) => [name, measured]));
  const [a, b] = [byName(before), byName(after)];
  return [...new Set([...a.keys(), ...b.keys()])].map((metric) => {
    const [was, is] = [a.get(metric), b.get(metric)];
    return { metric, ...(was ? { before: was } : {}), ...(is ? { after: is } : {}) };
  });
}

function instant(micros: number): string {
  return formatInstant(asEpochMicros(micros));
}
