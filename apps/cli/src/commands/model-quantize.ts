import { join } from "node:path";
import type { CharterView } from "@portolan/charter/contract";
import type { Comparison } from "@portolan/evaluation/contract";
import { formatMoney, isPortolanError, type Money, PortolanError, systemClock } from "@portolan/kernel";
import { cpuCostPerThousand } from "@portolan/planner/policy";
import { readShippedPrices } from "@portolan/planner/prices";
import type { ComputeProfile, ModelVersion } from "@portolan/registry/contract";
import type { TrainingRunView } from "@portolan/training/contract";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { waitForJob } from "../client/jobs.ts";
import { startTraining, waitForRun } from "../client/training.ts";
import { versionPath } from "../client/version-path.ts";
import { type CliContext, connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { readText } from "../project-files.ts";
import { readLocks } from "../training-folder.ts";
import { comparisonText, ruleOf } from "./model-compare.ts";
import { evaluateRows, type RowsResult } from "./model-evaluate.ts";

interface QuantizeOptions {
  readonly method: string;
  readonly calibrationRows: string;
  readonly heldOut?: string;
  readonly metric: readonly string[];
}

const methods: readonly string[] = ["dynamic-int8", "static-int8", "fp16"];

export function registerQuantize(model: Command, contextOf: ContextOf): void {
  model
    .command("quantize <name> <version>")
    .description(
      "Make a smaller version of one that was trained here, by ONNX Runtime's tools, and measure both (exit code 1 when it loses more than is allowed)",
    )
    .requiredOption("--method <method>", methods.join(", "))
    .option(
      "--calibration-rows <number>",
      "rows of the training set that static-int8 fixes its ranges by",
      "1000",
    )
    .option("--held-out <id>", "held-out rows that both are judged and compared on")
    .option("--metric <name...>", "what is compared, as model compare takes it", ["accuracy:0.01"])
    .addHelpText(
      "after",
      `
The result is the model's next version. It is promoted by the same gates as any other.

Examples:
  portolan model quantize digits 1 --method dynamic-int8
  portolan model quantize digits 1 --method static-int8 --held-out ts_01m8… --metric roc_auc:0.005`,
    )
    .action(async (name: string, version: string, options: QuantizeOptions, command: Command) => {
      const context = contextOf(command);
      const rule = ruleOf(options.metric);
      const params = paramsOf(options);
      const api = await connect(context);
      const original = await api.json<ModelVersion>({ path: versionPath(name, version) });
      const { made, run } = await quantised(context, api, original, params);
      const both = [await measured(api, original), await measured(api, made)] as const;
      const judged =
        options.heldOut === undefined ? undefined : await judge(api, both, options.heldOut, rule);
      if (judged && !(judged.comparison.isBetter && judged.comparison.heldOut.shown)) process.exitCode = 1;
      const result = {
        model: name,
        version: made.version,
        from: original.version,
        method: options.method,
        run,
        versions: both.map(({ version: of, compute, cost }) => ({
          version: of.version,
          sizeBytes: of.sizeBytes,
          compute: compute ?? null,
          costPerThousand: cost ? formatMoney(cost) : null,
        })),
        ...judged,
      };
      context.output.result(result, textOf(name, both, judged?.comparison));
    });
}

/** Runs the shipped program on the server, and registers what comes out. */
async function quantised(
  context: CliContext,
  api: ApiClient,
  original: ModelVersion,
  params: Record<string, number | string>,
): Promise<{ readonly made: ModelVersion; readonly run: string }> {
  const { model: name, version } = original;
  const { environment, useCaseId, trainingSetId } = await runOf(api, original);
  const program = join(context.root, "examples/quantization");
  const { text } = await readText(join(program, "quantize.py"));
  const folder = { program: text, locks: await readLocks(program), params };
  const place = { environment, useCaseId };
  const work = { folder, trainingSetId, seed: 0, baseModel: { name, version } };
  const { id } = await startTraining(api, place, work);
  context.output.note(`run ${id}`);
  const { result } = await waitForRun(api, id);
  const made = await api.json<ModelVersion>({
    path: `/v1/models/${encodeURIComponent(name)}/versions`,
    body: { ...place, artifact: result.model, lineage: { origin: "trained", trainingRunId: id } },
  });
  context.output.note(`${name} version ${made.version}; measuring both`);
  return { made, run: id };
}

/** @throws PortolanError `cli.bad_usage` */
function paramsOf({ method, calibrationRows }: QuantizeOptions): Record<string, number | string> {
  if (!methods.includes(method))
    throw badUsage(`--method ${method.slice(0, 40)}`, `Name ${methods.join(", ")}.`);
  if (method !== "static-int8") return { method };
  const rows = Number(calibrationRows);
  if (!Number.isInteger(rows) || rows < 1 || rows > 1_000_000)
    throw badUsage(
      `--calibration-rows ${calibrationRows.slice(0, 40)}`,
      "Give a whole number from 1 to 1000000.",
    );
  return { method, calibration_rows: rows };
}

function badUsage(detail: string, mend: string): PortolanError<CliErrorCode> {
  return new PortolanError("cli.bad_usage", { detail: `${detail} cannot be used`, mend });
}

/** Where and from what a version was trained. @throws PortolanError `cli.bad_usage` for one that was not */
async function runOf(
  api: ApiClient,
  { model, version, useCaseId, lineage }: ModelVersion,
): Promise<{ readonly environment: string; readonly useCaseId: string; readonly trainingSetId: string }> {
  const { trainingRunId } = lineage;
  if (trainingRunId === undefined)
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: `${model} version ${version} was not trained here: nobody knows what rows it learned from`,
      mend: "Quantise the file with examples/quantization/quantize.py, and import the result.",
    });
  const { request } = await api.json<TrainingRunView>({ path: `/v1/training-runs/${trainingRunId}` });
  return { environment: request.environment, useCaseId, trainingSetId: request.trainingSetId };
}

