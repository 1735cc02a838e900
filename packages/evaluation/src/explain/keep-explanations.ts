import {
  type CallContext,
  type Clock,
  digestJson,
  isPortolanError,
  messageOf,
  parseDigest,
  parseId,
  type RecordBatch,
  type Transaction,
} from "@portolan/kernel";
import type { BlockAddress, StoredPrediction } from "@portolan/predictions/contract";
import { recordedAnswer, recordedRow } from "./explain-prediction.ts";
import { rootOfKept, sealContent } from "./kept-explanation.ts";
import { type Ended, type KeptRow, nextWaiting, putOff, stillWaiting, storeEnded } from "./kept-store.ts";
import type { ExplainDeps, Explainer, PredictionAsked, PredictionExplained } from "./ports.ts";
import { type FoundBackground, findBackground } from "./store.ts";

/** Predictions of a round, which one process explains. */
const mostAtOnce = 200;
/** Characters of requests and answers that a round takes; a larger prediction is taken alone. */
const mostAtOnceChars = 16 * 2 ** 20;
/** Rows of one request that are explained and kept. */
const mostKeptRows = 20;
/** So long a round waits for others to come, that a process is not started for each. */
const usualLingerMicros = 10_000_000;
/** A version that was registered a moment ago has its background soon. */
const backgroundMicros = 3_600_000_000;
const retryMicros = 60_000_000;
/** Times that one may end the process before it is given up. */
const mostTries = 3;

export interface KeepDeps extends Pick<ExplainDeps, "work" | "deployments"> {
  readonly clock: Clock;
  readonly records: {
    /** Of the caller's organisation in a block; it asks no authorizer. */
    ofBlock(call: CallContext, block: BlockAddress): Promise<readonly StoredPrediction[]>;
  };
  readonly explainer: Pick<Explainer, "explainMany">;
  /** `ledger`'s `recordBatchDigest`. */
  readonly recordBatch: RecordBatch;
  /** Absent: ten seconds. */
  readonly lingerMicros?: number;
}

interface Round {
  readonly ended: readonly Ended[];
  /** The one that ended the process, to be tried later. */
  readonly cutOff?: string;
}

/**
 * One round for an organisation: the predictions that wait longest, of one version, explained by one process and kept with their ledger row in one transaction. What ends control in
 * between leaves them waiting. Resolves to how many are done with or put off; 0: nothing waits, or not for long enough.
 *
 * @param call control's own, of the organisation
 * @throws what `signal` was aborted for
 */
export async function keepExplanations(
  deps: KeepDeps,
  call: CallContext,
  signal: AbortSignal,
): Promise<number> {
  const { organisationId } = call.actor;
  const now = deps.clock.now();
  const rows = await deps.work.read(call, (sql) => nextWaiting(sql, organisationId, now, mostAtOnce));
  const [first] = rows;
  if (!first) return 0;
  const { lingerMicros = usualLingerMicros } = deps;
  if (rows.length < mostAtOnce && now - first.chosen_at < lingerMicros) return 0;
  const asked = {
    model: first.model,
    version: first.version,
    artifact: first.artifact,
    environment: first.environment,
  };
  const background = await deps.work.read(call, (sql) => findBackground(sql, organisationId, asked));
  if (!background) return withoutBackground(deps, call, rows);
  const round = await explainRows(deps, call, rows, background, signal);
  await keepRound(deps, call, round);
  return round.ended.length + (round.cutOff === undefined ? 0 : 1);
}

async function withoutBackground(
  deps: KeepDeps,
  call: CallContext,
  rows: readonly KeptRow[],
): Promise<number> {
  const now = deps.clock.now();
  const { old = [], young = [] } = Object.groupBy(rows, ({ chosen_at }) =>
    now - chosen_at >= backgroundMicros ? "old" : "young",
  );
  const reason = "its version has no background to explain against";
  await keepRound(deps, call, { ended: old.map(({ prediction_id: id }) => ({ id, reason })) });
  const ids = young.map(({ prediction_id }) => prediction_id);
  await deps.work.write(call, (tx) => putOff(tx, ids, { until: now + retryMicros, isTry: false }));
  return rows.length;
}

async function explainRows(
  deps: KeepDeps,
  call: CallContext,
  rows: readonly KeptRow[],
  background: FoundBackground,
  signal: AbortSignal,
): Promise<Round> {
  const ended: Ended[] = [];
  const askedRows: KeptRow[] = [];
  const asked: PredictionAsked[] = [];
  let chars = 0;
  for (const [row, read] of await readRows(deps, call, rows)) {
    if ("reason" in read) {
      ended.push({ id: row.prediction_id, reason: read.reason });
      continue;
    }
    // What is left over waits for the next round.
    if (asked.length > 0 && chars + charsOf(read) > mostAtOnceChars) continue;
    chars += charsOf(read);
    askedRows.push(row);
    asked.push(read);
  }
  const [model, against] = [parseDigest(rows[0]?.artifact ?? ""), parseDigest(background.digest)];
  // A record that names no model has not come so far.
  if (!model || !against || asked.length === 0) return { ended };
  const results: PredictionExplained[] = [];
  const end = await deps.explainer.explainMany(
    { model, background: against, asked, mostRows: mostKeptRows },
    (_at, result) => void results.push(result),
    signal,
  );
  for (const [at, result] of results.entries()) {
    const row = askedRows[at];
    if (row) ended.push(endOf(row, result, background));
  }
  if (end.kind === "done") return { ended };
  const left = askedRows.slice(results.length);
  if (end.kind === "refused")
    return { ended: [...ended, ...left.map(({ prediction_id: id }) => ({ id, reason: end.reason }))] };
  const [at] = left;
  if (!at) return { ended };
  if (at.tries + 1 < mostTries) return { ended, cutOff: at.prediction_id };
  return { ended: [...ended, { id: at.prediction_id, reason: end.reason }] };
}

