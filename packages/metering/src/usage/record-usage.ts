import {
  type Authorizer,
  type CallContext,
  type Clock,
  digestJson,
  PortolanError,
  type Transaction,
  type UnitOfWork,
  type Violation,
} from "@portolan/kernel";
import type { MeteringErrorCode } from "../errors.ts";
import { judgeRecords } from "./judge-records.ts";
import type { Period } from "./period.ts";
import type { TenantPlace, Tenants } from "./ports.ts";
import { splitByPeriod, type UsageRecord, type UsageTenant } from "./usage-record.ts";
import {
  findOverlap,
  findUsage,
  insertUsage,
  noteLate,
  type PlacedRecord,
  removeUsage,
} from "./usage-store.ts";

export interface RecordDeps {
  readonly work: UnitOfWork;
  readonly clock: Clock;
  readonly authorizer: Authorizer;
  readonly tenants: Tenants;
}

export interface Recorded {
  /** Records that are new, and that replace one. */
  readonly recorded: number;
  /** Records that were there already, the same. */
  readonly known: number;
  /** Months that had ended and have changed now. */
  readonly changedPeriods: readonly Period[];
}

export interface RecordOrder {
  /** Of all the records, as `import/<name>`. */
  readonly source: string;
  readonly records: readonly UsageRecord[];
  /** Takes the place of records of the same ids that say otherwise. */
  readonly replace: boolean;
}

/**
 * Takes records of a source outside. The same record again changes nothing; each lies in the month of UTC in which it was used, however late it comes.
 *
 * @throws PortolanError `metering.usage_not_valid`, `metering.usage_differs`, `metering.usage_overlaps`, and what the authorizer throws
 */
export async function recordUsage(
  deps: RecordDeps,
  call: CallContext,
  { source, records, replace }: RecordOrder,
): Promise<Recorded> {
  const { organisationId } = call.actor;
  await deps.authorizer.require(call, "usage:record", { type: "Usage", organisationId });
  const faults = judgeRecords(records, deps.clock.now(), (index) => ({ pointer: `/records/${index}` }));
  const placed = await placeRecords(deps.tenants, call, records, faults);
  if (faults.length > 0) throw notValid(faults);
  return deps.work.write(call, async (tx) => {
    const recorded = await putRecords(tx, source, placed, replace);
    if (recorded.recorded > 0)
      await tx.record({
        event: "metering.usage.recorded",
        subject: source,
        after: digestJson(placed.map(textOf).toSorted()),
        detail: { ...recorded, changedPeriods: [...recorded.changedPeriods] },
      });
    return recorded;
  });
}

/** Puts records of one source that are known to be well, in the transaction of whoever made them. */
export async function putRecords(
  tx: Transaction,
  source: string,
  placed: readonly PlacedRecord[],
  replace: boolean,
): Promise<Recorded> {
  const { organisationId } = tx.call.actor;
  const ids = [...new Set(placed.map(({ id }) => id))];
  const before = new Map<string, Set<string>>();
  for (const one of await findUsage(tx.sql, organisationId, source, ids))
    before.set(one.id, (before.get(one.id) ?? new Set()).add(textOf(one)));
  const after = Map.groupBy(placed, ({ id }) => id);
  const isSame = (id: string) => {
    const [old, now] = [before.get(id), after.get(id) ?? []];
    return old?.size === now.length && now.every((one) => old.has(textOf(one)));
  };
  const differing = ids.filter((id) => before.has(id) && !isSame(id));
  if (differing[0] !== undefined && !replace) throw differs(differing[0], differing.length);
  const gone = differing.length > 0 ? await removeUsage(tx.sql, organisationId, source, differing) : [];
  const fresh = placed.filter(({ id }) => !before.has(id) || differing.includes(id));
  const overlap = await findOverlap(tx.sql, organisationId, source, fresh);
  if (overlap) throw overlaps(overlap);
  const added = await insertUsage(tx.sql, organisationId, fresh, tx.now);
  const changedPeriods = await noteLate(
    tx.sql,
    organisationId,
    [...added.map(({ period }) => period), ...gone],
    tx.now,
  );
  const recorded = new Set(added.map(({ id }) => id)).size;
  return { recorded, known: ids.length - recorded, changedPeriods };
}

