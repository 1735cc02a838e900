import { addMoney, type Currency, formatDecimal, type Money, money, zeroMoney } from "@portolan/kernel";
import { type TenantLevel, tenantLevels } from "../lines.ts";
import { notComparable } from "./not-comparable.ts";
import type { StatementDocument } from "./statement.ts";

export interface EarlierMonth {
  readonly month: string;
  /** By names down to the level that was asked for, as JSON. */
  readonly totals: ReadonlyMap<string, string>;
}

interface Asked {
  readonly month: string | undefined;
  readonly level: TenantLevel;
  readonly currency: Currency;
  /** The one business unit that is shown. */
  readonly only: string | undefined;
}

/** Whether a statement down to one level says what another one asks: sums of a deeper one do. Pure. */
export function reaches({ by }: Pick<StatementDocument, "by">, level: TenantLevel): boolean {
  return tenantLevels.indexOf(by) >= tenantLevels.indexOf(level);
}

/**
 * What names owed in earlier months, the oldest first. Pure.
 *
 * @throws PortolanError `metering.statement_not_comparable` for months that are not earlier or come twice, another currency, and what goes less deep
 */
export function earlierMonths(earlier: readonly StatementDocument[], asked: Asked): readonly EarlierMonth[] {
  const months = earlier.map((document) => ({
    month: comparableMonth(document, asked),
    totals: totalsOf(document, asked),
  }));
  if (new Set(months.map(({ month }) => month)).size < months.length)
    throw notComparable("two earlier statements are of one month", "Name each month once.");
  return months.toSorted((a, b) => (a.month < b.month ? -1 : 1));
}

function comparableMonth(document: StatementDocument, { month, level, currency, only }: Asked): string {
  const { month: of, by, others, lines } = document;
  if (of === undefined || month === undefined)
    throw notComparable("a statement without a month has no place in a trend", "Make both with --month.");
  if (of >= month)
    throw notComparable(
      `the statement of ${of} is not earlier than ${month}`,
      "Name statements of earlier months.",
    );
  if (document.currency !== currency)
    throw notComparable(`the statement of ${of} is in ${document.currency}`, `This one is in ${currency}.`);
  if (!reaches(document, level))
    throw notComparable(
      `the statement of ${of} goes down to ${by}`,
      `This one goes down to ${level}: make the earlier ones with the same --by, or a deeper one.`,
    );
  // Who is among its others owed what it does not say: not nothing.
  if (others !== undefined && lines.some(({ names: [unit] }) => unit !== only))
    throw notComparable(
      `the statement of ${of} shows one business unit alone`,
      "Name one of all of them, or cut this one to the same with --only.",
    );
  return of;
}

function totalsOf({ lines }: StatementDocument, { level, currency }: Asked): ReadonlyMap<string, string> {
  const depth = tenantLevels.indexOf(level) + 1;
  const sums = new Map<string, Money>();
  for (const { names, total } of lines) {
    const key = JSON.stringify(names.slice(0, depth));
    sums.set(key, addMoney(sums.get(key) ?? zeroMoney(currency), money(total, currency)));
  }
  return new Map([...sums].map(([key, sum]) => [key, formatDecimal(sum)]));
}