interface Measured {
  readonly version: ModelVersion;
  /** Absent: it was not measured in time. */
  readonly compute?: ComputeProfile;
  /** Of 1,000 predictions in the model's own CPU time; absent without a charter, or where it is not measured. */
  readonly cost?: Money;
}

const pollMs = 500;
const patienceMs = 120_000;

/** A version with what it takes of a machine, which a job measures after its registration. */
async function measured(api: ApiClient, version: ModelVersion): Promise<Measured> {
  const path = `${versionPath(version.model, String(version.version))}/compute-profile`;
  for (let waited = 0; waited < patienceMs; waited += pollMs) {
    try {
      const { profile } = await api.json<{ profile: ComputeProfile }>({ path });
      const cost = await costOf(api, version, profile.single.cpuMicros);
      return { version, compute: profile, ...(cost ? { cost } : {}) };
    } catch (error) {
      if (!isPortolanError(error) || error.code !== "kernel.not_found") throw error;
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }
  return { version };
}

async function costOf(
  api: ApiClient,
  { lineage }: ModelVersion,
  cpuMicros: number,
): Promise<Money | undefined> {
  if (lineage.charterId === undefined) return undefined;
  const { charter } = await api.json<CharterView>({ path: `/v1/charters/${lineage.charterId}` });
  return cpuCostPerThousand(charter, readShippedPrices(), systemClock.now(), cpuMicros);
}

interface Judged {
  readonly evaluations: readonly RowsResult[];
  readonly comparison: Comparison;
}

async function judge(
  api: ApiClient,
  [{ version: original }, { version: made }]: readonly [Measured, Measured],
  trainingSetId: string,
  rule: ReturnType<typeof ruleOf>,
): Promise<Judged> {
  const evaluations: RowsResult[] = [];
  for (const { model, version } of [original, made])
    evaluations.push(await evaluateRows(api, { model, version, trainingSetId }));
  const { job } = await api.json<{ job: string }>({
    path: "/v1/comparisons",
    body: { model: made.model, challenger: made.version, champion: original.version, trainingSetId, ...rule },
  });
  return { evaluations, comparison: await waitForJob<Comparison>(api, job) };
}

function textOf(
  name: string,
  [original, made]: readonly [Measured, Measured],
  comparison: Comparison | undefined,
): string {
  const rows: [string, (one: Measured) => number | undefined, string][] = [
    ["bytes", ({ version }) => version.sizeBytes, ""],
    ["1 row, p50", ({ compute }) => compute?.single.p50Micros, " µs"],
    ["1 row, p95", ({ compute }) => compute?.single.p95Micros, " µs"],
    ["CPU time of a row", ({ compute }) => compute?.single.cpuMicros, " µs"],
    ["rows/s at best", ({ compute }) => compute && bestRate(compute), ""],
    ["memory, loaded", ({ compute }) => compute?.memory.loadedBytes, " bytes"],
  ];
  const cells = rows.map(([what, of, unit]) => {
    const [before, after] = [of(original), of(made)];
    const ratio = before && after ? `${(after / before).toFixed(2)} ×` : "";
    return [what, textIn(before, unit), textIn(after, unit), ratio];
  });
  const cost = (one: Measured): string => (one.cost ? formatMoney(one.cost) : "unknown");
  const [from, to] = [original.version.version, made.version.version];
  const figures = table(
    ["", `version ${from}`, `version ${to}`, "of it"],
    [...cells, ["cost of 1,000 rows, CPU time", cost(original), cost(made), ""]],
  );
  const next = `\nNext: portolan model compare ${name} ${to} --with ${from} --metric accuracy:0.01 --training-set <held-out rows>`;
  return `${name} version ${to}, made of version ${from}\n\n${figures}\n${comparison ? `\n${comparisonText(comparison)}` : next}`;
}

function bestRate({ batches }: ComputeProfile): number {
  return Math.max(...batches.map(({ rows, micros }) => (rows * 1e6) / Math.max(1, micros)));
}

function textIn(value: number | undefined, unit: string): string {
  return value === undefined ? "not measured" : `${Math.round(value)}${unit}`;
}
