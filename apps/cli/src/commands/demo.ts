import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readTemplate } from "@portolan/charter/templates";
import { formatInstant, PortolanError, systemClock } from "@portolan/kernel";
import { toCents } from "@portolan/planner/policy";
import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import { assembleCast } from "../demo/cast.ts";
import { planCharterStep, signCharterStep } from "../demo/govern.ts";
import { harmfulReleaseStep } from "../demo/harm.ts";
import { judgeStep } from "../demo/judge.ts";
import { gateStep, ingestStep, trainingSetStep, trainStep } from "../demo/learn.ts";
import { Narrator } from "../demo/narrator.ts";
import { auditStep, explainStep, parityStep } from "../demo/prove.ts";
import { replayStep, retrainStep } from "../demo/renew.ts";
import { deployStep } from "../demo/serve.ts";
import { settleStep } from "../demo/settle.ts";
import { count, type DemoSummary, type World } from "../demo/world.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";
import { readRunState } from "../supervisor/state-file.ts";
import { detach, stopUp } from "../supervisor/up.ts";

interface DemoOptions {
  readonly exit?: boolean;
  readonly steps: string;
  readonly port: string;
  readonly gatewayPort: string;
}

/** After the start: what each step is called, the seconds that it may take, and what it does. */
const road: readonly (readonly [string, number, (world: World) => Promise<readonly string[]>])[] = [
  ["Plan the charter", 5, planCharterStep],
  ["Apply the folder and sign the charter", 5, signCharterStep],
  ["Ingest under contract", 15, ingestStep],
  ["Build point-in-time training sets", 35, trainingSetStep],
  ["Train in the pinned environment, register, sign", 40, trainStep],
  ["Evaluate, gate, promote", 10, gateStep],
  ["Deploy the endpoint", 5, deployStep],
  ["Retrain on what has come since, unattended", 40, retrainStep],
  ["Replay later weeks as live traffic: a canary beside the champion, outcomes following", 50, replayStep],
  ["Judge accuracy and drift of what was served", 10, judgeStep],
  ["Compare served features with training's", 20, parityStep],
  ["Explain a prediction", 5, explainStep],
  ["Release a harmful version", 25, harmfulReleaseStep],
  ["Put the plan beside what was metered", 10, settleStep],
  ["Audit", 10, auditStep],
];
const stepCount = road.length + 1;

/** @throws PortolanError `cli.bad_usage` */
function toSteps(given: string): number {
  const steps = Number(given);
  if (/^\d+$/.test(given) && steps >= 1 && steps <= stepCount) return steps;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `--steps ${given.slice(0, 20)} is no whole number from 1 to ${stepCount}`,
    mend: "See portolan demo --help.",
  });
}

export function registerDemoCommand(program: Command, contextOf: ContextOf): void {
  program
    .command("demo")
    .description(
      "The whole road on real data: plan, sign, ingest, train, gate, release, serve, audit; then it stays up",
    )
    .option("--exit", "stop everything at the end")
    .option("--steps <n>", `walk the first n steps only, of ${stepCount}`, String(stepCount))
    .option("--port <port>", "port of the control API", "7400")
    .option("--gateway-port <port>", "port of the gateway", "7401")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan demo --exit\n  portolan demo --steps 8   # until an endpoint is deployed",
    )
    .action(async (options: DemoOptions, command: Command) => {
      const context = contextOf(command);
      const steps = toSteps(options.steps);
      const startedAt = performance.now();
      try {
        const { narrator, world } = await runDemo(context, options, steps);
        const seconds = (performance.now() - startedAt) / 1000;
        context.output.result(
          { seconds, steps: narrator.reports, ...world.summary },
          steps < stepCount ? endedAfter(steps) : closing(world, seconds, options.exit === true),
        );
      } finally {
        if (options.exit) await stopUp(context.home);
      }
    });
}

async function runDemo(
  context: CliContext,
  options: DemoOptions,
  steps: number,
): Promise<{ narrator: Narrator; world: World }> {
  const { output } = context;
  const narrator = new Narrator(output, steps);
  output.say(
    "Portolan demo: three million US flights of 2001 (vega-datasets), half of them history, the others as they land; from a charter to governed predictions\n",
  );
  let state = readRunState(context.home);
  let world: World | undefined;
  await narrator.step("Start PostgreSQL, control and gateway", 20, async () => {
    const reused = state !== undefined;
    state ??= await detach(context, {
      control: Number(options.port),
      gateway: Number(options.gatewayPort),
      gateways: 1,
    });
    world = {
      context,
      state,
      cast: await assembleCast(context),
      folder: await prepareFolder(context),
      summary: {},
    };
    return [
      `${reused ? "already running" : "started"}: ${state.controlUrl} and ${state.gatewayUrl}, ${state.database}; seven people and machines with roles`,
    ];
  });
  if (!world) throw new Error("unreachable");
  const ready = world;
  for (const [title, budgetSeconds, work] of road.slice(0, steps - 1))
    await narrator.step(title, budgetSeconds, () => work(ready));
  return { narrator, world: ready };
}

