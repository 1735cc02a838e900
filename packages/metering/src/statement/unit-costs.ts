import { readCsv } from "@portolan/csv-source";
import { allocateWhole, type Money } from "@portolan/kernel";
import type { Allocation } from "../allocate-bill.ts";
import { fileNotValid } from "../file-not-valid.ts";
import { type Tenant, type TenantLevel, tenantKey, tenantLevels, type UsageLine } from "../lines.ts";

/** What is counted, and the activity whose cost is divided by it. */
export const counted = {
  inferences: { activity: "serving", per: 1000n },
  scored_rows: { activity: "scoring", per: 1000n },
  training_runs: { activity: "training", per: 1n },
} as const;
export type Counted = keyof typeof counted;

export interface CountLine {
  readonly tenant: Tenant;
  readonly what: Counted;
  readonly count: bigint;
}

/** @param text CSV: `business_unit,team,use_case,model,environment,what,count` @throws PortolanError `metering.file_not_valid` */
export function readCounts(text: string, file: string): readonly CountLine[] {
  const { rows, faults } = readCsv(
    { text, file, columns: ["business_unit", "team", "what", "count"] },
    (row): CountLine => {
      const what = row.text("what");
      if (!(what in counted)) row.fault(`what: it is one of ${Object.keys(counted).join(", ")}`);
      const count = row.text("count");
      if (!/^\d{1,18}$/.test(count))
        row.fault(`count: ${JSON.stringify(count.slice(0, 40))} is no whole number of 0 or more`);
      return {
        tenant: {
          businessUnit: row.named("business_unit"),
          team: row.text("team"),
          useCase: row.text("use_case"),
          model: row.text("model"),
          environment: row.text("environment"),
        },
        what: what as Counted,
        count: /^\d{1,18}$/.test(count) ? BigInt(count) : 0n,
      };
    },
  );
  if (faults.length > 0) throw fileNotValid(file, faults, "docs/statements.md shows counts.");
  return rows;
}

export interface UnitCost {
  readonly what: Counted;
  readonly count: bigint;
  /** For `per` of them, all parts of the cost included; rounded once. */
  readonly cost: Money;
  readonly per: bigint;
  /** `activity`: of what was used for it. `all`: no usage says what it was for, and everything is divided. */
  readonly of: "activity" | "all";
}

/**
 * What a thousand inferences and a run of training cost, for each name down to a level. A tenant's cost is split by what its usage of each line was for; lines
 * that it did not use, such as support, by what the others came to. Pure.
 */
export function unitCosts(
  allocation: Allocation,
  usage: readonly UsageLine[],
  counts: readonly CountLine[],
  level: TenantLevel,
): ReadonlyMap<string, readonly UnitCost[]> {
  const sums = new Map<string, { readonly [K in Counted]?: bigint }>();
  for (const { tenant, what, count } of counts) {
    const key = namesKey(tenant, level);
    const before = sums.get(key) ?? {};
    sums.set(key, { ...before, [what]: (before[what] ?? 0n) + count });
  }
  const says = usage.some(({ activity }) => activity !== undefined);
  const costs = activityCosts(allocation, usage, level);
  const { currency } = allocation.total;
  return new Map(
    [...sums].map(([key, byWhat]) => [
      key,
      (Object.keys(counted) as Counted[]).flatMap((what): UnitCost[] => {
        const count = byWhat[what];
        const { activity, per } = counted[what];
        const ofName = costs.get(key);
        const nanos = says ? ofName?.get(activity) : sumOf(ofName);
        if (count === undefined || count === 0n || nanos === undefined) return [];
        return [
          {
            what,
            count,
            per,
            of: says ? "activity" : "all",
            cost: { nanos: rounded(nanos * per, count), currency },
          },
        ];
      }),
    ]),
  );
}

/** Each tenant's nanos by activity, summed down to a level; they come to what the level's names owe. */
export function activityCosts(
  { lines }: Allocation,
  usage: readonly UsageLine[],
  level: TenantLevel,
): ReadonlyMap<string, ReadonlyMap<string, bigint>> {
  const used = new Map<string, Map<string, bigint>>();
  for (const { tenant, resource, quantity, activity = "" } of usage) {
    const key = JSON.stringify([tenantKey(tenant), resource]);
    const byActivity = used.get(key) ?? new Map<string, bigint>();
    used.set(key, byActivity);
    byActivity.set(activity, (byActivity.get(activity) ?? 0n) + quantity);
  }
  const byTenant = new Map<
    string,
    { readonly tenant: Tenant; readonly known: Map<string, bigint>; rest: bigint }
  >();
  for (const { tenant, line, own, quota, idle, shared } of lines) {
    const key = tenantKey(tenant);
    const sum = byTenant.get(key) ?? { tenant, known: new Map<string, bigint>(), rest: 0n };
    byTenant.set(key, sum);
    const nanos = own.nanos + quota.nanos + idle.nanos + shared.nanos;
    const activities = [...(used.get(JSON.stringify([key, line])) ?? [])].filter(
      ([, quantity]) => quantity > 0n,
    );
    if (activities.length === 0) sum.rest += nanos;
    else addSplit(sum.known, nanos, activities);
  }
  const found = new Map<string, Map<string, bigint>>();
  for (const { tenant, known, rest } of byTenant.values()) {
    addSplit(known, rest, [...known]);
    const key = namesKey(tenant, level);
    const sums = found.get(key) ?? new Map<string, bigint>();
    found.set(key, sums);
    for (const [activity, nanos] of known) sums.set(activity, (sums.get(activity) ?? 0n) + nanos);
  }
  return found;
}

/** By weights, in the order of their names; without any, to no activity. */
function addSplit(
  sums: Map<string, bigint>,
  nanos: bigint,
  weights: readonly (readonly [string, bigint])[],
): void {
  const inOrder =
    weights.length === 0 ? [["", 1n] as const] : weights.toSorted(([a], [b]) => (a < b ? -1 : 1));
  const parts = allocateWhole(
    nanos,
    inOrder.map(([, weight]) => (weight > 0n ? weight : 0n)),
  );
  for (const [at, [activity]] of inOrder.entries())
    sums.set(activity, (sums.get(activity) ?? 0n) + (parts[at] ?? 0n));
}

/** Names from the business unit down to the level. */
export function namesKey(tenant: Tenant, level: TenantLevel): string {
  return JSON.stringify(
    tenantLevels.slice(0, tenantLevels.indexOf(level) + 1).map((one) => tenant[one] ?? ""),
  );
}

function sumOf(costs: ReadonlyMap<string, bigint> | undefined): bigint | undefined {
  return costs === undefined ? undefined : [...costs.values()].reduce((sum, nanos) => sum + nanos, 0n);
}

function rounded(numerator: bigint, denominator: bigint): bigint {
  const half = numerator < 0n ? -denominator : denominator;
  return (2n * numerator + half) / (2n * denominator);
}
