import { type JsonObject, type JsonValue, parseInstant } from "@portolan/kernel";
import { Value } from "@portolan/typebox";
import type { DeclaredStage, Parameters, PipelineDefinition } from "../definition.ts";
import { type Stage, type StageKind, stageKinds, stageSchemas } from "../stages.ts";
import { readCron } from "./cron.ts";

/** Something that keeps a pipeline from being run, at its place in the definition (JSON pointer). */
export interface DefinitionFinding {
  readonly pointer: string;
  readonly detail: string;
  readonly mend?: string;
}

export type BoundStages =
  | { readonly kind: "bound"; readonly stages: readonly Stage[] }
  | { readonly kind: "unusable"; readonly findings: readonly DefinitionFinding[] };

/**
 * The stages with the values of their parameters, and all that keeps them from being run. Pure.
 * @param given what a run says otherwise; it may name parameters of the definition only
 */
export function bindStages(definition: PipelineDefinition, given: Parameters = {}): BoundStages {
  const known = definition.parameters ?? {};
  const findings: DefinitionFinding[] = unknownParameters(known, given);
  const values = { ...known, ...given };
  const stages: Stage[] = [];
  for (const [at, declared] of definition.stages.entries()) {
    const bound = bindStage(declared, values, `/stages/${at}`, findings);
    if (bound) stages.push(bound);
  }
  findings.push(...orderFindings(definition.stages));
  const cron = definition.schedule && readCron(definition.schedule.cron);
  if (cron?.kind === "unreadable")
    findings.push({
      pointer: "/schedule/cron",
      detail: `the schedule cannot be read: ${cron.because}`,
      mend: "Write minute, hour, day of the month, month and day of the week, e.g. 15 3 * * 1.",
    });
  return findings.length === 0 ? { kind: "bound", stages } : { kind: "unusable", findings };
}

function unknownParameters(known: Parameters, given: Parameters): DefinitionFinding[] {
  return Object.keys(given)
    .filter((name) => !Object.hasOwn(known, name))
    .map((name) => ({
      pointer: "/parameters",
      detail: `the pipeline has no parameter ${name}`,
      mend: `It has ${Object.keys(known).join(", ") || "none"}.`,
    }));
}

function bindStage(
  declared: DeclaredStage,
  values: Parameters,
  pointer: string,
  findings: DefinitionFinding[],
): Stage | undefined {
  const before = findings.length;
  const value = withInstants(substitute(declared as JsonValue, values, pointer, findings));
  if (findings.length > before) return undefined;
  const schema = stageSchemas[declared.kind];
  if (Value.Check(schema, value)) return value;
  for (const { instancePath, message, keyword, params } of Value.Errors(schema, value)) {
    // The same key is told twice, once as a value that may not be.
    if (keyword === "boolean") continue;
    const extra = "additionalProperties" in params ? `: ${String(params.additionalProperties)}` : "";
    findings.push({
      pointer: `${pointer}${instancePath}`,
      detail: `the stage ${declared.kind} ${message}${extra}`,
      mend: "See docs/pipelines.md for its members.",
    });
  }
  return undefined;
}

/** With the span of rows in microseconds where it is written as RFC 3339. */
function withInstants(stage: JsonValue): JsonValue {
  if (!isObject(stage) || stage["kind"] !== "prepare") return stage;
  const sets = ["trainingSet", "heldOut"].flatMap((name) => {
    const set = stage[name];
    return isObject(set) ? [[name, { ...set, ...instantsOf(set) }] as const] : [];
  });
  return { ...stage, ...Object.fromEntries(sets) };
}

function instantsOf(set: JsonObject): JsonObject {
  const found = ["from", "to"].flatMap((name) => {
    const text = set[name];
    if (typeof text !== "string" || !/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(text)) return [];
    return [[name, parseInstant(text)] as const];
  });
  return Object.fromEntries(found);
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const wholeReference = /^\$\{([a-zA-Z][a-zA-Z0-9_]*)\}$/;

/** With each text that is `${name}` in place of which the parameter's value stands, of whatever type it is. */
function substitute(
  value: JsonValue,
  values: Parameters,
  pointer: string,
  findings: DefinitionFinding[],
): JsonValue {
  if (typeof value === "string") return substituteText(value, values, pointer, findings);
  if (Array.isArray(value))
    return value.map((one: JsonValue, at) => substitute(one, values, `${pointer}/${at}`, findings));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, member]) => {
      if (member === undefined) return [];
      const place = `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      return [[key, substitute(member, values, place, findings)]];
    }),
  );
}

function substituteText(
  text: string,
  values: Parameters,
  pointer: string,
  findings: DefinitionFinding[],
): JsonValue {
  if (!text.includes("${")) return text;
  const name = wholeReference.exec(text)?.[1];
  const value = name === undefined || !Object.hasOwn(values, name) ? undefined : values[name];
  if (value !== undefined) return value;
  findings.push(
    name === undefined
      ? {
          pointer,
          detail: `"${text.slice(0, 60)}" has a parameter within a text`,
          mend: "Make the whole value ${name}.",
        }
      : { pointer, detail: `there is no parameter ${name}`, mend: "Give it a value below `parameters`." },
  );
  return text;
}

/** What a stage goes on from. */
const needs: Readonly<Record<StageKind, readonly StageKind[]>> = {
  prepare: [],
  train: ["prepare"],
  register: ["train"],
  evaluate: ["register"],
  compare: ["register"],
  promote: ["register"],
  release: ["register"],
};

function orderFindings(stages: readonly DeclaredStage[]): DefinitionFinding[] {
  const findings: DefinitionFinding[] = [];
  const rank = (kind: StageKind): number => stageKinds.indexOf(kind);
  for (const [at, { kind }] of stages.entries()) {
    const pointer = `/stages/${at}`;
    const before = stages.slice(0, at).map((one) => one.kind);
    const missing = needs[kind].filter((one) => !before.includes(one));
    if (missing.length > 0)
      findings.push({ pointer, detail: `the stage ${kind} has no stage ${missing.join(", ")} before it` });
    const last = before.at(-1);
    if (last !== undefined && rank(last) >= rank(kind))
      findings.push({
        pointer,
        detail: `the stage ${kind} stands after ${last}`,
        mend: `Their order is ${stageKinds.join(", ")}, each once.`,
      });
  }
  const rows = stages.find(({ kind }) => kind === "prepare");
  for (const [at, { kind }] of stages.entries())
    if ((kind === "evaluate" || kind === "compare") && rows && !Object.hasOwn(rows, "heldOut"))
      findings.push({
        pointer: `/stages/${at}`,
        detail: `the stage ${kind} has no rows to judge by`,
        mend: "Give the stage prepare its `heldOut`.",
      });
  return findings;
}
