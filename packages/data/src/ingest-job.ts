import { mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { quoteText } from "@portolan/expressions";
import {
  asPlace,
  type Digest,
  digestJson,
  type Environment,
  type EnvironmentPlace,
  type JobEnd,
  type JobHandler,
  type JobRun,
  type JsonObject,
  locate,
  newId,
  PortolanError,
  type Transaction,
} from "@portolan/kernel";
import { type AnalysisResult, integerCell } from "./analysis.ts";
import { batchMetricSql, judgeBatch } from "./batch-metrics.ts";
import type { DataContract } from "./contract-model.ts";
import { digestFile } from "./digest-file.ts";
import type { DataErrorCode } from "./errors.ts";
import { type IngestionDeps, ingestionPlace, ingestQueue } from "./ingestions.ts";
import type { DatasetManifest, IngestionView } from "./resources.ts";
import type { SourceFile } from "./source-plan.ts";
import { locateSources, unreadable } from "./sources.ts";
import { splitPlan } from "./split-plan.ts";
import {
  closeIngestion,
  findIngestion,
  findSameIngestion,
  getContract,
  insertDataset,
  type StoredContract,
  updateIngestion,
} from "./store.ts";

type Ingestion = IngestionView & { readonly contractId: string };

/** What the split left behind; recorded as the step's result, so that a restart does not split again. */
interface Split {
  readonly [key: string]: number | string | number[] | Record<string, number> | null;
  readonly accepted: number;
  readonly quarantined: number;
  readonly deadLetters: number;
  readonly minEventTime: number | null;
  readonly maxEventTime: number | null;
  readonly values: number[];
  readonly rules: Record<string, number>;
  readonly object: string;
  readonly sizeBytes: number;
  readonly quarantine: string;
  readonly deadLetterObject: string;
}

/**
 * Ingests one batch: digest the sources, split, judge, publish. Each step resumes after a crash; publication and its
 * ledger row are one transaction, so a batch is visible whole or not at all.
 */
export function ingestJob(deps: IngestionDeps): JobHandler {
  return { queue: ingestQueue, retries: 2, run: (job) => runIngestion(deps, job), abandoned };
}

async function abandoned(tx: Transaction, { payload, state, reason }: JobEnd): Promise<void> {
  const { ingestionId: id } = payload as { ingestionId: string };
  if (await closeIngestion(tx.sql, id, { state, reason, now: tx.now }))
    await tx.record({ event: `data.ingestion.${state}`, subject: id });
}

async function runIngestion(deps: IngestionDeps, job: JobRun): Promise<JsonObject> {
  const payload = job.payload["ingestionId"];
  const id = typeof payload === "string" ? payload : "";
  const organisationId = job.call.actor.organisationId;
  const { ingestion, contract } = await deps.uow.read(job.call, async (sql) => {
    const found = await findIngestion(sql, organisationId, id);
    if (!found)
      throw new PortolanError<DataErrorCode>("data.ingestion_not_found", { detail: `there is no ${id}` });
    return { ingestion: found, contract: await getContract(sql, organisationId, found.contractId) };
  });
  try {
    const sources = await locateSources(
      deps,
      { call: job.call, at: await workPlace(deps, job, ingestion) },
      ingestion.sources,
    );
    const sourceDigest = await job.effect("digest sources", () => digestSources(sources));
    const earlier = await job.step("look for the same batch", async (tx) => {
      const found = await reuse(tx, ingestion, sourceDigest);
      if (found === null) await updateIngestion(tx.sql, ingestion.id, { state: "running" });
      return found;
    });
    if (earlier !== null) return { datasetId: earlier, reused: true };
    const split = await job.effect("split", () =>
      splitBatch(deps, job, { ingestion, contract, sources, sourceDigest }),
    );
    return await job.step("publish", (tx) => publish(deps, tx, { ingestion, contract, sourceDigest, split }));
  } catch (error) {
    // A failure that will be tried again is none yet: whoever waits for this ingestion would give up too early.
    if (job.signal.aborted || !job.finalAttempt) throw error;
    await deps.uow.write(job.call, async (tx) => {
      const failure = error instanceof Error ? error.message.slice(0, 500) : "failed";
      await updateIngestion(tx.sql, id, { state: "failed", failures: [failure], finished_at: tx.now });
      await tx.record({ event: "data.ingestion.failed", subject: id });
    });
    throw error;
  }
}

async function workPlace(deps: IngestionDeps, job: JobRun, ingestion: Ingestion): Promise<EnvironmentPlace> {
  const place = await locate(deps.places, job.call.actor.organisationId, asPlace(ingestion));
  return { ...ingestionPlace(ingestion), ...place };
}

async function digestSources(sources: readonly SourceFile[]): Promise<string> {
  const parts: JsonObject[] = [];
  for (const source of sources) parts.push({ format: source.format, digest: await digestFile(source.path) });
  return digestJson(parts);
}

/** Answers with the dataset of an earlier ingestion of the same bytes, or null. */
async function reuse(tx: Transaction, ingestion: Ingestion, sourceDigest: string): Promise<string | null> {
  const earlier = await findSameIngestion(tx.sql, {
    organisationId: tx.call.actor.organisationId,
    contractId: ingestion.contractId,
    environment: ingestion.environment,
    sourceDigest,
    ...(ingestion.useCaseId === undefined ? {} : { useCaseId: ingestion.useCaseId }),
  });
  if (!earlier?.datasetId) return null;
  await updateIngestion(tx.sql, ingestion.id, {
    state: "published",
    finished_at: tx.now,
    dataset_id: earlier.datasetId,
    ...(earlier.counts ? { counts: earlier.counts } : {}),
    ...(earlier.rules ? { rules: earlier.rules } : {}),
    ...(earlier.quarantine ? { quarantine: earlier.quarantine } : {}),
    ...(earlier.deadLetters ? { dead_letters: earlier.deadLetters } : {}),
  });
  await tx.record({ event: "data.ingestion.reused", subject: ingestion.id, detail: { of: earlier.id } });
  return earlier.datasetId;
}

interface Batch {
  readonly ingestion: Ingestion;
  readonly contract: StoredContract;
  readonly sources: readonly SourceFile[];
  readonly sourceDigest: string;
}

/** A hundred times what three million rows took: beyond it the source or the contract is at fault. */
const splitTimeoutMs = 1_800_000;

async function splitBatch(deps: IngestionDeps, job: JobRun, batch: Batch): Promise<Split> {
  const { contract, sources } = batch;
  const folder = join(deps.workFolder, batch.ingestion.id);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  try {
    const references: Record<string, string> = {};
    for (const [name, digest] of Object.entries(contract.body.references))
      references[name] = await deps.objects.localPath(digest as Digest);
    const result = await deps.engine.run({
      statements: splitPlan({ contract: contract.body, sources, references, output: folder }),
      readable: [...sources.map((source) => source.path), ...Object.values(references)],
      workFolder: folder,
      timeoutMs: splitTimeoutMs,
      signal: job.signal,
      onProgress: (fraction, note) => void job.progress(fraction, note).catch(() => undefined),
    });
    // What was digested must be what was split, or the manifest would name bytes that nobody judged.
    if ((await digestSources(sources)) !== batch.sourceDigest)
      throw unreadable("a source changed while it was read", "Deliver files whole, then ingest them again.");
    const accepted = await deps.objects.putFile(join(folder, "accepted.parquet"));
    const quarantine = await deps.objects.putFile(join(folder, "quarantine.parquet"));
    const deadLetters = await deps.objects.putFile(join(folder, "dead-letter.parquet"));
    return {
      ...figuresOf(result),
      values: await batchValues(deps, job, contract.body, join(folder, "accepted.parquet")),
      object: accepted.digest,
      sizeBytes: accepted.sizeBytes,
      quarantine: quarantine.digest,
      deadLetterObject: deadLetters.digest,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Longer than any figure over a batch should take; a rule's query may be a runaway. */
const ruleTimeoutMs = 120_000;
/** A figure needs little disk; a cross join that somebody wrote would take all there is. */
const ruleSpillBytes = 2 ** 30;

/**
 * Figures of the contract's batch rules. A process of its own that can read the accepted rows and nothing else: rules may carry
 * SQL that somebody wrote, and neither the source, nor what was kept out, nor any other file is theirs to read.
 */
async function batchValues(
  deps: IngestionDeps,
  job: JobRun,
  contract: DataContract,
  accepted: string,
): Promise<number[]> {
  if (contract.batchRules.length === 0) return [];
  const workFolder = `${dirname(accepted)}-rules`;
  await mkdir(workFolder, { recursive: true });
  try {
    const result = await deps.engine.run({
      statements: [
        { sql: `create view accepted as select * from read_parquet(${quoteText(accepted)})` },
        ...contract.batchRules.map((rule, index) => ({
          sql: batchMetricSql(rule),
          returns: `batch_${index}`,
          note: `rule ${rule.name}`,
        })),
      ],
      readable: [accepted],
      workFolder,
      timeoutMs: ruleTimeoutMs,
      spillLimitBytes: ruleSpillBytes,
      outputLimitBytes: ruleSpillBytes,
      signal: job.signal,
    });
    return contract.batchRules.map((_, index) => Number(result.rows[`batch_${index}`]?.[0]?.["value"] ?? 0));
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}

function figuresOf(result: AnalysisResult) {
  const counts = result.rows["counts"]?.[0];
  const time = (name: string): number | null =>
    typeof counts?.[name] === "string" ? integerCell(counts, name) : null;
  return {
    accepted: integerCell(counts, "accepted"),
    quarantined: integerCell(counts, "quarantined"),
    deadLetters: integerCell(counts, "dead_letters"),
    minEventTime: time("min_event_time"),
    maxEventTime: time("max_event_time"),
    rules: Object.fromEntries(
      (result.rows["rules"] ?? []).map((row) => [String(row["rule"]), integerCell(row, "rows")]),
    ),
  };
}

interface Publication {
  readonly ingestion: Ingestion;
  readonly contract: StoredContract;
  readonly sourceDigest: string;
  readonly split: Split;
}

async function publish(
  deps: Pick<IngestionDeps, "artifacts">,
  tx: Transaction,
  publication: Publication,
): Promise<JsonObject> {
  const { ingestion, contract, sourceDigest, split } = publication;
  // Asked again in the very transaction that publishes: another worker may have split the same batch meanwhile.
  const earlier = await reuse(tx, ingestion, sourceDigest);
  if (earlier !== null) return { datasetId: earlier, reused: true };
  const { accepted, quarantined, deadLetters, rules } = split;
  const outcome = {
    source_digest: sourceDigest,
    counts: { accepted, quarantined, deadLetters },
    rules,
    quarantine: split.quarantine,
    dead_letters: split.deadLetterObject,
    finished_at: tx.now,
  };
  const figures = {
    accepted,
    quarantined,
    deadLetters,
    values: split.values,
    ...(split.maxEventTime === null ? {} : { maxEventTime: split.maxEventTime }),
  };
  await deps.artifacts.note(tx, ingestionPlace(ingestion), [
    { digest: split.quarantine, kind: "quarantine" },
    { digest: split.deadLetterObject, kind: "dead_letters" },
  ]);
  const verdict = judgeBatch(contract.body, figures, ingestion.asOf ?? tx.now);
  if (verdict.kind === "failed") {
    await updateIngestion(tx.sql, ingestion.id, { state: "refused", failures: verdict.failures, ...outcome });
    await tx.record({
      event: "data.ingestion.refused",
      subject: ingestion.id,
      detail: { failures: verdict.failures },
    });
    return { refused: true, failures: verdict.failures };
  }
  const manifest = manifestOf(tx, publication);
  await insertDataset(tx.sql, tx.call.actor.organisationId, manifest);
  await deps.artifacts.note(tx, ingestionPlace(ingestion), [{ digest: split.object, kind: "dataset" }]);
  await updateIngestion(tx.sql, ingestion.id, { state: "published", dataset_id: manifest.id, ...outcome });
  await tx.record({
    event: "data.dataset.published",
    subject: manifest.id,
    after: split.object as Digest,
    detail: { contract: contract.name, version: contract.version, accepted, quarantined, deadLetters },
  });
  return { datasetId: manifest.id, reused: false };
}

function manifestOf(
  tx: Transaction,
  { ingestion, contract, sourceDigest, split }: Publication,
): DatasetManifest {
  const { eventTime, columns } = contract.body;
  return {
    id: newId("dataset", tx.now),
    contract: contract.name,
    contractDigest: contract.digest,
    environment: ingestion.environment as Environment,
    ...(ingestion.useCaseId === undefined ? {} : { useCaseId: ingestion.useCaseId }),
    object: split.object,
    sizeBytes: split.sizeBytes,
    sourceDigest,
    rowCount: split.accepted,
    columns: columns.map(({ name, type }) => ({ name, type })),
    ...(eventTime === undefined ? {} : { eventTime }),
    ...(split.minEventTime === null ? {} : { minEventTime: split.minEventTime }),
    ...(split.maxEventTime === null ? {} : { maxEventTime: split.maxEventTime }),
    ingestionId: ingestion.id,
    publishedAt: tx.now,
  };
}
