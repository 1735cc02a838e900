import {
  type Authorizer,
  type ByteRemoval,
  type CallContext,
  type Clock,
  type Digest,
  type Environment,
  environments,
  environmentsAllowing,
  type Id,
  type JsonObject,
  type JsonValue,
  newId,
  systemActor,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import { insertTombstone } from "../erasure/erasure-store.ts";
import { forgetEventBatches } from "../events/event-store.ts";
import { coveredBy } from "../holds/covered-by.ts";
import { activeHolds, type DataHold } from "../holds/hold-store.ts";
import {
  expireDataset,
  expireIngestion,
  isStillNamed,
  type OldDataset,
  type OldIngestion,
  oldDatasets,
  oldIngestions,
  retentions,
} from "./retention-store.ts";

export interface RetentionDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly clock: Pick<Clock, "now">;
  readonly bytes: ByteRemoval;
}

/** Something that its contract keeps no longer. */
export interface ExpiredData {
  readonly kind: "dataset" | "ingestion";
  readonly id: string;
  readonly contract: string;
  readonly environment: Environment;
  /** When its batch came, epoch microseconds. */
  readonly since: number;
  /** Legal holds that keep it all the same. */
  readonly heldBy: readonly string[];
}

/** Kinds of references that data holds; equal bytes that somebody holds as something else stay. */
const kinds = ["dataset", "quarantine", "dead_letters", "upload", "source"] as const;

/** How long it is known which events were in which batch. */
const eventBatchesMicros = 7 * 86_400_000_000;

/** Intent that the reconciler hands to `discardHandler`; payload `{ digest }`. */
export const discardIntent = "data.discard_bytes";

/** For whoever may apply retention: at once, in the environments where they may; with `dryRun` only what would go. */
export async function applyRetentionNow(
  deps: RetentionDeps,
  call: CallContext,
  {
    dryRun,
    environments: named,
  }: { readonly dryRun: boolean; readonly environments?: readonly Environment[] },
): Promise<ExpiredData[]> {
  const { organisationId } = call.actor;
  const resource = { type: "Dataset", organisationId };
  for (const environment of named ?? [])
    await deps.authorizer.require(call, "data:apply_retention", { ...resource, environment });
  const allowed =
    named ?? (await environmentsAllowing(deps.authorizer, call, "data:apply_retention", resource));
  const found = await expired(deps, call, allowed);
  await deps.uow.write(call, (tx) =>
    tx.record({
      event: dryRun ? "data.retention.surveyed" : "data.retention.ordered",
      subject: organisationId,
      detail: { environments: [...allowed], found: found.length },
    }),
  );
  if (!dryRun) await remove(deps, call, found);
  return found;
}

/** Removes what is older than its contract keeps it; for a round of control's own. Resolves to how much went. */
export async function applyRetentionRound(
  deps: RetentionDeps,
  organisations: readonly Id<"organisation">[],
): Promise<number> {
  let gone = 0;
  for (const organisationId of organisations) {
    const call: CallContext = {
      actor: systemActor("control", organisationId),
      requestId: newId("request", deps.clock.now()),
    };
    gone += await remove(deps, call, await expired(deps, call, environments));
    const before = deps.clock.now() - eventBatchesMicros;
    await deps.uow.write(call, (tx) => forgetEventBatches(tx.sql, organisationId, before));
  }
  return gone;
}

async function expired(
  deps: RetentionDeps,
  call: CallContext,
  within: readonly Environment[],
): Promise<ExpiredData[]> {
  const { organisationId } = call.actor;
  const now = deps.clock.now();
  return deps.uow.read(call, async (sql) => {
    const holds = await activeHolds(sql, organisationId);
    const found: ExpiredData[] = [];
    for (const [contract, keptMs] of await retentions(sql, organisationId)) {
      const of = { organisationId, contract, environments: within, before: now - keptMs * 1000 };
      for (const one of await oldDatasets(sql, of)) found.push(datasetOf(one, holds));
      for (const one of await oldIngestions(sql, of)) found.push(ingestionOf(one, holds));
    }
    return found;
  });
}

