import { asEpochMicros, type CallContext, type UnitOfWork } from "@portolan/kernel";
import type { AcceptedBlock } from "@portolan/predictions/contract";
import { byOrganisation } from "@portolan/predictions/policy";
import { type BlockUsage, countBlockUsage, hourMicros, meterOf } from "./count-block.ts";
import { periodOf } from "./period.ts";
import type { TenantPlace, Tenants } from "./ports.ts";
import { addUsage, forgetBlocks, markBlock, noteLate, type PlacedRecord } from "./usage-store.ts";

export const predictionsSource = "predictions";

export interface CountDeps {
  readonly work: UnitOfWork;
  readonly tenants: Pick<Tenants, "useCase">;
}

/**
 * Adds what accepted blocks used, before the gateway is told that it may forget them; each block counts once. Sums are whole numbers, so that blocks
 * in another order, or the archived ones counted again, give the same bits.
 */
export async function countAcceptedBlocks(
  deps: CountDeps,
  from: CallContext,
  blocks: readonly AcceptedBlock[],
): Promise<void> {
  for (const { organisationId, call, blocks: own } of byOrganisation(from, blocks)) {
    const places = new Map<string, TenantPlace>();
    const counted: { readonly block: AcceptedBlock; readonly records: readonly PlacedRecord[] }[] = [];
    for (const block of own) {
      const records: PlacedRecord[] = [];
      for (const one of countBlockUsage(block.headers)) {
        const place =
          places.get(one.useCaseId) ??
          (await deps.tenants.useCase(organisationId, one.useCaseId)) ??
          goneUseCase(one.useCaseId);
        places.set(one.useCaseId, place);
        records.push(recordOf(one, place));
      }
      if (records.length > 0) counted.push({ block, records });
    }
    if (counted.length === 0) continue;
    await deps.work.write(call, async (tx) => {
      const fresh: PlacedRecord[] = [];
      for (const { block, records } of counted)
        if (await markBlock(tx.sql, organisationId, block)) fresh.push(...records);
      const periods = fresh.map(({ period }) => period);
      await addUsage(tx.sql, organisationId, summed(fresh), tx.now);
      await noteLate(tx.sql, organisationId, periods, tx.now);
    });
  }
}

/** Forgets what blocks added, so that all of the log can be counted anew by `countAcceptedBlocks`. */
export async function dropBlockUsage({ work }: CountDeps, call: CallContext): Promise<void> {
  await work.write(call, (tx) => forgetBlocks(tx.sql, call.actor.organisationId, predictionsSource));
}

/** One record of each meter and hour, in one order: whoever adds others at the same time locks rows in the same one. */
function summed(records: readonly PlacedRecord[]): PlacedRecord[] {
  const sums = new Map<string, PlacedRecord>();
  for (const record of records) {
    const before = sums.get(record.id);
    sums.set(record.id, before ? { ...before, quantity: before.quantity + record.quantity } : record);
  }
  return [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, record]) => record);
}

function recordOf(one: BlockUsage, place: TenantPlace): PlacedRecord {
  const { endpoint, model, environment, resource, quantity, hour, version, variant } = one;
  const { businessUnit, team, useCase, businessUnitId, teamId, useCaseId } = place;
  return {
    source: predictionsSource,
    id: meterOf(one),
    meter: [environment, endpoint, model, version, variant].map(encodeURIComponent).join("/"),
    period: periodOf(hour),
    businessUnitId,
    teamId,
    useCaseId,
    tenant: { businessUnit, team, useCase, model, environment },
    resource,
    quantity,
    start: asEpochMicros(hour),
    end: asEpochMicros(hour + hourMicros),
  };
}

/** The endpoint of a record that was counted from the prediction log; of others undefined. Pure. */
export function endpointOfMeter({
  source,
  meter,
}: {
  readonly source: string;
  readonly meter: string;
}): string | undefined {
  const [, endpoint] = meter.split("/");
  return source === predictionsSource && endpoint !== undefined ? decodeURIComponent(endpoint) : undefined;
}

/** Nothing is lost because somebody is not in the directory: it stands under the id alone. */
export function goneUseCase(useCaseId: string): TenantPlace {
  return { businessUnitId: "", businessUnit: "", teamId: "", team: "", useCaseId, useCase: useCaseId };
}
