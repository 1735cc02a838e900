import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  asPlace,
  type Digest,
  digestJson,
  type EnvironmentPlace,
  type JobEnd,
  type JobHandler,
  type JobRun,
  type JsonObject,
  locate,
  PortolanError,
  type Sql,
  type Transaction,
} from "@portolan/kernel";
import type { DataContract } from "../contracts/contract-model.ts";
import { getContract, type StoredContract } from "../contracts/contract-store.ts";
import type { DataClass } from "../data-class.ts";
import type { DataErrorCode } from "../errors.ts";
import {
  counterpartFiles,
  type FoundCounterparts,
  findCounterparts,
  missingCounterparts,
} from "../judging/find-counterparts.ts";
import { judgeFiles } from "../judging/judge-files.ts";
import { raiseNotices } from "../notices/notices.ts";
import { digestFile } from "../sources/digest-file.ts";
import { locateSources, unreadable } from "../sources/locate-sources.ts";
import {
  missingColumns,
  type ObservedColumn,
  observeSources,
  withColumns,
  withDialects,
} from "../sources/observe-sources.ts";
import { type RelationPlaces, readRelations } from "../sources/read-relations.ts";
import type { SourceFile } from "../sources/source-plan.ts";
import { ingestQueue } from "./begin-ingestion.ts";
import {
  closeIngestion,
  findIngestion,
  type StoredIngestion as Ingestion,
  updateIngestion,
} from "./ingestion-store.ts";
import { publishBatch, refuseUnread, reuseBatch, type Split } from "./publish-batch.ts";
import { ingestionPlace } from "./read-ingestion.ts";
import type { IngestionDeps } from "./start-ingestion.ts";

export type IngestJobDeps = IngestionDeps & RelationPlaces;

/**
 * Ingests one batch: read what other systems have, digest the sources, split, judge, publish. Each step resumes after a crash; publication and its
 * ledger row are one transaction, so a batch is visible whole or not at all.
 */
export function ingestJob(deps: IngestJobDeps): JobHandler {
  return { queue: ingestQueue, retries: 2, run: (job) => runIngestion(deps, job), abandoned };
}

async function abandoned(tx: Transaction, { payload, state, reason }: JobEnd): Promise<void> {
  const { ingestionId: id } = payload as { ingestionId: string };
  if (!(await closeIngestion(tx.sql, id, { state, reason, now: tx.now }))) return;
  await tx.record({ event: `data.ingestion.${state}`, subject: id });
  const { organisationId } = tx.call.actor;
  const ingestion = state === "failed" ? await findIngestion(tx.sql, organisationId, id) : undefined;
  if (!ingestion) return;
  const contract = await getContract(tx.sql, organisationId, ingestion.contractId);
  const reasons = ["its worker ended at the last attempt"];
  await raiseNotices(tx, { kind: "failed", ingestion, contract, reasons });
}

/** Where a batch failed, in names that are ours or the contract's: the engine's own words may quote a row. */
function failedAt(error: unknown, { batchRules }: DataContract): string {
  if (!(error instanceof PortolanError)) return "it failed by an internal fault";
  const rule = batchRules.find(({ name }) => error.detail?.startsWith(`rule ${name}: `));
  return `it failed with ${error.code}${rule ? ` in the rule ${rule.name}` : ""}`;
}

