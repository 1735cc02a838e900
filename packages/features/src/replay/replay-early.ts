import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { AcceptedRow } from "@portolan/data/contract";
import type { CallContext } from "@portolan/kernel";
import { placeOf } from "../early/early-events.ts";
import { earlyHistoryMicros, earlyRuns } from "../early/early-store.ts";
import { historyMicros } from "../log/log-record.ts";
import type { LogRun, StoredLog } from "../log/log-store.ts";
import { isValueView, type LogView } from "../view-model.ts";
import {
  type EarlyKey,
  earlyLines,
  earlyTable,
  keyLines,
  linesTable,
  rowTables,
  stateRelation,
  touchStatement,
} from "./early-plan.ts";
import {
  type EarlyRow,
  type EarlyRun,
  earlyRows,
  mostStates,
  statesOf,
  type Touch,
  type UndecidedReason,
} from "./early-states.ts";
import { clockSlackMicros } from "./online-at.ts";
import {
  askedLines,
  type Derived,
  derivedOf,
  derivedWindows,
  type RequestCell,
  stateReplay,
} from "./replay-plan.ts";
import type { ReplayRequest } from "./replay-resources.ts";
import { inWorkFolder, type TimedDeps, tooLarge } from "./work-folder.ts";

/** States that one request derives, each over what the log has of the rows' entities; those of one row are fewer. */
const mostInAll = 384;
/** Events that wait for their batch and are gone through: they are held as rows, some times as large as their text. */
const mostWaiting = { events: 100_000, bytes: 64 * 2 ** 20 };
/** Events that are written out at once: the caller's thread serves others too. */
const linesAtOnce = 1_000;

export interface EarlyReplay {
  readonly view: LogView;
  readonly log: StoredLog;
  readonly rows: ReplayRequest["rows"];
  /** Of each row the request's fields, in the view's order. */
  readonly requests: readonly (readonly RequestCell[])[];
  readonly folds: readonly LogRun[];
  /** Local paths of the log's segments. */
  readonly segments: readonly string[];
}

export interface EarlyAnswers {
  /** By a row's place in the request, what may have been online of it beside what was folded alone. */
  readonly answers: ReadonlyMap<number, readonly Derived[]>;
  /** Rows of which it cannot be told, and why. */
  readonly undecided: ReadonlyMap<number, UndecidedReason>;
}

/**
 * Derives what rows may have been served of accepted events whose batch the log did not have yet (docs/spec/features.md, F57): the definition over the log's
 * lines and these events, after each of them that touches the row.
 */
export async function replayEarly(
  deps: TimedDeps,
  call: CallContext,
  of: EarlyReplay,
): Promise<EarlyAnswers> {
  const { rows, folds } = of;
  const known = await knownRuns(deps, call, of);
  const { runs } = known;
  const { early, undecided } = earlyRows(rows, folds, runs, deps.clock.now() - earlyHistoryMicros);
  if (early.length === 0) return { answers: new Map(), undecided };
  return inWorkFolder(deps, async (folder) => {
    const files = await earlyFiles(deps, call, { ...of, ...known, folder, early, undecided });
    if (files.length === 0) return { answers: new Map(), undecided };
    const keys = join(folder, "rows.jsonl");
    await writeFile(keys, keyLines(early.map((row) => keyOf(row, rows))));
    const tables = [earlyTable(of.view, files), ...rowTables(of.view, keys, of.segments)];
    const run = async (statements: Parameters<TimedDeps["engine"]["run"]>[0]["statements"]) =>
      (
        await deps.engine.run({
          statements: [...tables, ...statements],
          readable: of.segments,
          workFolder: folder,
          signal: deps.signal,
        })
      ).rows;
    const touches = (await run([touchStatement(of.view, mostStates + 1)]))["touches"] ?? [];
    const byRow = Map.groupBy(touches, (row) => Number(row["_row"]));
    const states = early.flatMap((row) => {
      const own = (byRow.get(row.of) ?? []).map(
        (touch): Touch => ({ accepted: Number(touch["accepted"]), run: Number(touch["run"]) }),
      );
      const found = statesOf(row, own);
      if (!found) undecided.set(row.of, undecided.get(row.of) ?? "too_many_events");
      return (found ?? []).map((state) => ({ of: row.of, ...state }));
    });
    return { answers: await derive(of, states, { folder, run }), undecided };
  });
}

function keyOf({ of, counted, leaving }: EarlyRow, rows: ReplayRequest["rows"]): EarlyKey {
  const { key = [], at = 0 } = rows[of] ?? {};
  return { of, key, at, runs: [...counted, ...leaving] };
}

