import { opensAt } from "@portolan/capacity/policy";
import {
  asEpochMicros,
  type Digest,
  digestJson,
  formatMoney,
  isPortolanError,
  JobDeferred,
  type JobEnd,
  type JobHandler,
  type JobRun,
  type JsonObject,
  multiplyMoney,
  PortolanError,
  parseDigest,
  type Transaction,
} from "@portolan/kernel";
import { admitScoring, stepAside } from "./admit-scoring.ts";
import type { ScoredManifest, Scoring, ScoringPlan, ScoringRequest } from "./contract.ts";
import type { ScoringErrorCode } from "./errors.ts";
import { tryWithinLimit } from "./limited-try.ts";
import { type MergedChunks, mergeChunks } from "./merge-chunks.ts";
import type { ScoredChunk } from "./ports.ts";
import {
  chunkRows,
  planScoring,
  questionOf,
  type Resolved,
  requireStillAllowed,
  type ScoringDeps,
  scoringQueue,
} from "./start-scoring.ts";
import { closeRun, findRun, findSnapshot, finishRun, insertChunk, isRunning, markRunning } from "./store.ts";
import { type ChunkTry, endTry } from "./try-store.ts";
import { WatchedScoring } from "./watched-scoring.ts";

/** Until a server that was away is asked again. */
const upstreamPauseMicros = 30_000_000;

/**
 * Scores a snapshot chunk by chunk. What scores is pinned first; a chunk's rows, its record and its ledger leaf are one
 * transaction; the snapshot becomes visible whole. After `kill -9` the chunk that was under way is scored again, to the same bytes.
 */
export function scoringJob(deps: ScoringDeps): JobHandler {
  return {
    queue: scoringQueue,
    retries: 2,
    run: (job) => runScoring(deps, job).catch((error: unknown) => settled(deps, job, error)),
    abandoned: (tx, end) => abandoned(deps, tx, end),
  };
}

async function abandoned(
  { admission }: Pick<ScoringDeps, "admission">,
  tx: Transaction,
  { payload, state, reason }: JobEnd,
): Promise<void> {
  const { scoringId: id } = payload as { scoringId: string };
  const refused = await admission?.refusal(tx.sql, id);
  if (await closeRun(tx.sql, id, { state, reason: refused ?? reason, now: tx.now }))
    await tx.record({ event: `scoring.run.${state}`, subject: id });
  await admission?.release(tx, id);
}

/** What another try would not change is how it ended. */
async function settled(deps: ScoringDeps, job: JobRun, error: unknown): Promise<JsonObject> {
  if (!isPortolanError(error) || error.code !== ("scoring.time_limit_passed" satisfies ScoringErrorCode))
    throw error;
  const { scoringId: id } = job.payload as { scoringId: string };
  const reason = error.message;
  await job.step("fail", async (tx) => {
    if (await closeRun(tx.sql, id, { state: "failed", reason, now: tx.now }))
      await tx.record({ event: "scoring.run.failed", subject: id });
    await deps.admission?.release(tx, id);
    return null;
  });
  return { scoringId: id, failed: reason };
}

async function runScoring(deps: ScoringDeps, job: JobRun): Promise<JsonObject> {
  const asked = await readRun(deps, job);
  const pinned = await pin(deps, job, asked);
  // What the manifest says is what scored, not what was foreseen.
  const scoring = { ...asked, plan: pinned.plan };
  const chunks: KeptChunk[] = [];
  const watched = new WatchedScoring(deps, job, scoring.id);
  for (let at = 0; at < scoring.plan.chunks; at++) {
    const workedMicros = totalOf(chunks, (chunk) => chunk.workedMicros ?? 0);
    const chunk = await scoreChunk(deps, job, { scoring, pinned, watched, at, workedMicros });
    chunks.push(chunk);
    const rows = Math.min((at + 1) * chunkRows, scoring.plan.rows);
    await job.progress(0.95 * (rows / scoring.plan.rows), `${rows} of ${scoring.plan.rows} rows`);
  }
  const merged = await job.effect("merge", () =>
    mergeChunks(deps, { id: scoring.id, rows: scoring.plan.rows, chunks }, job.signal),
  );
  const cost = await costOf(deps, job, scoring, chunks);
  return job.step("publish", async (tx) => {
    const manifest = manifestOf(scoring, chunks, merged, cost);
    await publish(deps, tx, scoring, manifest);
    return {
      scoringId: scoring.id,
      object: manifest.object,
      rows: manifest.rows,
      refusedRows: manifest.refusedRows,
    };
  });
}

