import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Evaluation } from "@portolan/evaluation/contract";
import { parseInstant } from "@portolan/kernel";
import type { ModelVersion } from "@portolan/registry/contract";
import type { MetricPage } from "@portolan/tracking/contract";
import type { TrainingRunView } from "@portolan/training/contract";
import { waitForJob } from "../client/jobs.ts";
import { startTraining } from "../client/training.ts";
import { readTrainingFolder } from "../training-folder.ts";
import { check, ended } from "./narrator.ts";
import { historyFile, ingest } from "./source.ts";
import { count, modelName, type TrainingSet, upload, type World } from "./world.ts";

/** The flights up to the replayed days enter under contract, with a handful of planted rows that must not. */
export async function ingestStep(world: World): Promise<string[]> {
  const planted = await upload(world, await readFile(join(world.folder, "planted-rows.csv")));
  const done = await ingest(world, [
    { object: await historyFile(world), format: "parquet" },
    { object: planted, format: "csv" },
  ]);
  const counts = done.counts ?? { accepted: 0, quarantined: 0, deadLetters: 0 };
  const keptOut = counts.quarantined + counts.deadLetters;
  const rows = sourceRows + plantedRows;
  check(
    counts.accepted + keptOut === rows,
    `${counts.accepted + keptOut} rows are accounted for, not ${rows}`,
  );
  check(
    keptOut === plantedRows + impossibleRows,
    `${keptOut} rows were kept out, not ${plantedRows + impossibleRows}`,
  );
  Object.assign(world, { datasetId: done.datasetId });
  Object.assign(world.summary, {
    accepted: counts.accepted,
    quarantined: counts.quarantined + counts.deadLetters,
  });
  const rules = Object.entries(done.rules ?? {}).map(([rule, rows]) => `${rule} ${rows}`);
  return [
    `${count(counts.accepted)} rows accepted; ${keptOut} kept out: all ${plantedRows} planted ones, and ${impossibleRows} impossible ones of the source itself`,
    ...(rules.length === 0 ? [] : [`broken rules: ${rules.join(", ")}`]),
  ];
}

/** Rows of flights-3m.parquet before the replayed days. */
const sourceRows = 1_627_625;
/** Flights in it that landed three to nineteen hours before they were due: the contract finds them. */
const impossibleRows = 3;
/** Lines of planted-rows.csv without its header. */
const plantedRows = 10;

interface TrainingSetState {
  readonly id: string;
  readonly state: string;
  readonly failure?: string;
  readonly manifest?: {
    readonly object: string;
    readonly rowsBefore: number;
    readonly rowsAfter: number;
    readonly features: readonly string[];
    readonly label: string;
    readonly views: TrainingSet["views"];
    readonly parity: { readonly sampledRows: number; readonly mismatches: number };
  };
}

/** Features as they were known at departure, never later: the first weeks to learn from, later weeks to be judged on. */
export async function trainingSetStep(world: World): Promise<string[]> {
  const recipe = JSON.parse(await readFile(join(world.folder, "training/training-set.json"), "utf8"));
  const place = { environment: "production", useCaseId: world.cast.useCaseId, datasetId: world.datasetId };
  const first = { to: parseInstant("2001-02-05T00:00:00Z") };
  const trained = await buildSet(world, { ...recipe, ...place, ...first });
  const later = {
    from: parseInstant("2001-03-05T00:00:00Z"),
    to: parseInstant("2001-04-08T00:00:00Z"),
    sampleEvery: 12,
  };
  const heldOut = await buildSet(world, { ...recipe, ...place, ...later, name: `${recipe.name}-held-out` });
  Object.assign(world, { trainingSet: trained, heldOut });
  return [
    `${count(trained.rows)} rows with ${trained.features.length} features from 15 January to 4 February (every 3rd flight)`,
    `${count(heldOut.rows)} rows held out from 5 March to 7 April (every 12th flight)`,
  ];
}

