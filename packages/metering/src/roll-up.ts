import { addMoney, type Money, zeroMoney } from "@portolan/kernel";
import type { Allocation } from "./allocate-bill.ts";
import { type Tenant, type TenantLevel, tenantLevels } from "./lines.ts";

/** What one business unit, team, use case or environment of one owes. */
export interface StatementLine {
  /** From the business unit down to the level that was asked for. */
  readonly names: readonly string[];
  /** Of each metered line, in `partsPerUnit`. */
  readonly quantities: Readonly<Record<string, bigint>>;
  readonly own: Money;
  /** For what was kept for it and not used. */
  readonly quota: Money;
  readonly idle: Money;
  readonly shared: Money;
  readonly total: Money;
}

/** Sums down to a level, largest first; their totals and what is unattributed sum to the bill. Pure. */
export function rollUp({ lines, total }: Allocation, level: TenantLevel): StatementLine[] {
  const none = zeroMoney(total.currency);
  const sums = new Map<string, { -readonly [K in keyof StatementLine]: StatementLine[K] }>();
  for (const { tenant, line, quantity, own, quota, idle, shared } of lines) {
    const names = namesOf(tenant, level);
    const key = JSON.stringify(names);
    const sum = sums.get(key) ?? {
      names,
      quantities: {},
      own: none,
      quota: none,
      idle: none,
      shared: none,
      total: none,
    };
    sums.set(key, sum);
    if (quantity > 0n)
      sum.quantities = { ...sum.quantities, [line]: (sum.quantities[line] ?? 0n) + quantity };
    sum.own = addMoney(sum.own, own);
    sum.quota = addMoney(sum.quota, quota);
    sum.idle = addMoney(sum.idle, idle);
    sum.shared = addMoney(sum.shared, shared);
    sum.total = [own, quota, idle, shared].reduce(addMoney, sum.total);
  }
  return [...sums]
    .toSorted(([a, left], [b, right]) =>
      left.total.nanos === right.total.nanos
        ? a < b
          ? -1
          : 1
        : left.total.nanos > right.total.nanos
          ? -1
          : 1,
    )
    .map(([, sum]) => sum);
}

function namesOf(tenant: Tenant, level: TenantLevel): string[] {
  return tenantLevels.slice(0, tenantLevels.indexOf(level) + 1).map((one) => tenant[one] ?? "");
}