async function readRun(deps: ScoringDeps, job: JobRun): Promise<Scoring> {
  const { scoringId: id } = job.payload as { scoringId: string };
  const { organisationId } = job.call.actor;
  const found = await deps.work.read(job.call, (sql) => findRun(sql, organisationId, id));
  if (!found)
    throw new PortolanError<ScoringErrorCode>("scoring.not_found", { detail: `there is no scoring ${id}` });
  return found.scoring;
}

/** What scores, as it was when the job began: a deployment meanwhile must not make half of a snapshot another version's. */
async function pin(deps: ScoringDeps, job: JobRun, scoring: Scoring): Promise<Resolved> {
  const pinned = await job.effect("pin", () => resolve(deps, job, scoring));
  await admitScoring(deps, job, scoring);
  await job.step("begin", async (tx) => {
    await markRunning(tx.sql, scoring.id);
    return null;
  });
  const [asked, now] = [scoring.plan, pinned.plan].map(({ model, dataset }) =>
    digestJson({ model, dataset }),
  );
  if (asked === now) return pinned;
  throw new PortolanError<ScoringErrorCode>("scoring.target_unknown", {
    detail: "another version was deployed between the request and its start",
    mend: "Start the scoring again.",
  });
}

function resolve(deps: ScoringDeps, job: JobRun, { request }: Scoring): Promise<Resolved> {
  return planScoring(deps, job.call, questionOf(request));
}

interface Chunk {
  readonly scoring: Scoring;
  readonly pinned: Resolved;
  readonly watched: WatchedScoring;
  readonly at: number;
  /** Of the chunks before it. */
  readonly workedMicros: number;
}

/** A chunk as the job keeps it, with the time that it took; absent of those from before that was kept. */
type KeptChunk = ScoredChunk & { readonly workedMicros?: number; readonly counted?: ChunkTry };

async function scoreChunk(
  deps: ScoringDeps,
  job: JobRun,
  { scoring, pinned, watched, at, workedMicros }: Chunk,
): Promise<KeptChunk> {
  const { plan, request, id } = scoring;
  const from = at * chunkRows;
  const chunk: KeptChunk = await job.effect(`score ${at}`, async () => {
    await requireWindow(deps, job, scoring, from / plan.rows);
    await admitScoring(deps, job, scoring);
    // What the charter has taken away since the last chunk counts from here on.
    await requireStillAllowed(deps, job.call, request, pinned);
    const { model, dataset } = plan;
    const { upstream } = pinned;
    const asked = {
      model: digestOf(model.digest),
      dataset: digestOf(dataset.object),
      plan: pinned.inputs,
      keys: plan.keys,
      from,
      rows: Math.min(chunkRows, plan.rows - from),
      label: `${model.name}/${model.version}`,
      ...(upstream ? { upstream } : {}),
    };
    const { scored, ...tried } = await watched
      .chunk(job.signal, (signal, onUsed) =>
        tryWithinLimit(
          deps,
          job.call,
          { runId: id, chunk: at, request, workedMicros, signal },
          async (within) => {
            const done = await deps.scorer.score(asked, within, onUsed);
            if (!upstream) onUsed({ cpuMicros: Math.round(done.cpuSeconds * 1e6) });
            return done;
          },
        ),
      )
      .catch((error: unknown) => putOff(deps, job, { id, fraction: from / plan.rows }, error));
    return { ...scored, ...tried };
  });
  await keepChunk(deps, job, scoring, { at, chunk });
  return chunk;
}

