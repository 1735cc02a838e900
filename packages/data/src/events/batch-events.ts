import {
  asEpochMicros,
  type CallContext,
  type Digest,
  type Environment,
  JobDeferred,
  type JobEnd,
  type JobHandler,
  type JobRun,
  type JsonObject,
  locate,
  newId,
  ownerOf,
  type Transaction,
  type WorkPlace,
} from "@portolan/kernel";
import { contractNotFound } from "../contracts.ts";
import { ingestionPlace, ingestQueue } from "../ingestions.ts";
import { findContract, insertIngestion } from "../store.ts";
import { claimEvents, deleteBatch, type EventPlace, linesOf, releaseEvents } from "./event-store.ts";
import { type EventDeps, eventQueue } from "./receive-events.ts";

/** A request that began in a window has committed by then. */
const graceMs = 2000;
/** Events of one batch; what waits beyond becomes the next. */
const mostPerBatch = 50_000;

/**
 * Makes batches of the events of a window: JSON lines as an object, an ingestion of it, and the events gone, in this order; the last two in
 * one transaction, so that no event is in two batches or in none.
 */
export function eventBatchJob(deps: EventDeps): JobHandler {
  return { queue: eventQueue, retries: 5, run: (job) => batchEvents(deps, job), abandoned: releaseClaims };
}

/** What a job could not make a batch of waits for the next one. */
async function releaseClaims(tx: Transaction, { payload }: JobEnd): Promise<void> {
  await releaseEvents(tx.sql, batchPrefix(placeOf(tx.call, payload)));
}

function batchPrefix({ organisationId, contract, environment, useCaseId, window }: Window): string {
  return `${[organisationId, contract, environment, useCaseId ?? "", window].join(":")}.`;
}

async function batchEvents(deps: EventDeps, job: JobRun): Promise<JsonObject> {
  const { window, ...place } = placeOf(job.call, job.payload);
  const { organisationId } = job.call.actor;
  const owner = ownerOf(await locate(deps.places, organisationId, { useCaseId: place.useCaseId }));
  const ingestions: string[] = [];
  for (let number = 0; ; number += 1) {
    const batch = `${batchPrefix({ ...place, window })}${number}`;
    const claimed = await job.step(`claim ${number}`, async (tx): Promise<number> => {
      const over = asEpochMicros((window + 1) * deps.eventWindowMs * 1000 + graceMs * 1000);
      if (tx.now < over) throw new JobDeferred(over, "events of this window are still coming");
      return claimEvents(tx.sql, place, batch, mostPerBatch);
    });
    if (claimed === 0) return { ingestions };
    const object = await job.effect(`write ${number}`, async () => {
      const lines = await deps.uow.read(job.call, (sql) => linesOf(sql, batch));
      return deps.objects.put(new TextEncoder().encode(`${lines.join("\n")}\n`));
    });
    ingestions.push(
      await job.step(`ingest ${number}`, (tx) =>
        startBatch(deps, tx, { ...place, owner }, { object, batch }),
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

async function startBatch(
  deps: EventDeps,
  tx: Transaction,
  place: EventPlace & { readonly owner: WorkPlace },
  { object, batch }: { readonly object: string; readonly batch: string },
): Promise<string> {
  const contract = await findContract(tx.sql, place.organisationId, place.contract);
  if (!contract) throw contractNotFound(place.contract);
  const environment = place.environment as Environment;
  const id = newId("ingestion", tx.now);
  await deps.artifacts.note(tx, ingestionPlace(place), [{ digest: object as Digest, kind: "upload" }]);
  await insertIngestion(tx.sql, {
    id,
    organisation_id: place.organisationId,
    contract_id: contract.id,
    contract: place.contract,
    environment,
    use_case_id: place.useCaseId ?? null,
    sources: [{ object, format: "jsonl" }],
    as_of: null,
    replay_of: null,
    started_by: tx.call.actor.id,
    started_at: tx.now,
  });
  await deleteBatch(tx.sql, batch);
  await tx.enqueue({
    queue: ingestQueue,
    payload: { ingestionId: id },
    key: id,
    place: { environment, ...place.owner },
  });
  await tx.record({
    event: "data.ingestion.started",
    subject: id,
    detail: { contract: place.contract, version: contract.version, environment, events: true },
  });
  return id;
}
