import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { PipelineRun, PipelineView, StageStanding } from "@portolan/pipelines/contract";
import { table } from "../output.ts";

function instant(micros: number | null): string {
  return micros === null ? "" : formatInstant(asEpochMicros(micros));
}

/** How much of its stages a run has behind it, 0 to 1. */
export function progressOf({ stages }: PipelineRun): number {
  return stages.filter(({ state }) => state === "succeeded").length / stages.length;
}

/** The stage that is under way, or the one that a run ended with. */
export function presentStage({ stages }: PipelineRun): StageStanding | undefined {
  return stages.find(({ state }) => state !== "succeeded") ?? stages.at(-1);
}

/** A run in sentences, and how each of its stages stands. */
export function describeRun(run: PipelineRun): string {
  const { id, pipeline, version, environment, model, state, made, problem, priority } = run;
  const parameters = Object.entries(run.parameters).map(([name, value]) => `${name}=${String(value)}`);
  return [
    `${environment}/${pipeline} version ${version}: ${state} (${id})`,
    ...(made.version === undefined ? [] : [`  made ${model}/${made.version}`]),
    ...(problem === null ? [] : [`  ${problem}`]),
    `  begun ${instant(run.startedAt)} by ${run.requestedBy}${run.cause === "schedule" ? ", on schedule" : ""}, priority ${priority}`,
    ...(parameters.length === 0 ? [] : [`  ${parameters.join(" ")}`]),
    "",
    table(
      ["stage", "state", "tries", "begun", "ended", "note"],
      run.stages.map((one) => [
        one.kind,
        one.reusedFrom === null ? one.state : "reused",
        String(one.tries),
        instant(one.startedAt),
        instant(one.endedAt),
        one.note,
      ]),
    ),
  ].join("\n");
}

/** One line per run. */
export function runTable(runs: readonly PipelineRun[]): string {
  if (runs.length === 0) return "no pipeline runs";
  return table(
    ["id", "pipeline", "version", "begun", "state", "stage", "made"],
    runs.map((run) => [
      run.id,
      `${run.environment}/${run.pipeline}`,
      String(run.version),
      instant(run.startedAt),
      run.state,
      presentStage(run)?.kind ?? "",
      run.made.version === undefined ? "" : `${run.model}/${run.made.version}`,
    ]),
  );
}

/** One line per pipeline. */
export function pipelineTable(pipelines: readonly PipelineView[]): string {
  if (pipelines.length === 0) return "no pipelines";
  return table(
    ["pipeline", "version", "model", "stages", "schedule", "next run"],
    pipelines.map(({ name, environment, version, definition, nextRunAt }) => [
      `${environment}/${name}`,
      String(version),
      definition.model,
      definition.stages.map(({ kind }) => kind).join(" "),
      definition.schedule?.cron ?? "",
      instant(nextRunAt),
    ]),
  );
}
