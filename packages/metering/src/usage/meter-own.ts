import {
  asEpochMicros,
  type CallContext,
  type Clock,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import { goneUseCase } from "./count-accepted-blocks.ts";
import { dayMicros } from "./daily-usage.ts";
import {
  collectedUpTo,
  firstStored,
  forgetCollected,
  type OwnUsage,
  ownSources,
  readOwnUsage,
  readStoredBytes,
  setCollected,
} from "./own-usage-store.ts";
import type { TenantPlace, Tenants } from "./ports.ts";
import { placedAt, putRecords } from "./record-usage.ts";
import { findUsage, type PlacedRecord } from "./usage-store.ts";

export interface MeterDeps {
  readonly work: UnitOfWork;
  readonly clock: Clock;
  readonly tenants: Pick<Tenants, "useCase">;
}

/** What ended in a transaction that was slow to commit is read with the next look. */
const overlapMicros = 3_600_000_000;
/** So much of the past is read in one transaction. */
const sliceMicros = 30 * dayMicros;
/** Days of storage that one look catches up with. */
const mostDays = 40;

/**
 * Records what control's own tables say was used since the last look: trainers' time, scorings, reviews and approvals, jobs, and bytes that lay there,
 * a whole day at a time. Records have the ids of their rows, so that whatever is read again changes nothing.
 *
 * @param call of the process itself, for one organisation
 */
export async function meterOwn(deps: MeterDeps, call: CallContext): Promise<void> {
  const now = deps.clock.now();
  for (const source of ownSources) {
    let since = await sinceOf(deps, call, source);
    while (since < now) {
      // Without a row all of the past is read: the first slice reaches to where there can be something.
      const until = since === 0 ? Math.max(1, now - 400 * dayMicros) : Math.min(now, since + sliceMicros);
      const stretch = { since, until };
      const found = await deps.work.read(call, (sql) =>
        readOwnUsage(sql, source, call.actor.organisationId, stretch),
      );
      await put(deps, call, source, found, until);
      since = until;
    }
  }
  await meterStorage(deps, call, now);
}

/** Drops what was read of control's own tables, to be read again from the start. */
export async function dropOwn({ work }: Pick<MeterDeps, "work">, call: CallContext): Promise<void> {
  await work.write(call, async (tx) => {
    for (const source of [...ownSources, "storage"])
      await forgetCollected(tx.sql, call.actor.organisationId, source);
  });
}

async function sinceOf({ work }: MeterDeps, call: CallContext, source: string): Promise<number> {
  const upTo = await work.read(call, (sql) => collectedUpTo(sql, call.actor.organisationId, source));
  return upTo === undefined ? 0 : Math.max(0, upTo - overlapMicros);
}

async function meterStorage(deps: MeterDeps, call: CallContext, now: number): Promise<void> {
  const { organisationId } = call.actor;
  const [upTo, first] = await deps.work.read(call, async (sql) => [
    await collectedUpTo(sql, organisationId, "storage"),
    await firstStored(sql, organisationId),
  ]);
  if (first === undefined) return;
  const today = Math.floor(now / dayMicros) * dayMicros;
  let day = upTo ?? Math.floor(first / dayMicros) * dayMicros;
  for (let days = 0; day < today && days < mostDays; days++, day += dayMicros) {
    const of = day;
    const found = await deps.work.read(call, (sql) => readStoredBytes(sql, organisationId, of));
    await put(deps, call, "storage", found, day + dayMicros);
  }
}

async function put(
  { work, tenants }: MeterDeps,
  call: CallContext,
  source: string,
  found: readonly OwnUsage[],
  upTo: number,
): Promise<void> {
  const places = new Map<string, TenantPlace>();
  const placed: PlacedRecord[] = [];
  for (const { useCaseId, environment, model, start, end, ...record } of found) {
    const place =
      places.get(useCaseId) ??
      (useCaseId === "" ? undefined : await tenants.useCase(call.actor.organisationId, useCaseId)) ??
      goneUseCase(useCaseId);
    places.set(useCaseId, place);
    const tenant = { businessUnit: "", team: "", useCase: "", model, environment };
    const times = { start: asEpochMicros(start), end: asEpochMicros(end) };
    placed.push(...placedAt({ ...record, ...times, source, tenant }, place));
  }
  await work.write(call, async (tx) => {
    if (placed.length > 0) await putRecords(tx, source, await asBefore(tx, source, placed), true);
    await setCollected(tx.sql, call.actor.organisationId, source, upTo);
  });
}

/** What is read again stays whose it was: a use case that was moved, renamed or deleted since changes no month that has passed. */
async function asBefore(
  tx: Transaction,
  source: string,
  placed: readonly PlacedRecord[],
): Promise<readonly PlacedRecord[]> {
  const ids = [...new Set(placed.map(({ id }) => id))];
  const before = await findUsage(tx.sql, tx.call.actor.organisationId, source, ids);
  const known = new Map(before.map((record) => [record.id, record]));
  return placed.map((record) => {
    const old = known.get(record.id);
    if (!old) return record;
    const { businessUnitId, teamId, useCaseId } = old;
    const { businessUnit, team, useCase } = old.tenant;
    const tenant = { ...record.tenant, businessUnit, team, useCase };
    return { ...record, businessUnitId, teamId, useCaseId, tenant };
  });
}
