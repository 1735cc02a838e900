import {
  addMoney,
  allocateWhole,
  type Money,
  money,
  multiplyMoney,
  type PortolanError,
  type Violation,
} from "@portolan/kernel";
import { type Static, Type, Value } from "@portolan/typebox";
import { placeOf, readYaml } from "@portolan/yaml-source";
import { fileNotValid } from "../file-not-valid.ts";
import type { Bill, BillLine } from "../lines.ts";
import { capacityOfHours, joinBills } from "./bill-mapping.ts";

const closed = { additionalProperties: false } as const;
const Amount = Type.Union([Type.Number({ minimum: 0 }), Type.String({ maxLength: 40 })]);
const Day = Type.String({ pattern: "^\\d{4}-\\d{2}-\\d{2}$" });

const Asset = Type.Object(
  {
    asset: Type.String({ minLength: 1, maxLength: 100 }),
    /** Line of the bill; assets of one line are added up. */
    line: Type.String({ pattern: '^[^,\\r\\n"]{1,100}$' }),
    kind: Type.Optional(Type.Enum(["metered", "shared"])),
    cost: Amount,
    salvage: Type.Optional(Amount),
    /** First day of service. */
    from: Day,
    /** Months of service, or the day after the last. */
    life_months: Type.Optional(Type.Integer({ minimum: 1, maximum: 600 })),
    to: Type.Optional(Day),
    power: Type.Optional(
      Type.Object({ kw: Amount, price_per_kwh: Amount, overhead: Type.Optional(Amount) }, closed),
    ),
    /** How many units there are of what the line meters, such as the cards of a machine: each hour of service is one of capacity for each. */
    units: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
  },
  closed,
);
type AssetEntry = Static<typeof Asset>;
const Schedule = Type.Object(
  {
    currency: Type.String({ pattern: "^[A-Z]{3}$" }),
    assets: Type.Array(Asset, { minItems: 1, maxItems: 10_000 }),
  },
  closed,
);
export type DepreciationSchedule = Static<typeof Schedule>;

const kind = { noun: "depreciation schedule", maximumBytes: 4 * 1024 * 1024 };

/** @throws PortolanError `metering.file_not_valid` with the place of each finding */
export function readDepreciation(text: string, file: string): DepreciationSchedule {
  const source = readYaml(text, kind, file);
  if (source.kind === "unreadable") throw notValid(file, source.violations);
  const { value, lines } = source;
  const at = (pointer: string) => ({ file, pointer, ...placeOf(pointer, lines) });
  const faults: Violation[] = [...Value.Errors(Schedule, value)].map(({ instancePath, message }) => ({
    detail: `${instancePath || "the file"} ${message}`,
    at: at(instancePath),
  }));
  if (faults.length > 0) throw notValid(file, faults);
  const schedule = value as DepreciationSchedule;
  for (const [index, asset] of schedule.assets.entries())
    for (const detail of assetFaults(asset, schedule.currency))
      faults.push({ detail: `${asset.asset}: ${detail}`, at: at(`/assets/${index}`) });
  if (faults.length > 0) throw notValid(file, faults);
  return schedule;
}

function assetFaults(asset: AssetEntry, currency: string): string[] {
  const faults: string[] = [];
  const { cost, salvage = 0, from, to, life_months: life } = asset;
  const amounts = [cost, salvage, ...Object.values(asset.power ?? {})].map(String);
  const bad = amounts.find((amount) => !/^\d{1,15}(?:\.\d{1,9})?$/.test(amount));
  if (bad !== undefined) return [`${JSON.stringify(bad)} is no decimal with at most nine decimals`];
  if (dayNumber(from) === undefined) faults.push(`from: there is no day ${from}`);
  if (to !== undefined && dayNumber(to) === undefined) faults.push(`to: there is no day ${to}`);
  if ((to === undefined) === (life === undefined))
    faults.push("one of to and life_months says how long it serves");
  if (to !== undefined && to <= from) faults.push(`it ends on ${to}, not after ${from}`);
  if (money(String(salvage), currency).nanos > money(String(cost), currency).nanos)
    faults.push("it is worth more in the end than it cost");
  if (asset.kind === "shared" && asset.units !== undefined) faults.push("a shared line has no units");
  return faults;
}