async function runIngestion(deps: IngestJobDeps, job: JobRun): Promise<JsonObject> {
  const payload = job.payload["ingestionId"];
  const id = typeof payload === "string" ? payload : "";
  const organisationId = job.call.actor.organisationId;
  const { ingestion, contract, before } = await deps.uow.read(job.call, async (sql) => {
    const found = await findIngestion(sql, organisationId, id);
    if (!found)
      throw new PortolanError<DataErrorCode>("data.ingestion_not_found", { detail: `there is no ${id}` });
    const first = found.replayOf && (await findIngestion(sql, organisationId, found.replayOf));
    return {
      ingestion: found,
      contract: await getContract(sql, organisationId, found.contractId),
      ...(first ? { before: await readBefore(sql, organisationId, first) } : {}),
    };
  });
  try {
    const at = await workPlace(deps, job, ingestion);
    const { sources } = ingestion;
    const copies = await readRelations(deps, job, at, { sources, contract: contract.body });
    const files = await locateSources(deps, { call: job.call, at, begun: true }, sources, copies);
    const located = files.map((file) => (before ? { ...file, before: before.columns } : file));
    const lost = before?.lost;
    const counterparts = await lookUpIn(job, at, { ingestion, contract: contract.body });
    const apart = { ...(lost ? { lost } : {}), ...(counterparts ? { counterparts } : {}) };
    const sourceDigest = await job.effect("digest sources", () => digestSources(located, apart));
    const earlier = await job.step("look for the same batch", async (tx) => {
      const found = await reuseBatch(tx, ingestion, sourceDigest);
      if (found === null) await updateIngestion(tx.sql, ingestion.id, { state: "running" });
      return found;
    });
    if (earlier !== null) return { datasetId: earlier, reused: true };
    const batch = { ingestion, contract, sourceDigest, ...(counterparts ? { counterparts } : {}) };
    return await takeBatch(deps, job, { ...batch, sources: located, ...(before ? { before } : {}) });
  } catch (error) {
    // A failure that will be tried again is none yet: whoever waits for this ingestion would give up too early.
    if (job.signal.aborted || !job.finalAttempt) throw error;
    await deps.uow.write(job.call, async (tx) => {
      const failure = error instanceof Error ? error.message.slice(0, 500) : "failed";
      await updateIngestion(tx.sql, id, { state: "failed", failures: [failure], finished_at: tx.now });
      await raiseNotices(tx, {
        kind: "failed",
        ingestion,
        contract,
        reasons: [failedAt(error, contract.body)],
      });
      await tx.record({ event: "data.ingestion.failed", subject: id });
    });
    throw error;
  }
}

/** What the batch's foreign keys are looked up in, the same through restarts; undefined where it has none. */
async function lookUpIn(
  job: JobRun,
  at: EnvironmentPlace,
  { ingestion, contract }: { readonly ingestion: Ingestion; readonly contract: DataContract },
): Promise<FoundCounterparts | undefined> {
  if (!contract.relationships) return undefined;
  const { referencesAt: moment } = ingestion;
  return job.step("look up relationships", (tx) =>
    findCounterparts(tx.sql, tx.call.actor.organisationId, at, { contract, moment }),
  );
}

/** Looks at a batch, splits and publishes it; or refuses it unread. */
async function takeBatch(
  deps: IngestJobDeps,
  job: JobRun,
  { sources: located, before, ...batch }: Omit<Batch, "lost"> & { readonly before?: Before },
): Promise<JsonObject> {
  const { ingestion, contract } = batch;
  const lost = before?.lost;
  const seen = await observe(deps, job, contract.body, located);
  const dataClass = seen.dataClass ?? before?.dataClass;
  const failures = [...seen.failures, ...misplaced(dataClass, ingestion)];
  if (failures.length > 0)
    return await job.step("refuse", (tx) => refuseUnread(tx, batch, seen.columns, failures));
  const found = await job.effect("split", () =>
    splitBatch(deps, job, { ...batch, sources: seen.sources, ...(lost ? { lost } : {}) }),
  );
  const split = {
    ...found,
    ...(lost ? { deadLetters: lost.lines, deadLetterObject: lost.object } : {}),
    unfound: missingCounterparts(batch.counterparts ?? {}),
  };
  return await job.step("publish", (tx) =>
    publishBatch(deps, tx, {
      ...batch,
      split,
      observed: seen.columns,
      ...(dataClass ? { dataClass } : {}),
    }),
  );
}

/** What was made for research has no place where decisions about people are made. */
function misplaced(dataClass: DataClass | undefined, { environment }: Ingestion): string[] {
  return dataClass === "research" && environment === "production"
    ? ["it is de-identified research data, which never reaches production"]
    : [];
}

async function workPlace(deps: IngestionDeps, job: JobRun, ingestion: Ingestion): Promise<EnvironmentPlace> {
  const place = await locate(deps.places, job.call.actor.organisationId, asPlace(ingestion));
  return { ...ingestionPlace(ingestion), ...place };
}