function charsOf({ recorded, answer }: PredictionAsked): number {
  return answer.length + (recorded.kind === "body" ? recorded.text : JSON.stringify(recorded.values)).length;
}

/** What the process is asked of each, or why it cannot be; blocks are read once each, one after the other. */
async function readRows(
  deps: KeepDeps,
  call: CallContext,
  rows: readonly KeptRow[],
): Promise<[KeptRow, PredictionAsked | { readonly reason: string }][]> {
  const read: [KeptRow, PredictionAsked | { readonly reason: string }][] = [];
  const remembered = rememberFillings(deps.deployments);
  const blocks = Map.groupBy(rows, (row) => `${row.writer_id}/${row.epoch}/${row.block}`);
  for (const own of blocks.values()) {
    const records = await readBlockOf(deps, call, own[0]);
    for (const row of own) {
      const record = records.get(row.prediction_id);
      read.push([row, await askOf({ deployments: remembered }, call, row, record)]);
    }
  }
  return read;
}

async function readBlockOf(
  { records }: KeepDeps,
  call: CallContext,
  row: KeptRow | undefined,
): Promise<ReadonlyMap<string, StoredPrediction>> {
  const writerId = row && parseId("writer", row.writer_id);
  if (!writerId) return new Map();
  try {
    const found = await records.ofBlock(call, { writerId, epoch: row.epoch, block: row.block });
    return new Map(found.map((record) => [record.header.id, record]));
  } catch (error) {
    // Damage stays: the others must not wait for it.
    if (isPortolanError(error) && error.code === "predictions.corrupt") return new Map();
    throw error;
  }
}

async function askOf(
  deps: Pick<ExplainDeps, "deployments">,
  call: CallContext,
  { top, fixed }: KeptRow,
  record: StoredPrediction | undefined,
): Promise<PredictionAsked | { readonly reason: string }> {
  if (!record) return { reason: "its record is not there, or is damaged" };
  try {
    const answer = recordedAnswer(record);
    return { recorded: await recordedRow(deps, call, record), answer, top, fixed };
  } catch (error) {
    if (isPortolanError(error) && error.code === "evaluation.not_explainable")
      return { reason: error.detail ?? error.message };
    throw error;
  }
}

/** Deployments are never changed: of a round they are read once for each endpoint and snapshot. */
function rememberFillings(deployments: ExplainDeps["deployments"]): ExplainDeps["deployments"] {
  const known = new Map<string, ReturnType<ExplainDeps["deployments"]["fillings"]>>();
  return {
    fillings: (call, asked) => {
      const key = JSON.stringify([asked.environment, asked.endpoint, asked.artifact, asked.snapshotVersion]);
      const found = known.get(key) ?? deployments.fillings(call, asked);
      known.set(key, found);
      return found;
    },
  };
}

function endOf(row: KeptRow, result: PredictionExplained, background: FoundBackground): Ended {
  const id = row.prediction_id;
  if (result.kind === "refused") return { id, reason: result.reason };
  const { model: name, version, artifact, top, fixed } = row;
  try {
    return {
      id,
      ...sealContent({
        format: 1,
        predictionId: id,
        model: { name, version, digest: artifact },
        background,
        parameters: { top, fixed },
        rows: result.rows,
        explained: result.explained,
      }),
    };
  } catch (error) {
    if (isPortolanError(error)) return { id, reason: `what was found is no JSON: ${messageOf(error)}` };
    throw error;
  }
}

/** Those that were erased meanwhile wait no more, and are not kept. */
async function keepRound({ work, recordBatch }: KeepDeps, call: CallContext, round: Round): Promise<void> {
  await work.write(call, async (tx) => {
    const still = await stillWaiting(
      tx,
      round.ended.map(({ id }) => id),
    );
    const ended = round.ended.filter(({ id }) => still.has(id));
    if (ended.length > 0) await storeTogether(tx, recordBatch, ended);
    if (round.cutOff !== undefined)
      await putOff(tx, [round.cutOff], { until: tx.now + retryMicros, isTry: true });
  });
}

async function storeTogether(
  tx: Transaction,
  recordBatch: RecordBatch,
  ended: readonly Ended[],
): Promise<void> {
  const { organisationId } = tx.call.actor;
  const kept = ended.filter((one) => "content" in one);
  const { root, pathOf } = rootOfKept(kept.map(({ digest }) => digest));
  const ledgerRow = await recordBatch(tx, {
    event: "evaluation.explanations.kept",
    subject: organisationId,
    digest: root,
    count: kept.length,
    key: `explanations:${organisationId}:${digestJson(ended.map(({ id }) => id).toSorted())}`,
    detail: { notExplainable: ended.length - kept.length },
  });
  for (const [index, one] of kept.entries())
    await storeEnded(tx, one, { ledgerRow, index, count: kept.length, path: pathOf(index) });
  for (const one of ended) if (!("content" in one)) await storeEnded(tx, one);
}
