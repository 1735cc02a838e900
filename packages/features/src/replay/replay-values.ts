import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type CallContext,
  type Digest,
  type Environment,
  PortolanError,
  type WorkPlace,
} from "@portolan/kernel";

import { featureSources } from "../access/view-sources.ts";

import type { FeatureErrorCode } from "../errors.ts";
import { historyMicros } from "../log/log-record.ts";
import { findLog, foldsOf, type LogRun, segmentsOf } from "../log/log-store.ts";
import type { RequestField } from "../on-demand/on-demand-model.ts";
import { doneMaterializations, findDataset, type StoredView } from "../store.ts";
import { hasLog, isValueView, type LogView, viewReference } from "../view-model.ts";
import { type FeatureDeps, noDataset, viewForWork } from "../views.ts";
import type { UndecidedReason } from "./early-states.ts";
import { type OnlineRun, onlineAt } from "./online-at.ts";
import { replayEarly } from "./replay-early.ts";
import {
  type Asked,
  askedLines,
  type Derived,
  derivedOf,
  derivedWindows,
  logReplay,
  type RequestCell,
  windowReplay,
} from "./replay-plan.ts";
import type { ReplayedValues, ReplayRequest } from "./replay-resources.ts";
import { inWorkFolder, type TimedDeps, tooLarge } from "./work-folder.ts";

/** Each materialisation, or position of a log, is a computation of its own. */
const mostRuns = 32;
/** Less than the CLI waits for an answer. */
const longestMs = 100_000;

/** `signal` aborts when the caller is gone: what is computed for it ends. */
export type ReplayDeps = FeatureDeps & { readonly signal?: AbortSignal };

/**
 * Derives served values again, offline, from what was online when they were served: by the plans of training sets over a view's log, and of
 * windows over one dataset by the plan of the materialisation.
 *
 * @throws PortolanError `features.view_not_found`, `data.access_denied`, `features.view_invalid` when a key has not as many parts as the view's,
 * `features.replay_too_large` when it is more than a request may take
 */
export async function replayValues(
  deps: ReplayDeps,
  call: CallContext,
  name: string,
  request: ReplayRequest,
): Promise<ReplayedValues> {
  const { environment, rows } = request;
  const { view: stored, owner } = await viewForWork(deps, call, name, {
    ...request,
    action: "features:replay_values",
  });
  requireKeys(stored, rows);
  const granted = await deps.access.requireWhole(
    call,
    {
      id: stored.id,
      at: { environment, ...owner },
      contracts: [stored.body.source],
      columns: featureSources(stored.body),
    },
    request.purpose,
  );
  const requests = requestCells(stored, rows);
  const of = { stored, environment, owner, rows, requests };
  const { body } = stored;
  const { answers, undecided = new Map() } = await withinTime(deps.signal, (signal) =>
    hasLog(body)
      ? replayLog({ ...deps, signal }, call, { ...of, view: body })
      : replayWindows({ ...deps, signal }, call, of),
  );
  const view = viewReference(body);
  // Values of entities were read: who did is on the ledger, as it is of a training set.
  await deps.uow.write(call, (tx) =>
    tx.record({
      event: "features.values.replayed",
      subject: stored.id,
      detail: { view, environment, rows: rows.length, ...granted },
    }),
  );
  return {
    view,
    digest: stored.digest,
    rows: answers,
    ...undecidedOf(undecided),
  };
}

function undecidedOf(
  reasons: ReadonlyMap<number, UndecidedReason>,
): Pick<ReplayedValues, "undecided" | "undecidedReasons"> {
  if (reasons.size === 0) return {};
  return {
    undecided: [...reasons.keys()],
    undecidedReasons: [...reasons].map(([row, reason]) => ({ row, reason })),
  };
}

interface Replay {
  readonly stored: StoredView;
  readonly environment: Environment;
  readonly owner: WorkPlace;
  readonly rows: ReplayRequest["rows"];
  /** Of each row the request's fields, in the view's order. */
  readonly requests: readonly (readonly RequestCell[])[];
}

