import {
  asEpochMicros,
  JobDeferred,
  type JobHandler,
  type JobRun,
  type JsonObject,
  type ObjectStore,
  PortolanError,
  type Sql,
  type Transaction,
} from "@portolan/kernel";
import type { AnalysisEngine } from "../analysis.ts";
import type { DataErrorCode } from "../errors.ts";
import { type EraseObjectsDeps, eraseObjects } from "./erase-objects.ts";
import {
  closeErasure,
  findErasure,
  isAnotherRunning,
  markRunning,
  type StoredErasure,
} from "./erasure-store.ts";
import { holdsOnPlace } from "./held-now.ts";
import { type LookDeps, lookForSubject, type Survey } from "./look-for-subject.ts";
import { eraseQueue } from "./order-erasure.ts";
import { unsettled } from "./place-store.ts";
import type { ErasureScope } from "./places.ts";
import type { ErasureReport, ErasureState } from "./report.ts";
import { type SearchDeps, searchEverywhere } from "./search-everywhere.ts";
import type { ObjectReader } from "./survey.ts";

export interface EraseJobDeps extends LookDeps, EraseObjectsDeps, SearchDeps {
  readonly objects: ObjectStore;
  readonly engine: AnalysisEngine;
  readonly workFolder: string;
  /** Jobs that wait or run, which read what an order erases and store what they make of it. */
  readonly inFlight: (sql: Sql, scope: ErasureScope) => Promise<readonly string[]>;
}

/** What came in while the job looked is found by its next round. */
const mostRounds = 3;
/** How long it waits for ingestions on their way before it looks again, microseconds. */
const settleMicros = 1_000_000;

/** Erases what an order names: look, erase place by place, look again, search. Each step resumes after a crash. */
export function eraseJob(deps: EraseJobDeps): JobHandler {
  return {
    queue: eraseQueue,
    retries: 2,
    run: (job) => runErasure(deps, job),
    abandoned: async (tx, { payload, state, reason }) => {
      const { erasureId: id } = payload as { erasureId: string };
      if (await closeErasure(tx.sql, id, { state, failure: reason, now: tx.now }))
        await tx.record({ event: `data.erasure.${state}`, subject: id });
    },
  };
}

interface Work {
  readonly job: JobRun;
  readonly order: StoredErasure;
  readonly scope: ErasureScope;
  readonly reader: ObjectReader;
}

async function runErasure(deps: EraseJobDeps, job: JobRun): Promise<JsonObject> {
  const { erasureId: id } = job.payload as { erasureId: string };
  const { organisationId } = job.call.actor;
  const order = await deps.uow.read(job.call, (sql) => findErasure(sql, organisationId, id));
  if (!order)
    throw new PortolanError<DataErrorCode>("data.erasure_not_found", { detail: `there is no erasure ${id}` });
  const { environments, subject, columns } = order;
  if (subject === null) return { erasureId: id, state: order.state };
  const { objects, engine, workFolder } = deps;
  const work = {
    job,
    order,
    scope: { organisationId, environments, subject, columns },
    reader: { objects, engine, workFolder, signal: job.signal },
  };
  try {
    return await erase(deps, work);
  } catch (error) {
    if (job.signal.aborted || !isFault(error)) throw error;
    const fault = withoutWords(error);
    if (job.finalAttempt)
      await deps.uow.write(job.call, async (tx) => {
        await closeErasure(tx.sql, id, { state: "failed", failure: fault.message, now: tx.now });
        await tx.record({ event: "data.erasure.failed", subject: id });
      });
    throw fault;
  }
}

/** What the job's own machinery throws is none. */
function isFault(error: unknown): error is Error {
  return error instanceof Error && error.name !== "JobStopped" && error.name !== "JobDeferred";
}

/** The engine's words may quote a statement, and with it the subject: its code says where it failed. */
function withoutWords(error: Error): PortolanError<DataErrorCode> {
  const code = error instanceof PortolanError ? error.code : error.name;
  return new PortolanError("data.erasure_failed", {
    detail: `the erasure stopped with ${code}`,
    mend: "Mend the cause, such as a full disk or a damaged object, and order it again: what is erased stays erased.",
  });
}

