import { readCsv } from "@portolan/csv-source";
import { addMoney, allocateWhole, type Money, zeroMoney } from "@portolan/kernel";
import type { AllocatedLine, Allocation } from "../allocate-bill.ts";
import { fileNotValid } from "../file-not-valid.ts";
import { type Tenant, tenantKey } from "../lines.ts";

/**
 * Which business unit pays for a use case, whoever runs it.
 *
 * @param text CSV: `use_case,business_unit` @throws PortolanError `metering.file_not_valid`
 */
export function readPayers(text: string, file: string): ReadonlyMap<string, string> {
  const payers = new Map<string, string>();
  const { faults } = readCsv({ text, file, columns: ["use_case", "business_unit"] }, (row) => {
    const useCase = row.named("use_case");
    const before = payers.get(useCase);
    const payer = row.named("business_unit");
    if (before !== undefined && before !== payer)
      row.fault(`use_case: ${before} pays for ${useCase.slice(0, 60)} already`);
    payers.set(useCase, payer);
  });
  if (faults.length > 0) throw fileNotValid(file, faults, "docs/statements.md shows who pays.");
  return payers;
}

/** Usage, or counts, as of the business unit that pays for its use case; the team that ran it stays named. Pure. */
export function paidBy<Line extends { readonly tenant: Tenant }>(
  lines: readonly Line[],
  payers: ReadonlyMap<string, string>,
): Line[] {
  return lines.map((line) => {
    const payer = payers.get(line.tenant.useCase);
    return payer === undefined ? line : { ...line, tenant: { ...line.tenant, businessUnit: payer } };
  });
}

/**
 * Charges nothing to those who run the platform: what they owe is a shared line of all others, by what each owes until then. Where there is no other, nobody can be
 * asked for it. The sum of everything stays the bill. Pure.
 */
export function chargeBack(allocation: Allocation, engineering: ReadonlySet<string>): Allocation {
  const isEngineering = ({ tenant }: AllocatedLine) => engineering.has(tenant.businessUnit);
  const moved = allocation.lines.filter(isEngineering);
  if (moved.length === 0) return allocation;
  const kept = allocation.lines.filter((line) => !isEngineering(line));
  const { currency } = allocation.total;
  const owed = new Map<string, { readonly tenant: Tenant; nanos: bigint }>();
  for (const line of kept) {
    const key = tenantKey(line.tenant);
    const sum = owed.get(key) ?? { tenant: line.tenant, nanos: 0n };
    owed.set(key, sum);
    sum.nanos += totalOf(line).nanos;
  }
  const payers = [...owed].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
  const lines = [...kept];
  const unattributed = [...allocation.unattributed];
  for (const [name, nanos] of movedByLine(moved)) {
    if (payers.length === 0) {
      unattributed.push({ line: name, quantity: 0n, amount: { nanos, currency } });
      continue;
    }
    const parts = allocateWhole(
      nanos,
      payers.map((payer) => (payer.nanos > 0n ? payer.nanos : 0n)),
    );
    const none = zeroMoney(currency);
    for (const [at, { tenant }] of payers.entries())
      lines.push({
        tenant,
        line: name,
        quantity: 0n,
        own: none,
        quota: none,
        idle: none,
        shared: { nanos: parts[at] ?? 0n, currency },
      });
  }
  return { lines, unattributed, total: allocation.total };
}

function movedByLine(moved: readonly AllocatedLine[]): [string, bigint][] {
  const sums = new Map<string, bigint>();
  for (const line of moved) sums.set(line.line, (sums.get(line.line) ?? 0n) + totalOf(line).nanos);
  return [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function totalOf({ own, quota, idle, shared }: AllocatedLine): Money {
  return [quota, idle, shared].reduce(addMoney, own);
}