function requireKeys({ body }: StoredView, rows: ReplayRequest["rows"]): void {
  const index = rows.findIndex(({ key }) => key.length !== body.entity.length);
  if (index < 0) return;
  throw new PortolanError<FeatureErrorCode>("features.view_invalid", {
    detail: `row ${index} has a key of ${rows[index]?.key.length} parts; ${viewReference(body)} has ${body.entity.map(({ name }) => name).join(", ")}`,
    mend: "Give each key of the view, in its order.",
    at: { pointer: `/rows/${index}/key` },
  });
}

/** What on-demand features are computed from again: every field of each row, of its type. */
function requestCells({ body }: StoredView, rows: ReplayRequest["rows"]): RequestCell[][] {
  const fields = body.request ?? [];
  return rows.map(({ request = {} }, index) =>
    fields.map(({ name, type }) => {
      const cell = request[name];
      if (cell !== undefined && (cell === null || isOfType(cell, type))) return cell;
      throw new PortolanError<FeatureErrorCode>("features.view_invalid", {
        detail: `row ${index} has no request field ${name} that is ${type}`,
        mend: `Give what the request brought for ${viewReference(body)}: ${fields.map((field) => field.name).join(", ")}.`,
        at: { pointer: `/rows/${index}/request/${name}` },
      });
    }),
  );
}

function isOfType(cell: Exclude<RequestCell, null>, type: RequestField["type"]): boolean {
  if (type === "text") return typeof cell === "string";
  if (type === "bool") return typeof cell === "boolean";
  return typeof cell === "number" && (type === "float" || Number.isSafeInteger(cell));
}

const nothing = (view: StoredView["body"]): Derived => derivedOf(view, undefined);

/** @throws PortolanError `features.replay_too_large` when the work took too long; what it did is ended then */
async function withinTime<T>(
  gone: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = AbortSignal.timeout(longestMs);
  try {
    return await work(gone ? AbortSignal.any([gone, late]) : late);
  } catch (error) {
    throw late.aborted ? tooLarge(`it took longer than ${longestMs / 1000} seconds`) : error;
  }
}

function requireBounded(runs: number): void {
  if (runs > mostRuns)
    throw tooLarge(
      `the rows may have been served from ${runs} states of the view, and one request derives ${mostRuns} at most`,
    );
}

async function replayLog(
  deps: TimedDeps,
  call: CallContext,
  { stored, environment, owner, rows, requests, view }: Replay & { readonly view: LogView },
): Promise<Replayed> {
  const { organisationId } = call.actor;
  const { useCaseId } = owner;
  const of = { organisationId, environment, ...(useCaseId === undefined ? {} : { useCaseId }) };
  const known = await deps.uow.read(call, async (sql) => {
    const log = await findLog(sql, { ...of, view: viewReference(view), digest: stored.digest });
    if (!log) return undefined;
    return { log, folds: await foldsOf(sql, log.id), segments: await segmentsOf(sql, log.id) };
  });
  if (!known) return { answers: rows.map(() => [nothing(view)]) };
  const { log, folds } = known;
  const asked = questions(rows, requests, folds);
  requireBounded(new Set(asked.map(({ position }) => position)).size);
  const segments = await Promise.all(
    known.segments.map(({ object }) => deps.objects.localPath(object as Digest)),
  );
  const answers = await foldedAnswers(deps, { view, rows, segments, asked });
  const early =
    view.online === "accepted"
      ? await replayEarly(deps, call, { view, log, rows, requests, folds, segments })
      : undefined;
  return {
    answers: answers.map((some, index) => {
      const all = [...some, ...(early?.answers.get(index) ?? [])];
      return all.length > 0 ? all : [nothing(view)];
    }),
    ...(early ? { undecided: early.undecided } : {}),
  };
}