/** Its rows, its record and its ledger leaf, in one transaction. */
async function keepChunk(
  deps: ScoringDeps,
  job: JobRun,
  scoring: Scoring,
  { at, chunk }: { readonly at: number; readonly chunk: KeptChunk },
): Promise<void> {
  const { id, request } = scoring;
  const from = at * chunkRows;
  await job.step(`keep ${at}`, async (tx) => {
    await requireRunning(tx, scoring);
    const { object, rows, refused, cpuSeconds, bytes } = chunk;
    const cpu_micros = Math.round(cpuSeconds * 1e6);
    await insertChunk(tx.sql, {
      run_id: id,
      chunk: at,
      first_row: from,
      rows,
      refused,
      object,
      cpu_micros,
      scored_at: tx.now,
      bytes_in: bytes?.in ?? null,
      bytes_out: bytes?.out ?? null,
    });
    if (chunk.counted) await endTry(tx.sql, chunk.counted);
    await deps.artifacts.note(tx, placeOf(scoring), [{ digest: object, kind: "scored_snapshot" }]);
    await deps.recordBatch(tx, {
      event: "scoring.chunk.scored",
      subject: id,
      digest: object,
      count: rows,
      key: `scoring:${id}:${at}`,
      detail: { environment: request.environment, from, refused },
    });
    return null;
  });
}

/**
 * A server elsewhere that does not answer fails no scoring: its job makes way for others, and asks again with the chunk that was under
 * way. What the charter takes away meanwhile ends it then.
 */
async function putOff(
  deps: ScoringDeps,
  job: JobRun,
  { id, fraction }: { readonly id: string; readonly fraction: number },
  error: unknown,
): Promise<never> {
  if (!isPortolanError(error) || error.code !== "scoring.upstream_away") throw error;
  const note = `waits for the upstream: ${error.detail ?? error.message}`;
  await job.progress(0.95 * fraction, note);
  const until = asEpochMicros(deps.clock.now() + upstreamPauseMicros);
  await stepAside(deps, job, id, until);
  throw new JobDeferred(until, note);
}

/** @throws JobDeferred outside the windows: a batch that waits keeps no other from running */
async function requireWindow(
  deps: ScoringDeps,
  job: JobRun,
  { id, request }: Scoring,
  fraction: number,
): Promise<void> {
  const until = opensAt(request, deps.clock.now());
  if (until === undefined) return;
  const note = "waits for its window";
  await job.progress(0.95 * fraction, note);
  await stepAside(deps, job, id, until);
  throw new JobDeferred(until, note);
}

async function costOf(
  deps: ScoringDeps,
  job: JobRun,
  { plan }: Scoring,
  chunks: readonly ScoredChunk[],
): Promise<ScoredManifest["cost"]> {
  const prices = await deps.prices.of(job.call, plan.useCaseId);
  if (!prices || plan.rows === 0) return null;
  const { cpuHour, realTimeCpuMs } = prices;
  const micros = BigInt(Math.round(1e6 * totalOf(chunks, ({ cpuSeconds }) => cpuSeconds)));
  const hour = 3_600_000_000n;
  return {
    perThousandRows: formatMoney(multiplyMoney(cpuHour, micros * 1000n, hour * BigInt(plan.rows))),
    perThousandRealTime: formatMoney(multiplyMoney(cpuHour, BigInt(Math.round(realTimeCpuMs * 1e6)), hour)),
    cpuHour: formatMoney(cpuHour),
    realTimeCpuMs,
  };
}

