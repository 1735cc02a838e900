import { type Digest, type Environment, type JsonObject, newId, type Transaction } from "@portolan/kernel";
import type { DataContract } from "../contracts/contract-model.ts";
import type { StoredContract } from "../contracts/contract-store.ts";
import type { DataClass } from "../data-class.ts";
import { insertDataset } from "../datasets/dataset-store.ts";
import { judgeBatch } from "../judging/batch-metrics.ts";
import type { FoundCounterparts } from "../judging/find-counterparts.ts";
import type { FileFigures } from "../judging/judge-files.ts";
import { type Occasion, raiseNotices } from "../notices/notices.ts";
import type { DatasetManifest } from "../resources.ts";
import { type ObservedColumn, type SchemaDrift, schemaDrift } from "../sources/observe-sources.ts";
import {
  findIngestion,
  findSameIngestion,
  type StoredIngestion as Ingestion,
  lastObserved,
  updateIngestion,
} from "./ingestion-store.ts";
import { ingestionPlace } from "./read-ingestion.ts";
import type { IngestionDeps } from "./start-ingestion.ts";

/** What the split left behind; recorded as the step's result, so that a restart does not split again. */
export type Split = FileFigures & {
  readonly object: string;
  readonly sizeBytes: number;
  readonly quarantine: string;
  readonly deadLetterObject: string;
  /** Contracts that relationships name and that have published nothing, in sentences; absent before relationships were enforced. */
  readonly unfound?: readonly string[];
};

interface Judged {
  /** What foreign keys are looked up in. */
  readonly counterparts?: FoundCounterparts;
  readonly ingestion: Ingestion;
  readonly contract: StoredContract;
  readonly sourceDigest: string;
}

interface Publication extends Judged {
  readonly split: Split;
  readonly observed: readonly ObservedColumn[];
  readonly dataClass?: DataClass;
}