/** What an asset costs in one month; over all months depreciation sums to the cost less the salvage, exactly. */
export interface AssetMonth {
  readonly asset: string;
  readonly line: string;
  /** `2026-11`. */
  readonly month: string;
  readonly depreciation: Money;
  readonly power: Money;
  /** Hours of service in the month, in UTC: days have 24. */
  readonly hours: bigint;
}

/** Straight line by the day: each month takes as much as it has days of service. Pure. */
export function assetMonths(asset: AssetEntry, currency: string): AssetMonth[] {
  const months = monthsOf(asset);
  const toLose =
    money(String(asset.cost), currency).nanos - money(String(asset.salvage ?? 0), currency).nanos;
  const parts = allocateWhole(
    toLose,
    months.map(({ days }) => BigInt(days)),
  );
  return months.map(({ month, days }, at) => ({
    asset: asset.asset,
    line: asset.line,
    month,
    depreciation: { nanos: parts[at] ?? 0n, currency },
    power: powerOf(asset, BigInt(days) * 24n, currency),
    hours: BigInt(days) * 24n,
  }));
}

const nanosOfOne = 1_000_000_000n;

/** Kilowatts times hours times the price, times what cooling and losses add, such as 1.4; rounded once. */
function powerOf({ power }: AssetEntry, hours: bigint, currency: string): Money {
  if (!power) return { nanos: 0n, currency };
  const nanos = (text: number | string) => money(String(text), currency).nanos;
  const factor = nanos(power.kw) * nanos(power.overhead ?? 1) * hours;
  return multiplyMoney(money(String(power.price_per_kwh), currency), factor, nanosOfOne * nanosOfOne);
}

/** The bill of one month. @throws PortolanError `metering.file_not_valid` where no asset serves in it */
export function depreciationBill(
  { currency, assets }: DepreciationSchedule,
  month: string,
  file: string,
): Bill {
  const bills = assets.flatMap((asset): Bill[] => {
    const found = assetMonths(asset, currency).find((one) => one.month === month);
    if (!found) return [];
    const line: BillLine = {
      name: asset.line,
      kind: asset.kind ?? "metered",
      amount: addMoney(found.depreciation, found.power),
      ...(asset.units === undefined ? {} : { capacity: capacityOfHours(BigInt(asset.units), found.hours) }),
    };
    return [{ currency, lines: [line] }];
  });
  if (bills.length === 0) throw notValid(file, [{ detail: `no asset serves in ${month}`, at: { file } }]);
  return joinBills(bills);
}

interface ServiceMonth {
  readonly month: string;
  readonly days: number;
}

function monthsOf({ from, to, life_months: life }: AssetEntry): ServiceMonth[] {
  const start = dayNumber(from) ?? 0;
  const end = to === undefined ? monthsLater(from, life ?? 0) : (dayNumber(to) ?? 0);
  const months: ServiceMonth[] = [];
  let [year, month] = [Number(from.slice(0, 4)), Number(from.slice(5, 7))];
  for (let at = start; at < end; ) {
    const next = civilDay(month === 12 ? year + 1 : year, month === 12 ? 1 : month + 1, 1);
    const until = Math.min(next, end);
    months.push({ month: `${year}-${String(month).padStart(2, "0")}`, days: until - at });
    at = until;
    [year, month] = month === 12 ? [year + 1, 1] : [year, month + 1];
  }
  return months;
}

/** The same day of a later month, or its last where it has no such day. */
function monthsLater(from: string, life: number): number {
  const months = Number(from.slice(0, 4)) * 12 + Number(from.slice(5, 7)) - 1 + life;
  const [year, month] = [Math.floor(months / 12), (months % 12) + 1];
  return civilDay(year, month, Math.min(Number(from.slice(8)), daysIn(year, month)));
}

function dayNumber(text: string): number | undefined {
  const [year = 0, month = 0, day = 0] = text.split("-").map(Number);
  return month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month)
    ? civilDay(year, month, day)
    : undefined;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

/** Days of the proleptic Gregorian calendar, from some day on (Howard Hinnant's days_from_civil). */
function civilDay(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const yearOfEra = y - era * 400;
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + ofYear;
}

function notValid(file: string, violations: readonly Violation[]): PortolanError {
  return fileNotValid(file, violations, "docs/statements.md shows a depreciation schedule.");
}