async function buildSet(world: World, request: Record<string, unknown>): Promise<TrainingSet> {
  const { ada } = world.cast.as;
  const started = await ada.json<TrainingSetState>({ path: "/v1/training-sets", body: request });
  const done = await ended(
    () => ada.json<TrainingSetState>({ path: `/v1/training-sets/${started.id}` }),
    ["ready", "failed", "cancelled"],
  );
  const { manifest } = done;
  check(manifest !== undefined, `the training set failed: ${done.failure ?? done.state}`);
  if (!manifest) throw new Error("unreachable");
  check(
    manifest.rowsAfter === manifest.rowsBefore,
    `${manifest.rowsBefore - manifest.rowsAfter} entity rows were lost`,
  );
  check(
    manifest.parity.mismatches === 0,
    `${manifest.parity.mismatches} sampled rows differ from their definition`,
  );
  const { object, features, label, views, rowsAfter } = manifest;
  return { id: done.id, object, features, label, rows: rowsAfter, views };
}

/** scikit-learn in a pinned, isolated environment; then the platform, not the trainer, says how good the model is. */
export async function trainStep(world: World): Promise<string[]> {
  const { ada, pipeline } = world.cast.as;
  const folder = await readTrainingFolder(join(world.folder, "training"));
  const started = await startTraining(
    ada,
    { environment: "production", useCaseId: world.cast.useCaseId },
    { folder: { ...folder, params: { rounds: 60 } }, trainingSetId: world.trainingSet?.id ?? "", seed: 7 },
  );
  const done = await ended(
    () => ada.json<TrainingRunView>({ path: `/v1/training-runs/${started.id}` }),
    ["succeeded", "failed", "cancelled"],
  );
  const { result } = done;
  check(result !== undefined, `training failed: ${done.failure ?? done.state}`);
  if (!result) throw new Error("unreachable");
  const version = await pipeline.json<ModelVersion>({
    path: `/v1/models/${modelName}/versions`,
    body: {
      useCaseId: world.cast.useCaseId,
      artifact: result.model,
      lineage: {
        origin: "trained",
        trainingRunId: done.id,
        trainingSetId: world.trainingSet?.id,
        data: result.data,
        code: result.code,
        params: result.params,
        environmentLock: result.environmentLock,
        seed: result.seed,
        features: world.trainingSet?.views.map(({ view, digest }) => ({ view, digest })),
      },
    },
  });
  world.version = version.version;
  world.firstVersion = version.version;
  const { points } = await ada.json<MetricPage>({
    path: `/v1/training-runs/${done.id}/metrics?key=sampled_log_loss`,
  });
  return [
    `${points.length} points of its loss logged by MLflow's API on the way`,
    `Python ${result.python}, ${Math.round(result.modelSizeBytes / 1000)} kB of ONNX${result.networkBlocked ? ", without network" : ""}`,
    `registered and signed as ${modelName} version ${version.version}, ${version.artifact.slice(0, 19)}…`,
  ];
}

/** Gates are judged on later weeks, by the platform; promotion goes dev, staging, production with the same digest. */
export async function gateStep(world: World): Promise<string[]> {
  const { ada, rita } = world.cast.as;
  const { heldOut, version = 0 } = world;
  const { job } = await ada.json<{ job: string }>({
    path: "/v1/evaluations",
    body: {
      model: modelName,
      version,
      trainingSetId: heldOut?.id,
    },
  });
  const { metrics, gates } = await waitForJob<Pick<Evaluation, "metrics" | "gates">>(ada, job);
  check(
    gates.length > 0 && gates.every((gate) => gate.passed),
    `a gate failed: ${gates.map((gate) => `${gate.gate} ${gate.observed}`).join("; ")}`,
  );
  for (const to of ["staging", "production"]) {
    await rita.json({ path: `/v1/models/${modelName}/versions/${version}/promotions`, body: { to } });
  }
  const value = metrics.values["roc_auc"] ?? Number.NaN;
  const { low, high } = metrics.rocAucInterval ?? { low: Number.NaN, high: Number.NaN };
  const baseline = metrics.baseline?.rocAuc ?? Number.NaN;
  world.summary.auc = { value, low, high, baseline };
  return [
    `AUC ${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}] on ${count(metrics.rows)} flights; naive baseline ${baseline.toFixed(3)}`,
    `${gates.map((gate) => `${gate.gate} passed`).join(", ")}; promoted to staging and production by rita`,
  ];
}