/** Answers to each row by what was folded, for each fold that it may have been served from. */
async function foldedAnswers(
  deps: TimedDeps,
  {
    view,
    rows,
    segments,
    asked,
  }: {
    readonly view: LogView;
    readonly rows: ReplayRequest["rows"];
    readonly segments: readonly string[];
    readonly asked: readonly (Asked & { readonly of: number; readonly run: LogRun })[];
  },
): Promise<Derived[][]> {
  const answers = rows.map((): Derived[] => []);
  if (asked.length === 0) return answers;
  const positions = [...new Set(asked.map(({ position }) => position))];
  const found = await run(deps, askedLines(asked), segments, (file) =>
    logReplay(view, file, segments, positions),
  );
  const byRow = new Map(
    positions.flatMap((_, index) =>
      (found[`answers_${index}`] ?? []).map((row) => [Number(row["_row"]), row] as const),
    ),
  );
  for (const { row, at, of: index, run: fold } of asked) {
    const { exactFrom } = fold;
    const answer = byRow.get(row);
    const derived = isValueView(view)
      ? derivedOf(view, answer)
      : derivedWindows(view, answer, at, exactFrom + historyMicros);
    answers[index]?.push({ ...derived, exactFrom });
  }
  return answers;
}

interface Replayed {
  readonly answers: Derived[][];
  /** Rows of which it cannot be told what was online. */
  readonly undecided?: ReadonlyMap<number, UndecidedReason>;
}

async function replayWindows(
  deps: TimedDeps,
  call: CallContext,
  { stored: { body: view, digest }, environment, owner, rows, requests }: Replay,
): Promise<Replayed> {
  const { organisationId } = call.actor;
  const of = { organisationId, environment, owner, view: viewReference(view), digest };
  const runs = await deps.uow.read(call, (sql) => doneMaterializations(sql, of));
  const asked = questions(rows, requests, runs);
  const answers = rows.map((): Derived[] => []);
  const { useCaseId } = owner;
  const byRun = Map.groupBy(asked, ({ run: one }) => one);
  requireBounded(byRun.size);
  for (const [{ datasetId, position: asOf }, some] of byRun) {
    const dataset = await deps.uow.read(call, (sql) =>
      findDataset(sql, {
        organisationId,
        environment,
        contract: view.source,
        ...(useCaseId === undefined ? {} : { useCaseId }),
        datasetId,
      }),
    );
    if (!dataset) throw noDataset(view.source, environment);
    const path = await deps.objects.localPath(dataset.object as Digest);
    const found = await run(deps, askedLines(some), [path], (file) => windowReplay(view, file, path, asOf));
    const byRow = new Map((found["answers_0"] ?? []).map((row) => [Number(row["_row"]), row]));
    for (const { row, of: index } of some) answers[index]?.push(derivedOf(view, byRow.get(row)));
  }
  return { answers: answers.map((some) => (some.length > 0 ? some : [nothing(view)])) };
}

/** One question for each run whose values a row may have been served from; `of` is the row's place in the request. */
function questions<Run extends OnlineRun>(
  rows: ReplayRequest["rows"],
  requests: Replay["requests"],
  runs: readonly Run[],
): (Asked & { readonly of: number; readonly run: Run })[] {
  return rows
    .flatMap(({ key, at, servedAt }, of) =>
      onlineAt(runs, servedAt).map((one) => ({
        key,
        at,
        of,
        run: one,
        position: one.position,
        request: requests[of] ?? [],
      })),
    )
    .map((question, row) => ({ ...question, row }));
}

function run(
  deps: TimedDeps,
  lines: string,
  readable: readonly string[],
  plan: (file: string) => Parameters<FeatureDeps["engine"]["run"]>[0]["statements"],
) {
  return inWorkFolder(deps, async (workFolder) => {
    const file = join(workFolder, "asked.jsonl");
    await writeFile(file, lines);
    const { signal } = deps;
    return (await deps.engine.run({ statements: plan(file), readable, workFolder, signal })).rows;
  });
}