async function erase(deps: EraseJobDeps, work: Work): Promise<JsonObject> {
  const { job, order } = work;
  await settle(deps, work);
  const first = await look(deps, work, 0);
  const held = first.items.some(({ heldBy }) => heldBy !== undefined);
  if (order.dry_run || held) return close(work, order.dry_run ? "planned" : "refused", reportOf(first));
  const erased: Record<string, number> = {};
  const kept = new Set<string>();
  let survey = first;
  for (let round = 1; survey.items.length > 0 && round <= mostRounds; round += 1) {
    const objects = { ...work, call: job.call, erasureId: order.id, round };
    const outcome = await eraseObjects(deps, objects, survey.objects);
    for (const digest of outcome.kept) kept.add(digest);
    const gone = survey.objects.filter(({ digest }) => !outcome.held.includes(digest));
    for (const { place, rows } of eachOnce(gone)) erased[place] = (erased[place] ?? 0) + rows;
    for (const place of deps.directPlaces.filter(({ name }) =>
      survey.items.some((item) => item.place === name),
    )) {
      const count = await job.effect(`erase ${round} ${place.name}`, async () => {
        const heldBy = await holdsOnPlace(deps.uow, job.call, place, work.scope);
        return heldBy.length > 0 ? 0 : place.erase(job.call, work.scope, order.reason);
      });
      if (count > 0) erased[place.name] = (erased[place.name] ?? 0) + count;
    }
    await drain(deps, work, round);
    survey = await look(deps, work, round);
    // A hold that was placed meanwhile: the rest stays, and is in the report as what remains.
    if (survey.items.some(({ heldBy }) => heldBy !== undefined)) break;
  }
  const search = await job.effect("search", () =>
    searchEverywhere(deps, work.reader, job.call, work.scope, (note) => job.progress(0.9, note)),
  );
  const left = survey.items.map(({ place, what, owner, rows, heldBy }) => ({
    where: place,
    what: `${what} ${owner}`,
    hits: rows,
    ...(heldBy ? { heldBy } : {}),
  }));
  const remains = [...left, ...search.remains];
  return close(work, remains.length === 0 ? "erased" : "incomplete", {
    ...reportOf(first),
    ...search,
    remains,
    notSearched: [...survey.untold, ...search.notSearched],
    erased,
    bytesHeldElsewhere: [...kept],
  });
}

/** Several things may be made of the same bytes, which go once. */
function eachOnce(objects: Survey["objects"]): Survey["objects"] {
  return [...new Map(objects.map((object) => [`${object.place} ${object.digest}`, object])).values()];
}

/** Rows that are on their way from one place to another would be missed: what has begun comes to its end first. */
async function settle({ inFlight }: EraseJobDeps, { job, order, scope }: Work): Promise<void> {
  await job.step("settle", async (tx) => {
    const again = asEpochMicros(tx.now + settleMicros);
    if (await isAnotherRunning(tx.sql, order)) throw new JobDeferred(again, "another erasure is being done");
    if (!order.dry_run && (await unsettled(tx.sql, scope)) > 0)
      throw new JobDeferred(again, "ingestions that have begun are coming to their end");
    // An ingestion begins jobs that follow it in the transaction that ends it: none is missed between the two.
    if (!order.dry_run && (await inFlight(tx.sql, scope)).length > 0)
      throw new JobDeferred(again, "what is being made of the data is coming to its end");
    await markRunning(tx.sql, order.id);
    return {};
  });
}

/** What began before the bytes were others may still put online, or publish, what it read: it comes to its end, and is looked at then. */
async function drain({ inFlight }: EraseJobDeps, { job, scope }: Work, round: number): Promise<void> {
  const { begun } = await job.step(`begun ${round}`, async (tx) => ({
    begun: [...(await inFlight(tx.sql, scope))],
  }));
  await job.step(`drained ${round}`, async (tx) => {
    const open = new Set(await inFlight(tx.sql, scope));
    if (begun.some((id) => open.has(id)))
      throw new JobDeferred(
        asEpochMicros(tx.now + settleMicros),
        "what was being made of the data is coming to its end",
      );
    return {};
  });
}

async function look(deps: EraseJobDeps, { job, scope, reader }: Work, round: number): Promise<Survey> {
  return job.effect(`look ${round}`, () =>
    lookForSubject(deps, reader, job.call, scope, (note) => job.progress(0.1, note)),
  );
}

function reportOf({ items, models, unmarked, untold }: Survey): ErasureReport {
  return {
    found: [...items],
    models: models.map((model) => ({ ...model, stages: [...model.stages] })),
    erased: {},
    bytesHeldElsewhere: [],
    searched: [],
    remains: [],
    notSearched: [...untold],
    unmarked: [...unmarked],
  };
}

async function close(
  { job, order }: Work,
  state: Extract<ErasureState, "planned" | "refused" | "erased" | "incomplete">,
  report: ErasureReport,
): Promise<JsonObject> {
  return job.step("close", async (tx: Transaction) => {
    await closeErasure(tx.sql, order.id, { state, report, now: tx.now });
    const { found, remains, models } = report;
    const rows = found.reduce((sum, one) => sum + one.rows, 0);
    await tx.record({
      event: closingEvents[state],
      subject: order.id,
      detail: { rows, remains: remains.length, models: models.length },
    });
    return { erasureId: order.id, state };
  });
}

const closingEvents = {
  planned: "data.erasure.planned",
  refused: "data.erasure.refused",
  erased: "data.erasure.completed",
  incomplete: "data.erasure.left_incomplete",
} as const;
