import type { Violation } from "@portolan/kernel";
import type { UsageRecord } from "./usage-record.ts";

/** A clock that is so much ahead is taken for right: two machines never agree to the microsecond. */
export const clockLeewayMicros = 300_000_000;
const longestMicros = 366 * 86_400_000_000;
/** A quantity that fits the column, and more than any bill has. */
const mostQuantity = 10n ** 30n;
const mostFaults = 20;

/**
 * What is wrong with records by themselves: negative or absurd quantities, times that end before they begin or lie ahead of now, two records of one
 * id, and one meter that counts a moment twice. Empty where all is well. Pure.
 *
 * @param pointer where in the file or request a record stands
 */
export function judgeRecords(
  records: readonly UsageRecord[],
  now: number,
  pointer: (index: number) => NonNullable<Violation["at"]>,
): Violation[] {
  const faults: Violation[] = [];
  for (const [index, record] of records.entries()) {
    const detail = faultOf(record, now);
    if (detail !== undefined) faults.push({ detail, at: pointer(index) });
    if (faults.length >= mostFaults) return faults;
  }
  return [...faults, ...twice(records, pointer)].slice(0, mostFaults);
}

function faultOf({ id, quantity, start, end }: UsageRecord, now: number): string | undefined {
  const name = JSON.stringify(id.slice(0, 80));
  if (quantity < 0n) return `${name} has a negative quantity: usage is never taken back, replace the record`;
  if (quantity > mostQuantity) return `${name} has more than anybody can use`;
  if (end < start) return `${name} ends before it begins: the clock was set back while it was counted`;
  if (start < 946_684_800_000_000) return `${name} is of before the year 2000`;
  if (end > now + clockLeewayMicros) return `${name} ends in the future: a clock is ahead`;
  if (end - start > longestMicros) return `${name} takes longer than a year`;
  return undefined;
}

function twice(
  records: readonly UsageRecord[],
  pointer: (index: number) => NonNullable<Violation["at"]>,
): Violation[] {
  const ids = new Set<string>();
  const meters = new Map<string, { readonly index: number; readonly record: UsageRecord }[]>();
  const faults: Violation[] = [];
  for (const [index, record] of records.entries()) {
    const id = JSON.stringify([record.source, record.id]);
    if (ids.has(id)) faults.push({ detail: `${record.id.slice(0, 80)} is there twice`, at: pointer(index) });
    ids.add(id);
    const meter = JSON.stringify([record.source, record.meter, record.resource]);
    meters.set(meter, [...(meters.get(meter) ?? []), { index, record }]);
  }
  for (const of of meters.values()) {
    const inOrder = of.toSorted((a, b) => a.record.start - b.record.start || a.record.end - b.record.end);
    let before = inOrder[0];
    for (const one of inOrder.slice(1)) {
      if (before && one.record.start < before.record.end && one.record.end > one.record.start)
        faults.push({
          detail: `${one.record.id.slice(0, 80)} overlaps ${before.record.id.slice(0, 80)}: ${one.record.meter.slice(0, 80)} counted ${one.record.resource} twice`,
          at: pointer(one.index),
        });
      if (!before || one.record.end > before.record.end) before = one;
    }
  }
  return faults;
}