/** The user's folder, as `portolan init --template flight-delays` writes it. */
async function prepareFolder(context: CliContext): Promise<string> {
  const folder = join(context.home, "flight-delays");
  await mkdir(folder, { recursive: true });
  await cp(join(context.root, "examples", "flight-delays"), folder, { recursive: true, force: true });
  await writeFile(join(folder, "charter.yaml"), readTemplate("flight-delays"));
  return folder;
}

const endedAfter = (steps: number): string =>
  `\nIt ended after step ${steps} of ${stepCount}, as asked: portolan demo walks the whole road.`;

function closing(world: World, seconds: number, exits: boolean): string {
  const {
    accepted = 0,
    quarantined = 0,
    auc,
    served = 0,
    latencyMs,
    live = 0,
    answeredMeanwhile = 0,
    retrained,
    rolledBack,
    parity,
    statement,
    verified,
  }: DemoSummary = world.summary;
  const lines = [
    "",
    `rows       ${count(accepted)} accepted, ${quarantined} kept out`,
    `model      AUC ${auc?.value.toFixed(3)} [${auc?.low.toFixed(3)}, ${auc?.high.toFixed(3)}] on held-out later weeks; naive baseline ${auc?.baseline.toFixed(3)}`,
    `served     ${count(served)} predictions, p50 ${latencyMs?.p50.toFixed(1)} ms, p95 ${latencyMs?.p95.toFixed(1)} ms, p99 ${latencyMs?.p99.toFixed(1)} ms`,
    `outcomes   AUC ${live.toFixed(3)} on this traffic; ${count(answeredMeanwhile)} predictions answered while control was away`,
    `lifecycle  version ${retrained?.version} trained and judged unattended, released after two approvals; a harmful release taken back after ${count(rolledBack?.requests ?? 0)} of its requests`,
    `features   ${count(parity?.compared ?? 0)} served values derived again offline, ${parity?.mismatches} differ`,
    `money      ${count(statement?.requests ?? 0)} predictions metered this month, ${statement?.perThousand ?? "nothing"} of models' time for 1,000; the plan keeps cores for ${toCents(statement?.plannedServing ?? "0 USD")} a month`,
    `statement  of this machine's cores, ${toCents(statement?.total ?? "0 USD")} in the month: flight-delays ${statement?.ours}, nobody ${toCents(statement?.idle ?? "0 USD")}; ${statement?.page}`,
    `audit      verified: ${count(verified?.rows ?? 0)} ledger rows under ${verified?.checkpoints ?? 0} signed checkpoints`,
    `took       ${seconds.toFixed(0)} s`,
  ];
  if (exits) return lines.join("\n");
  const portolan = commandLine(world.context);
  return [
    ...lines,
    "",
    `It stays up. API: ${world.state.controlUrl}/docs`,
    "Try next:",
    `  ${portolan} status`,
    `  ${portolan} charter explain ${join(world.folder, "charter.yaml")}`,
    `  ${portolan} model show flight-delays ${world.version ?? 1} --as otto`,
    `  ${portolan} model verify flight-delays ${world.version ?? 1} --for production --as otto`,
    `  ${portolan} explain ${world.lastPrediction ?? ""} --as otto`,
    `  ${portolan} drift report flight-delays --as otto`,
    `  ${portolan} performance report flight-delays --as otto`,
    `  ${portolan} retrain status flight-delays --as otto`,
    `  ${portolan} release status flight-delays --as otto`,
    `  ${portolan} usage show --period ${thisMonth()} --as otto`,
    `  ${portolan} advise --as otto`,
    `  ${portolan} audit search --as otto`,
    `  ${portolan} audit prove ${world.lastPrediction ?? ""} --as otto`,
    `  ${portolan} down`,
  ].join("\n");
}

function thisMonth(): string {
  return formatInstant(systemClock.now()).slice(0, 7);
}

/** What to type here to reach this installation: as short as it can be. */
function commandLine({ cwd, root, home }: CliContext): string {
  const launcher = cwd === root ? "./portolan" : join(root, "portolan");
  return home === join(cwd, ".portolan") ? launcher : `${launcher} --home ${home}`;
}
