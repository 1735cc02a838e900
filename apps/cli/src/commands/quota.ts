import {
  amountText,
  checkQuotas,
  type JobStory,
  type QuotaSum,
  readCluster,
  readJobs,
  readQuotas,
  simulateQuotas,
} from "@portolan/capacity";
import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import { duration } from "../duration-text.ts";
import type { ContextOf } from "../program.ts";
import { progressBar } from "../progress.ts";
import { readInput } from "../read-input.ts";
import { registerKeptQuotas } from "./quota-apply.ts";

/** Who may have how much of a cluster: checked and played through without a server, and kept by one. */
export function registerQuotaCommands(program: Command, contextOf: ContextOf): void {
  const quota = program
    .command("quota")
    .description(
      "Quotas of business units and teams, as Kueue means them: check a file, play jobs through it, put it in force",
    )
    .addHelpText("after", "\nExample:\n  portolan quota check quotas.yaml --cluster cluster.yaml");
  quota
    .command("check <quotas.yaml>")
    .description("Whether a file of quotas holds together, and whether a cluster has what it guarantees")
    .option("--cluster <cluster.yaml>", "the nodes, and what each of them has")
    .addHelpText("after", "\nExample:\n  portolan quota check quotas.yaml --cluster cluster.yaml")
    .action((file: string, options: { cluster?: string }, command: Command) =>
      checkQuota(contextOf(command), file, options.cluster),
    );
  quota
    .command("simulate <quotas.yaml>")
    .description("Play jobs through the quotas: who waits how long, who is evicted by whom")
    .requiredOption(
      "--jobs <jobs.csv>",
      "columns name, team, at, duration; priority, cpu, memory, pods, gpus",
    )
    .addHelpText(
      "after",
      "\nA job that is evicted begins again from nothing.\n\nExample:\n  portolan quota simulate quotas.yaml --jobs jobs.csv --json",
    )
    .action((file: string, options: { jobs: string }, command: Command) =>
      simulateQuota(contextOf(command), file, options.jobs),
    );
  registerKeptQuotas(quota, contextOf);
}

async function checkQuota(context: CliContext, file: string, cluster: string | undefined): Promise<void> {
  const reading = readQuotas(await readInput(context, file), file);
  const teams = reading.tree.nodes.filter(({ queue }) => queue !== undefined).length;
  const sums =
    cluster === undefined
      ? []
      : checkQuotas(reading, readCluster(await readInput(context, cluster), cluster));
  context.output.result(
    { file, teams, resources: reading.tree.resources, sums },
    [
      `${file}: ${teams} teams, quotas of ${reading.tree.resources.join(", ")}`,
      ...(cluster === undefined
        ? ["Nothing says what the cluster has: --cluster does."]
        : [`${cluster} has what they guarantee:`, ...sums.map(sumLine)]),
    ].join("\n"),
  );
}

function sumLine({ resource, nominal, cluster }: QuotaSum): string {
  return `  ${resource.padEnd(20)} ${amountText(resource, nominal)} of ${amountText(resource, cluster)}`;
}

async function simulateQuota(context: CliContext, file: string, jobsFile: string): Promise<void> {
  const { tree } = readQuotas(await readInput(context, file), file);
  const jobs = readJobs(await readInput(context, jobsFile), jobsFile, tree);
  using bar = progressBar(context.output, "simulating");
  const stories = simulateQuotas(tree, jobs, (ended) => bar.show(ended / jobs.length, `${ended} jobs`));
  const teamOf = ({ job }: JobStory): string => tree.nodes[job.team]?.name ?? "";
  const teams = [...Map.groupBy(stories, teamOf)].map(([team, its]) => ({ team, ...summary(its) }));
  context.output.result(
    {
      jobs: stories.map((story) => ({ team: teamOf(story), ...storyValue(story) })),
      teams,
    },
    [
      "team                       jobs   never  evicted   mean wait    longest        lost",
      ...teams.map(teamLine),
      "",
      ...stories.flatMap((story) => storyLine(story, teamOf(story))),
    ].join("\n"),
  );
}

interface TeamSummary {
  readonly jobs: number;
  readonly neverEnded: number;
  readonly evictions: number;
  readonly meanWaitMs: number;
  readonly longestWaitMs: number;
  readonly lostMs: number;
}

function summary(stories: readonly JobStory[]): TeamSummary {
  const ended = stories.filter(({ endedAt }) => endedAt !== undefined).map(({ waitedMs }) => waitedMs);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return {
    jobs: stories.length,
    neverEnded: stories.length - ended.length,
    evictions: sum(stories.map(({ evictions }) => evictions.length)),
    meanWaitMs: Math.round(sum(ended) / Math.max(1, ended.length)),
    longestWaitMs: ended.reduce((most, value) => Math.max(most, value), 0),
    lostMs: sum(stories.map(({ lostMs }) => lostMs)),
  };
}

function teamLine({ team, ...its }: TeamSummary & { readonly team: string }): string {
  const times = [its.meanWaitMs, its.longestWaitMs, its.lostMs].map((ms) => duration(1000 * ms).padStart(11));
  return `${team.padEnd(24)}${String(its.jobs).padStart(7)}${String(its.neverEnded).padStart(8)}${String(its.evictions).padStart(9)} ${times.join("")}`;
}

function storyValue({ job, waitedMs, endedAt, evictions, lostMs, waitsFor }: JobStory) {
  return {
    name: job.id,
    priority: job.priority,
    arrivedAt: instant(job.arrivedAt),
    ...(endedAt === undefined ? {} : { endedAt: instant(endedAt), waitedMs }),
    evictions: evictions.map(({ at, by }) => ({ at: instant(at), by })),
    lostMs,
    ...(waitsFor === undefined ? {} : { waitsFor }),
  };
}

const reasons = {
  "not-covered": "its team has no quota of",
  "above-maximum": "more than its team could ever have of",
  "no-room": "others hold, and it may not evict them,",
  "behind-another": "stands behind a job of its strict queue",
} as const;

function storyLine(story: JobStory, team: string): string[] {
  const { job, waitedMs, endedAt, evictions, lostMs, waitsFor } = story;
  if (waitsFor !== undefined)
    return [
      `${team} ${job.id} never ran to its end: ${reasons[waitsFor.reason]} ${waitsFor.resource ?? ""}`.trimEnd(),
    ];
  if (endedAt === undefined || (waitedMs === 0 && evictions.length === 0)) return [];
  const evicted = evictions.map(({ at, by }) => `; evicted by ${by} at ${instant(at)}`).join("");
  const lost = lostMs > 0 ? `, ${duration(1000 * lostMs)} lost` : "";
  return [`${team} ${job.id} waited ${duration(1000 * waitedMs)}${evicted}${lost}`];
}

/** Queues of years may end beyond what an instant can say. */
function instant(ms: number): string {
  return Number.isSafeInteger(ms * 1000) ? formatInstant(asEpochMicros(ms * 1000)) : "after the year 2255";
}