/** Finds each tenant once; who is not there is a fault of each record that names them. */
async function placeRecords(
  tenants: Tenants,
  call: CallContext,
  records: readonly UsageRecord[],
  faults: Violation[],
): Promise<PlacedRecord[]> {
  const found = new Map<string, TenantPlace | string>();
  const placed: PlacedRecord[] = [];
  for (const [index, record] of records.entries()) {
    const { businessUnit, team, useCase } = record.tenant;
    const key = JSON.stringify([businessUnit, team, useCase]);
    const place = found.get(key) ?? (await placeOf(tenants, call, record.tenant));
    found.set(key, place);
    if (typeof place === "string") {
      if (faults.length < 20) faults.push({ detail: place, at: { pointer: `/records/${index}` } });
    } else placed.push(...placedAt(record, place));
  }
  return placed;
}

export function placedAt(record: UsageRecord, place: TenantPlace): PlacedRecord[] {
  const { businessUnitId, teamId, useCaseId, businessUnit, team, useCase } = place;
  const tenant = { ...record.tenant, businessUnit, team, useCase };
  return splitByPeriod({ ...record, tenant }).map((part) => ({ ...part, businessUnitId, teamId, useCaseId }));
}

/** The narrowest that is named, which must lie where the others say. A text says what is wrong. */
async function placeOf(
  tenants: Tenants,
  { actor: { organisationId } }: CallContext,
  { businessUnit, team, useCase }: UsageTenant,
): Promise<TenantPlace | string> {
  const named = useCase || team || businessUnit;
  const kind = useCase ? "use case" : team ? "team" : "business unit";
  const place = await (useCase
    ? tenants.useCase(organisationId, useCase)
    : team
      ? tenants.team(organisationId, team)
      : tenants.businessUnit(organisationId, businessUnit));
  if (!place) return `there is no ${kind} ${JSON.stringify(named.slice(0, 60))}`;
  const isIn = (wanted: string, id: string, name: string) =>
    wanted === "" || wanted === id || wanted === name;
  if (!isIn(businessUnit, place.businessUnitId, place.businessUnit) || !isIn(team, place.teamId, place.team))
    return `${kind} ${named.slice(0, 60)} belongs to ${[place.businessUnit, place.team].filter(Boolean).join("/")}`;
  return place;
}

/** All of a record that must stay the same. */
function textOf({ tenant, quantity, start, end, meter, resource, id, period }: PlacedRecord): string {
  const { businessUnit, team, useCase, model, environment } = tenant;
  const names = [businessUnit, team, useCase, model, environment];
  return JSON.stringify([id, period, meter, ...names, resource, quantity.toString(), start, end]);
}

function notValid(violations: readonly Violation[]): PortolanError<MeteringErrorCode> {
  const [first] = violations;
  return new PortolanError<MeteringErrorCode>("metering.usage_not_valid", {
    detail: `${first?.at?.pointer ?? ""} ${first?.detail ?? "not valid"}`.trim(),
    mend: "docs/metering.md says what a record is.",
    violations,
  });
}

function differs(id: string, count: number): PortolanError<MeteringErrorCode> {
  return new PortolanError<MeteringErrorCode>("metering.usage_differs", {
    detail: `${count} of these records are there and say otherwise, first ${id.slice(0, 80)}`,
    mend: "Send them with replace (portolan usage import --replace) where these are right; the ledger keeps both digests.",
  });
}

function overlaps({
  id,
  other,
  meter,
}: {
  readonly id: string;
  readonly other: string;
  readonly meter: string;
}) {
  return new PortolanError<MeteringErrorCode>("metering.usage_overlaps", {
    detail: `${id.slice(0, 80)} counts a time of ${meter.slice(0, 80)} that ${other.slice(0, 80)} counts already`,
    mend: "Leave out what was recorded before, or replace it under its own id.",
  });
}