/** Answers with the dataset of an earlier ingestion of the same bytes, as long as it is the newest of its place, or null. */
export async function reuseBatch(
  tx: Transaction,
  ingestion: Ingestion,
  sourceDigest: string,
): Promise<string | null> {
  const earlier = await findSameIngestion(tx.sql, {
    organisationId: tx.call.actor.organisationId,
    contractId: ingestion.contractId,
    environment: ingestion.environment,
    sourceDigest,
    ...(ingestion.useCaseId === undefined ? {} : { useCaseId: ingestion.useCaseId }),
    // A replay keeps the place of the batch whose rows it judges again, however many came since.
    ...(ingestion.replayOf === undefined ? { newestOf: ingestion.contract } : {}),
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

/** Refuses a batch that could not be read at all, such as one without a column that every row needs. */
export async function refuseUnread(
  tx: Transaction,
  { ingestion, contract, sourceDigest }: Judged,
  observed: readonly ObservedColumn[],
  failures: readonly string[],
): Promise<JsonObject> {
  const { drift } = await driftOf(tx, ingestion, contract, observed);
  await updateIngestion(tx.sql, ingestion.id, {
    state: "refused",
    source_digest: sourceDigest,
    failures,
    observed,
    drift,
    finished_at: tx.now,
  });
  return refused(tx, { kind: "refused", ingestion, contract, reasons: failures });
}

async function refused(tx: Transaction, occasion: Occasion): Promise<JsonObject> {
  const { ingestion, reasons: failures } = occasion;
  await raiseNotices(tx, occasion);
  await tx.record({
    event: "data.ingestion.refused",
    subject: ingestion.id,
    detail: { failures: [...failures] },
  });
  return { refused: true, failures: [...failures] };
}

async function driftOf(
  tx: Transaction,
  ingestion: Ingestion,
  contract: StoredContract,
  observed: readonly ObservedColumn[],
): Promise<{ readonly drift: SchemaDrift; readonly news: SchemaDrift }> {
  const before = await lastObserved(tx.sql, {
    organisationId: tx.call.actor.organisationId,
    contract: ingestion.contract,
    environment: ingestion.environment,
    ...(ingestion.useCaseId === undefined ? {} : { useCaseId: ingestion.useCaseId }),
  });
  const drift = schemaDrift(contract.body, [observed], before);
  const had = new Set(before?.map(({ name }) => name));
  // What was so in the batch before has been told.
  const news = before
    ? {
        ...drift,
        added: drift.added.filter((name) => !had.has(name)),
        missing: drift.missing.filter((name) => had.has(name)),
      }
    : drift;
  return { drift, news };
}

/** Judges a batch that was split, and publishes it whole or not at all: state, artifacts and ledger row in one transaction. */
export async function publishBatch(
  deps: Pick<IngestionDeps, "artifacts" | "followDataset">,
  tx: Transaction,
  publication: Publication,
): Promise<JsonObject> {
  const { ingestion, contract, sourceDigest, split, observed } = publication;
  // Asked again in the very transaction that publishes: another worker may have split the same batch meanwhile.
  const earlier = await reuseBatch(tx, ingestion, sourceDigest);
  if (earlier !== null) return { datasetId: earlier, reused: true };
  const { accepted, quarantined, deadLetters, values, dangling, maxEventTime } = split;
  const at = maxEventTime === null ? {} : { maxEventTime };
  const figures = { accepted, quarantined, deadLetters, values, ...(dangling ? { dangling } : {}), ...at };
  const verdict = judgeBatch(contract.body, figures, ingestion.asOf ?? tx.now);
  const place = ingestionPlace(ingestion);
  await deps.artifacts.note(tx, place, [
    { digest: split.quarantine, kind: "quarantine" },
    { digest: split.deadLetterObject, kind: "dead_letters" },
    // What is refused is held like quarantine: nobody reads it as a dataset, and a replay finds the rows.
    { digest: split.object, kind: verdict.kind === "failed" ? "quarantine" : "dataset" },
  ]);
  // Rows that are judged again come from nowhere new.
  const seen =
    ingestion.replayOf === undefined ? await driftOf(tx, ingestion, contract, observed) : undefined;
  const outcome = outcomeOf(tx, publication, [...(split.unfound ?? []), ...verdict.warnings], seen?.drift);
  if (verdict.kind === "failed") {
    const { failures } = verdict;
    const withheld = split.object;
    await updateIngestion(tx.sql, ingestion.id, { state: "refused", failures, withheld, ...outcome });
    const { counts, rules } = outcome;
    return refused(tx, { kind: "refused", ingestion, contract, reasons: failures, counts, rules });
  }
  const manifest = manifestOf(tx, publication, await batchAtOf(tx, ingestion));
  await insertDataset(tx.sql, tx.call.actor.organisationId, manifest);
  await deps.followDataset?.(tx, manifest);
  await updateIngestion(tx.sql, ingestion.id, { state: "published", dataset_id: manifest.id, ...outcome });
  await tx.record({
    event: "data.dataset.published",
    subject: manifest.id,
    after: split.object as Digest,
    detail: {
      contract: contract.name,
      version: contract.version,
      accepted,
      quarantined,
      deadLetters,
      ...(publication.dataClass ? { dataClass: publication.dataClass } : {}),
      ...referredTo(publication),
    },
  });
  const occasion = occasionOf(publication, seen?.news);
  if (occasion) await raiseNotices(tx, occasion);
  return { datasetId: manifest.id, reused: false };
}

/** Which datasets its foreign keys were looked up in, for the ledger. */
function referredTo({ counterparts }: Publication): JsonObject {
  if (!counterparts) return {};
  const datasets = Object.entries(counterparts).map(([name, found]) => [name, found?.dataset ?? null]);
  return { counterparts: Object.fromEntries(datasets) as JsonObject };
}

function outcomeOf(
  tx: Transaction,
  { sourceDigest, split, observed, dataClass }: Publication,
  warnings: readonly string[],
  drift: SchemaDrift | undefined,
) {
  const { accepted, quarantined, deadLetters, rules, nulls, elapsedMs, maxEventTime } = split;
  return {
    source_digest: sourceDigest,
    counts: { accepted, quarantined, deadLetters },
    rules,
    warnings,
    observed,
    ...(drift ? { drift } : {}),
    nulls,
    elapsed_ms: elapsedMs,
    ...(maxEventTime === null ? {} : { max_event_time: maxEventTime }),
    quarantine: split.quarantine,
    dead_letters: split.deadLetterObject,
    ...(dataClass ? { data_class: dataClass } : {}),
    finished_at: tx.now,
  };
}

/** What owners have to know of a batch that was published all the same. */
function occasionOf(
  { ingestion, contract, split }: Publication,
  drift: SchemaDrift | undefined,
): Occasion | undefined {
  const { accepted, quarantined, deadLetters, rules } = split;
  const reasons = [
    ...(quarantined > 0 ? [`${quarantined} rows are in quarantine`] : []),
    ...(deadLetters > 0 ? [`${deadLetters} lines are no rows`] : []),
    ...driftReasons(drift, contract.body),
  ];
  if (reasons.length === 0) return undefined;
  const counts = { accepted, quarantined, deadLetters };
  const kind = quarantined + deadLetters > 0 ? "quarantined" : "drift";
  return { kind, ingestion, contract, reasons, counts, rules };
}

/** Names only columns that the contract knows: of a file without a header, others are its first row. */
function driftReasons(drift: SchemaDrift | undefined, { columns }: DataContract): string[] {
  const { added = [], missing = [], changed = [] } = drift ?? {};
  const known = new Set(columns.map(({ source }) => source.toLowerCase()));
  const changes = changed.filter(({ column }) => known.has(column.toLowerCase()));
  return [
    ...(added.length > 0 ? [`the source has columns that the contract does not know (${added.length})`] : []),
    ...(missing.length > 0 ? [`the source lacks columns of the contract: ${missing.join(", ")}`] : []),
    ...changes.map(({ column, before, after }) => `${column} was ${before} and is ${after}`),
  ];
}

/** When a batch first came to its end: now, or then if its rows are judged again. */
async function batchAtOf(tx: Transaction, ingestion: Ingestion): Promise<number> {
  let first = ingestion;
  while (first.replayOf !== undefined) {
    const before = await findIngestion(tx.sql, tx.call.actor.organisationId, first.replayOf);
    if (!before) break;
    first = before;
  }
  return first === ingestion ? tx.now : (first.finishedAt ?? first.startedAt);
}

function manifestOf(
  tx: Transaction,
  { ingestion, contract, sourceDigest, split, dataClass }: Publication,
  batchAt: number,
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
    batchAt,
    ...(dataClass ? { dataClass } : {}),
  };
}