/** Lines of a batch that were no rows when it first came: nothing judges them again, and they count as bad all the same. */
interface LostLines {
  readonly lines: number;
  /** The object that holds them. */
  readonly object: string;
}

interface Before {
  readonly columns: DataContract["columns"];
  readonly lost?: LostLines;
  readonly dataClass?: DataClass;
}

/** What the first ingestion of a batch says about the rows that it left. */
async function readBefore(
  sql: Sql,
  organisationId: string,
  { contractId, counts, deadLetters, dataClass }: Ingestion,
): Promise<Before> {
  const { columns } = (await getContract(sql, organisationId, contractId)).body;
  const lines = counts?.deadLetters ?? 0;
  return {
    columns,
    ...(lines > 0 && deadLetters !== undefined ? { lost: { lines, object: deadLetters } } : {}),
    ...(dataClass ? { dataClass } : {}),
  };
}

/** What two batches with the same rows may differ in. */
type Apart = Pick<Batch, "lost" | "counterparts">;

/** Two batches with the same rows are not the same where one of them has lost lines, or refers to other rows. */
async function digestSources(
  sources: readonly SourceFile[],
  { lost, counterparts = {} }: Apart,
): Promise<string> {
  const parts: JsonObject[] = [];
  for (const source of sources) parts.push({ format: source.format, digest: await digestFile(source.path) });
  if (lost) parts.push({ format: "dead_letters", digest: lost.object });
  for (const [name, found] of Object.entries(counterparts))
    parts.push({ format: "counterpart", contract: name, digest: found?.object ?? "" });
  return digestJson(parts);
}

/** What the files are: how CSV is written, which columns there are, and whether the batch can be read at all. */
async function observe(
  deps: IngestionDeps,
  job: JobRun,
  contract: DataContract,
  located: readonly SourceFile[],
): Promise<{ sources: SourceFile[]; columns: ObservedColumn[]; failures: string[]; dataClass?: DataClass }> {
  const dialects = await withDialects(located, contract.columns);
  await mkdir(deps.workFolder, { recursive: true });
  const workFolder = await mkdtemp(join(deps.workFolder, "look-"));
  try {
    const { columns, ...said } = await observeSources(deps.engine, dialects, workFolder, job.signal);
    return {
      ...said,
      sources: withColumns(dialects, columns),
      columns: columns.flat(),
      failures: missingColumns(contract, dialects, columns),
    };
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}

interface Batch {
  readonly ingestion: Ingestion;
  readonly contract: StoredContract;
  readonly sources: readonly SourceFile[];
  readonly sourceDigest: string;
  readonly lost?: LostLines;
  /** What foreign keys are looked up in; absent where the contract has none. */
  readonly counterparts?: FoundCounterparts;
}

async function splitBatch(deps: IngestionDeps, job: JobRun, batch: Batch): Promise<Split> {
  const { contract, sources, counterparts = {} } = batch;
  const folder = join(deps.workFolder, batch.ingestion.id);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  try {
    const references: Record<string, string> = {};
    for (const [name, digest] of Object.entries(contract.body.references))
      references[name] = await deps.objects.localPath(digest as Digest);
    const figures = await judgeFiles(deps.engine, {
      contract: contract.body,
      sources,
      references,
      counterparts: await counterpartFiles(deps.objects, counterparts),
      // The same through restarts, and in a replay what it was at first.
      asOf: batch.ingestion.asOf ?? batch.ingestion.startedAt,
      folder,
      signal: job.signal,
      onProgress: (fraction, note) => void job.progress(fraction, note).catch(() => undefined),
    });
    // What was digested must be what was split, or the manifest would name bytes that nobody judged.
    if ((await digestSources(sources, batch)) !== batch.sourceDigest)
      throw unreadable("a source changed while it was read", "Deliver files whole, then ingest them again.");
    const accepted = await deps.objects.putFile(join(folder, "accepted.parquet"));
    const quarantine = await deps.objects.putFile(join(folder, "quarantine.parquet"));
    const deadLetters = await deps.objects.putFile(join(folder, "dead-letter.parquet"));
    return {
      ...figures,
      object: accepted.digest,
      sizeBytes: accepted.sizeBytes,
      quarantine: quarantine.digest,
      deadLetterObject: deadLetters.digest,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