export function datasetOf(row: OldDataset, holds: readonly DataHold[]): ExpiredData {
  return { kind: "dataset", ...common(row, row.batch_at, holds) };
}

function ingestionOf(row: OldIngestion, holds: readonly DataHold[]): ExpiredData {
  return { kind: "ingestion", ...common(row, row.started_at, holds) };
}

function common(
  row: Pick<OldDataset, "id" | "contract" | "environment" | "use_case_id">,
  since: number,
  holds: readonly DataHold[],
): Omit<ExpiredData, "kind"> {
  const { id, contract, environment, use_case_id: useCaseId } = row;
  const place = { contract, environment, ...(useCaseId === null ? {} : { useCaseId }) };
  return { id, contract, environment, since, heldBy: coveredBy(holds, place) };
}

/** One transaction each: its row, the references, the ledger and the intent to remove bytes. A crash leaves no half of one. */
async function remove(
  deps: RetentionDeps,
  call: CallContext,
  found: readonly ExpiredData[],
): Promise<number> {
  let gone = 0;
  for (const one of found) {
    if (one.heldBy.length > 0) continue;
    const went = await deps.uow.write(call, (tx) => removeOne(deps, tx, one));
    if (went) gone += 1;
  }
  return gone;
}

/** @param why what stands beside it in the ledger */
export async function removeOne(
  deps: RetentionDeps,
  tx: Transaction,
  one: ExpiredData,
  why: JsonObject = {},
): Promise<boolean> {
  const { organisationId } = tx.call.actor;
  const of = {
    organisationId,
    contract: one.contract,
    environments: [one.environment],
    before: one.since + 1,
  };
  // Read again in the transaction that removes: a hold may have been placed, or an erasure may have written it anew.
  const holds = await activeHolds(tx.sql, organisationId);
  const rows = one.kind === "dataset" ? await oldDatasets(tx.sql, of) : await oldIngestions(tx.sql, of);
  const row = rows.find(({ id }) => id === one.id);
  if (!row || common(row, one.since, holds).heldBy.length > 0) return false;
  const went =
    one.kind === "dataset"
      ? await expireDataset(tx.sql, one.id, tx.now)
      : await expireIngestion(tx.sql, one.id, tx.now);
  if (!went) return false;
  const digests = "object" in row ? [row.object] : ingestionObjects(row);
  for (const digest of digests as Digest[]) {
    await insertTombstone(tx.sql, {
      organisation_id: organisationId,
      owner: one.id,
      place: one.kind === "dataset" ? "dataset snapshots" : "quarantine",
      before: digest,
      after: null,
      row_count: "row_count" in row ? row.row_count : 0,
      cause: "retention",
      erased_at: tx.now,
    });
    if (await isStillNamed(tx.sql, organisationId, one.environment, digest)) continue;
    await deps.bytes.release(tx, [one.environment], digest, kinds);
    await tx.intend(discardIntent, { digest });
  }
  await tx.record({
    event: `data.${one.kind}.expired`,
    subject: one.id,
    detail: {
      contract: one.contract,
      environment: one.environment,
      since: one.since,
      objects: digests.length,
      ...why,
    },
  });
  return true;
}

/** What it kept out, and what it was made of, where that was stored. */
function ingestionObjects({ quarantine, dead_letters: lines, withheld, sources }: OldIngestion): string[] {
  const stored = sources
    .filter(({ format }) => format !== "accepted" && format !== "quarantine")
    .map(({ object }) => object ?? null);
  return [...new Set([quarantine, lines, withheld, ...stored])].filter((digest) => digest !== null);
}

/** For the reconciler: removes bytes that nobody holds any more, again after a crash. */
export function discardHandler(bytes: ByteRemoval) {
  return {
    kind: discardIntent,
    perform: async (intent: {
      readonly payload: JsonObject;
      readonly call: CallContext;
    }): Promise<JsonValue> => {
      const { digest } = intent.payload as { digest: Digest };
      return { outcome: await bytes.discard(intent.call, digest) };
    },
  };
}