interface KnownRuns {
  readonly runs: readonly EarlyRun[];
  /** Events that waited; undefined where they are too many. */
  readonly waiting: readonly AcceptedRow[] | undefined;
}

/** What was early about when the rows were served. Events that wait are read before the batches that they may become meanwhile. */
async function knownRuns(
  { uow, history }: TimedDeps,
  call: CallContext,
  { log, rows }: EarlyReplay,
): Promise<KnownRuns> {
  const served = rows.map(({ servedAt }) => servedAt);
  const since = served.reduce((first, at) => Math.min(first, at), Number.MAX_SAFE_INTEGER) - clockSlackMicros;
  const read = () => uow.read(call, (sql) => earlyRuns(sql, log, since));
  const runs = await read();
  const waits = runs.find(({ batch }) => !batch);
  if (!waits || served.every((at) => at < waits.firstAt - clockSlackMicros)) return { runs, waiting: [] };
  const waiting = await history.waiting(call, placeOf(log), mostWaiting);
  return { runs: [...(await read()).filter(({ batch }) => batch), waits], waiting };
}

/** The events of each run that some row may have been served of, in a file; what is not kept any more leaves its rows undecided. */
async function earlyFiles(
  deps: TimedDeps,
  call: CallContext,
  {
    folder,
    early,
    undecided,
    view,
    runs,
    waiting,
  }: EarlyReplay &
    KnownRuns & {
      readonly folder: string;
      readonly early: readonly EarlyRow[];
      readonly undecided: Map<number, UndecidedReason>;
    },
): Promise<string[]> {
  const files: string[] = [];
  for (const [place, run] of runs.entries()) {
    const rows = early.filter(({ counted, leaving }) => counted.includes(place) || leaving.includes(place));
    if (rows.length === 0) continue;
    const events = run.batch ? await batchEvents(deps, call, run.batch) : waiting;
    if (!events) {
      const reason = run.batch ? (run.batch.numbers ? "source_gone" : "forgotten") : "too_many_events";
      for (const { of } of rows) undecided.set(of, undecided.get(of) ?? reason);
      continue;
    }
    const file = join(folder, `early-${place}.jsonl`);
    await writeFile(file, "");
    for (let from = 0; from < events.length; from += linesAtOnce)
      await appendFile(file, earlyLines(view, place, events.slice(from, from + linesAtOnce)));
    files.push(file);
  }
  return files;
}

async function batchEvents(
  { history }: TimedDeps,
  call: CallContext,
  { ingestionId, numbers }: NonNullable<EarlyRun["batch"]>,
): Promise<readonly AcceptedRow[] | undefined> {
  return numbers && history.ofBatch(call, { ingestionId, numbers });
}

interface AskedState {
  readonly of: number;
  readonly fold: LogRun;
  readonly upTo: number;
  readonly runs: readonly number[];
}

async function derive(
  { view, rows, requests, segments }: EarlyReplay,
  states: readonly AskedState[],
  {
    folder,
    run,
  }: {
    readonly folder: string;
    readonly run: (
      statements: Parameters<TimedDeps["engine"]["run"]>[0]["statements"],
    ) => Promise<Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>>;
  },
): Promise<Map<number, Derived[]>> {
  const relations = new Map<string, number>();
  const asked = states.map(({ of, fold, upTo, runs }, row) => {
    const relation = stateRelation(view, { position: fold.position, upTo, runs });
    const position = relations.get(relation) ?? relations.size;
    relations.set(relation, position);
    const { key = [], at = 0 } = rows[of] ?? {};
    return { row, key, at, position, request: requests[of] ?? [] };
  });
  const answers = new Map<number, Derived[]>();
  if (asked.length === 0) return answers;
  if (relations.size > mostInAll)
    throw tooLarge(`the rows may have been served from ${relations.size} states of the view`);
  const file = join(folder, "asked.jsonl");
  await writeFile(file, askedLines(asked));
  const found = await run([linesTable(view, segments), ...stateReplay(view, file, [...relations.keys()])]);
  const byRow = new Map(
    [...relations.values()].flatMap((index) =>
      (found[`answers_${index}`] ?? []).map((row) => [Number(row["_row"]), row] as const),
    ),
  );
  for (const [row, { of, fold }] of states.entries()) {
    const answer = byRow.get(row);
    const { exactFrom } = fold;
    const derived = isValueView(view)
      ? derivedOf(view, answer)
      : derivedWindows(view, answer, rows[of]?.at ?? 0, exactFrom + historyMicros);
    answers.set(of, [...(answers.get(of) ?? []), { ...derived, exactFrom }]);
  }
  return answers;
}