function manifestOf(
  { id, request, plan }: Scoring,
  chunks: readonly ScoredChunk[],
  { object, sizeBytes }: MergedChunks,
  cost: ScoredManifest["cost"],
): ScoredManifest {
  return {
    id,
    name: request.out,
    object,
    sizeBytes,
    rows: totalOf(chunks, ({ rows }) => rows),
    refusedRows: totalOf(chunks, ({ refused }) => refused),
    plan,
    chunks: chunks.map(({ rows, object: part }) => ({ rows, object: part })),
    rowsPerRun: Math.min(...chunks.map(({ rowsPerRun }) => rowsPerRun)),
    cpuSeconds: totalOf(chunks, ({ cpuSeconds }) => cpuSeconds),
    cost,
    ...upstreamOf(plan, request, chunks),
    ...bytesOf(chunks),
  };
}

/** One chunk that nobody counted leaves the sum unknown. */
function bytesOf(chunks: readonly ScoredChunk[]): Pick<ScoredManifest, "bytes"> {
  const counted = chunks.flatMap(({ bytes }) => bytes ?? []);
  if (counted.length < chunks.length) return {};
  const bytes = { in: 0, out: 0 };
  for (const one of counted) {
    bytes.in += one.in;
    bytes.out += one.out;
  }
  return { bytes };
}

function upstreamOf(
  plan: ScoringPlan,
  { upstreamCost }: ScoringRequest,
  chunks: readonly ScoredChunk[],
): Pick<ScoredManifest, "upstream"> {
  if (!plan.upstream) return {};
  const requests = totalOf(chunks, ({ upstream }) => upstream?.requests ?? 0);
  const busySeconds = totalOf(chunks, ({ upstream }) => upstream?.busyMicros ?? 0) / 1e6;
  return { upstream: { requests, busySeconds, perThousandRows: upstreamCost ?? null } };
}

async function publish(
  { artifacts, admission }: ScoringDeps,
  tx: Transaction,
  scoring: Scoring,
  manifest: ScoredManifest,
): Promise<void> {
  await requireRunning(tx, scoring);
  await finishRun(tx.sql, scoring.id, manifest, tx.now);
  await admission?.release(tx, scoring.id);
  await artifacts.note(tx, placeOf(scoring), [{ digest: manifest.object, kind: "scored_snapshot" }]);
  const { model, dataset, charter, access } = manifest.plan;
  await tx.record({
    event: "scoring.snapshot.published",
    subject: scoring.id,
    after: manifest.object as Digest,
    detail: {
      name: manifest.name,
      rows: manifest.rows,
      refused: manifest.refusedRows,
      model: model.digest,
      data: dataset.object,
      charter: charter?.digest ?? null,
      ...(access ? { access } : {}),
    },
  });
}

/**
 * What an erasure withdrew must not come back by what was scored before it, nor rows by bytes that were read before they were others: an order that
 * looked meanwhile did not see what is only kept now.
 */
async function requireRunning(tx: Transaction, { id, plan: { dataset } }: Scoring): Promise<void> {
  if (!(await isRunning(tx.sql, id)))
    throw new PortolanError("kernel.conflict", {
      detail: `the scoring ${id} was withdrawn while it ran`,
      mend: "Score it again.",
    });
  const now = await findSnapshot(tx.sql, tx.call.actor.organisationId, dataset.id);
  if (now?.object !== dataset.object)
    throw new PortolanError("kernel.conflict", {
      detail: `rows of ${dataset.id} that the scoring ${id} read are gone since`,
      mend: "Score it again, what is left.",
    });
}

/** The narrowest place: scores are as sensitive as what they were made of. */
function placeOf({ request, plan }: Scoring) {
  return { environment: request.environment, useCaseId: plan.useCaseId };
}

function totalOf<Chunk>(chunks: readonly Chunk[], of: (chunk: Chunk) => number): number {
  return chunks.reduce((sum, chunk) => sum + of(chunk), 0);
}

function digestOf(text: string): Digest {
  const digest = parseDigest(text);
  if (!digest) throw new PortolanError("kernel.internal", { detail: `${text.slice(0, 80)} is no digest` });
  return digest;
}
