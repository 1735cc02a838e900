import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { MetricPage, TrackedData } from "@portolan/tracking/contract";
import type { TrainingRunView } from "@portolan/training/contract";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { connect } from "../context.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";

export function registerRun(model: Command, contextOf: ContextOf): void {
  model
    .command("run <id>")
    .description("A training run: how it stands, and the parameters and metrics that its trainer logged")
    .option("--metric <key>", "every point of this metric instead")
    .option(
      "--make-room <reason>",
      "has its trainer make room: it waits again, and goes on from its checkpoint",
    )
    .addHelpText("after", "\nExample:\n  portolan model run run_01m8… --metric validation_log_loss --json")
    .action(async (id: string, options: { metric?: string; makeRoom?: string }, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const path = `/v1/training-runs/${encodeURIComponent(id)}`;
      if (options.metric !== undefined) {
        const points = await pointsOf(api, path, options.metric);
        context.output.result({ key: options.metric, points }, describePoints(options.metric, points));
        return;
      }
      if (options.makeRoom !== undefined) {
        const body = { reason: options.makeRoom };
        const asked = await api.json<TrainingRunView>({ path: `${path}/preemption`, body });
        context.output.result(asked, `${asked.id} is told to make room`);
        return;
      }
      const run = await api.json<TrainingRunView>({ path });
      const logged = await api.json<TrackedData>({ path: `${path}/tracking` });
      context.output.result({ ...run, tracking: logged }, describeRun(run, logged));
    });
}

/** All points, page after page. */
async function pointsOf(api: ApiClient, path: string, key: string): Promise<MetricPage["points"]> {
  const points: MetricPage["points"] = [];
  for (let next: string | undefined = ""; next !== undefined; ) {
    const query = new URLSearchParams({ key, ...(next === "" ? {} : { pageToken: next }) });
    const page: MetricPage = await api.json<MetricPage>({ path: `${path}/metrics?${query.toString()}` });
    points.push(...page.points);
    next = page.nextPageToken;
  }
  return points;
}

function describePoints(key: string, points: MetricPage["points"]): string {
  if (points.length === 0) return `The run has logged no metric ${key}.`;
  return table(
    ["step", "at", key],
    points.map(({ step, timestampMs, value }) => [String(step), instantOf(timestampMs), String(value)]),
  );
}

function describeRun(run: TrainingRunView, { params, tags, metrics }: TrackedData): string {
  const { id, environment, state, failure, work } = run;
  const head = `${id} in ${environment}: ${state}${failure === undefined ? "" : `, ${failure}`}`;
  const texts = (what: string, entries: Readonly<Record<string, string>>) =>
    Object.keys(entries).length === 0 ? [] : [table([what, "value"], Object.entries(entries))];
  const latest = metrics.map(({ key, value, step }) => [key, String(value), String(step)]);
  const parts = [
    ...texts("parameter", params),
    ...texts("tag", tags),
    ...(latest.length === 0 ? [] : [table(["metric", "latest value", "step"], latest)]),
  ];
  return [
    head,
    ...describeWork(work),
    ...(parts.length === 0 ? ["Its trainer has logged nothing."] : parts),
  ].join("\n\n");
}

/** Its attempts, where there is something to say of them: more than one, checkpoints, or what they used. */
function describeWork(work: TrainingRunView["work"]): string[] {
  const { attempts = [], keptSeconds = 0, lostSeconds = 0, cost } = work ?? {};
  if (
    attempts.length < 2 &&
    !attempts.some(
      ({ checkpoints, overdueTimes, cpuSeconds }) =>
        checkpoints + overdueTimes > 0 || cpuSeconds !== undefined,
    )
  )
    return [];
  const rows = attempts.map((one, at) => [
    String(at + 1),
    formatInstant(asEpochMicros(one.startedAt)),
    one.ending ?? "runs",
    `${one.checkpoints}${one.overdueTimes === 0 ? "" : `, overdue ${one.overdueTimes} times`}`,
    one.keptSeconds.toFixed(1),
    one.lostSeconds.toFixed(1),
    one.cpuSeconds === undefined ? "-" : one.cpuSeconds.toFixed(1),
    one.peakMemoryBytes === undefined ? "-" : (one.peakMemoryBytes / 2 ** 20).toFixed(0),
  ]);
  const missing = attempts.some(({ overdueSince }) => overdueSince !== undefined);
  return [
    table(
      ["attempt", "began", "ended", "checkpoints", "kept s", "lost s", "processor s", "memory MiB"],
      rows,
    ),
    `Checkpoints kept ${keptSeconds.toFixed(1)} s of work of attempts that were cut off; ${lostSeconds.toFixed(1)} s were lost.`,
    ...(cost
      ? [
          `That saved ${cost.kept}, and what was lost costs ${cost.lost}: ${cost.cores} cores at ${cost.coreHour} for an hour of one.`,
        ]
      : []),
    ...(missing ? ["Its checkpoint is overdue."] : []),
  ];
}

/** The trainer's clock may say anything. */
function instantOf(timestampMs: number): string {
  const micros = timestampMs * 1000;
  return Number.isSafeInteger(micros) && micros >= 0
    ? formatInstant(asEpochMicros(micros))
    : `${timestampMs} ms`;
}
