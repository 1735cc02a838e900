import {
  asEpochMicros,
  asPlace,
  type CallContext,
  type Digest,
  type Environment,
  type EnvironmentPlace,
  JobDeferred,
  type JobEnd,
  type JobHandler,
  type JobRun,
  type JsonObject,
  locate,
  ownerOf,
  type Transaction,
} from "@portolan/kernel";
import { requireContract } from "../contracts/require-contract.ts";
import { beginIngestion } from "../ingestion/begin-ingestion.ts";
import {
  claimEvents,
  deleteBatch,
  type EventPlace,
  insertEventBatch,
  linesOf,
  releaseEvents,
} from "./event-store.ts";
import { enqueueBatch, eventQueue, nextWindow, windowEnd, windowStart } from "./keep-events.ts";
import type { EventDeps } from "./receive-events.ts";

/** One batch; what waits beyond becomes the next. Its lines are in memory while they are written. */
const mostPerBatch = { events: 50_000, bytes: 64 * 2 ** 20 };

/**
 * Makes batches of the events of a window: JSON lines as an object, an ingestion of it, and the events gone, in this order; the last two in
 * one transaction, so that no event is in two batches or in none.
 */
export function eventBatchJob(deps: EventDeps): JobHandler {
  return {
    queue: eventQueue,
    retries: 5,
    run: (job) => batchEvents(deps, job),
    abandoned: (tx, end) => releaseClaims(deps, tx, end),
  };
}

/** What a job could not make a batch of waits for the next one, which may be long in coming: so there is one. */
async function releaseClaims(deps: EventDeps, tx: Transaction, { payload }: JobEnd): Promise<void> {
  const place = placeOf(tx.call, payload);
  if ((await releaseEvents(tx.sql, place, batchPrefix(place))) === 0) return;
  const at = { ...asPlace(place), environment: place.environment as Environment };
  await enqueueBatch(tx, place.contract, at, deps.eventWindowMs);
}

function batchPrefix({ organisationId, contract, environment, useCaseId, window }: Window): string {
  return `${[organisationId, contract, environment, useCaseId ?? "", window].join(":")}.`;
}

async function batchEvents(deps: EventDeps, job: JobRun): Promise<JsonObject> {
  const { window, ...place } = placeOf(job.call, job.payload);
  const { windowMs = deps.eventWindowMs } = job.payload as { windowMs?: number };
  const at = {
    environment: place.environment as Environment,
    ...(await locate(deps.places, job.call.actor.organisationId, { useCaseId: place.useCaseId })),
  };
  const over = asEpochMicros(windowEnd(window, windowMs));
  // Later ones were judged at the door as of a later instant: they are a later batch's.
  const receivedBefore = nextWindow(window, windowMs);
  const ingestions: string[] = [];
  for (let number = 0; ; number += 1) {
    const batch = `${batchPrefix({ ...place, window })}${number}`;
    const claimed = await job.step(`claim ${number}`, async (tx): Promise<number> => {
      if (tx.now < over) throw new JobDeferred(over, "events of this window are still coming");
      return claimEvents(tx.sql, place, { batch, receivedBefore, most: mostPerBatch });
    });
    if (claimed === 0) return { ingestions };
    const object = await job.effect(`write ${number}`, async () => {
      const lines = await deps.uow.read(job.call, (sql) => linesOf(sql, batch));
      return deps.objects.put(new TextEncoder().encode(`${lines.join("\n")}\n`));
    });
    ingestions.push(
      await job.step(`ingest ${number}`, (tx) =>
        startBatch(tx, deps.artifacts, {
          contract: place.contract,
          at,
          asOf: over,
          referencesAt: windowStart(window, windowMs),
          object,
          batch,
        }),
      ),
    );
  }
}

type Window = EventPlace & { readonly window: number };

function placeOf(call: CallContext, payload: JsonObject): Window {
  const { contract, environment, useCaseId, window } = payload as {
    contract: string;
    environment: string;
    useCaseId?: string;
    window: number;
  };
  const { organisationId } = call.actor;
  return { organisationId, contract, environment, window, ...(useCaseId === undefined ? {} : { useCaseId }) };
}

interface WrittenBatch {
  readonly contract: string;
  readonly at: EnvironmentPlace;
  /** What its events were judged as of at the door. */
  readonly asOf: number;
  readonly referencesAt: number;
  readonly object: string;
  readonly batch: string;
}

async function startBatch(
  tx: Transaction,
  artifacts: EventDeps["artifacts"],
  { contract: name, at, asOf, referencesAt, object, batch }: WrittenBatch,
): Promise<string> {
  const contract = await requireContract(tx.sql, tx.call.actor.organisationId, at, name);
  const { environment } = at;
  await artifacts.note(tx, { environment, ...ownerOf(at) }, [{ digest: object as Digest, kind: "source" }]);
  const { id } = await beginIngestion(tx, {
    contract,
    place: at,
    asOf,
    referencesAt,
    sources: [{ object, format: "events" }],
    detail: { events: true },
  });
  await insertEventBatch(tx.sql, id, await deleteBatch(tx.sql, batch));
  return id;
}
