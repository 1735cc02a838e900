import { partsPerUnit } from "../quantity.ts";

/** How a resource is counted: exact, in whole numbers of its smallest unit. */
export interface Counted {
  readonly unit: string;
  /** Smallest units in one of the unit that bills and prices are in. */
  readonly perUnit: bigint;
}

const microsPerHour = 3_600_000_000n;
const secondsPerHour = 3600n;

/**
 * What usage is of, by the name that a line of a bill has. A card's time is counted in 840ths of a microsecond, so that halves, sevenths and eighths of
 * cards are whole; a month of storage is one of 730 hours, as in the price book.
 */
export const countedResources = {
  gpu_hours: { unit: "gpu_microsecond/840", perUnit: microsPerHour * 840n },
  /** How busy cards were: no line of a bill, but what tells idle ones. */
  gpu_busy_hours: { unit: "gpu_microsecond/840", perUnit: microsPerHour * 840n },
  cpu_hours: { unit: "cpu_microsecond", perUnit: microsPerHour },
  memory_gib_hours: { unit: "byte_second", perUnit: 2n ** 30n * secondsPerHour },
  storage_gb_months: { unit: "byte_second", perUnit: 10n ** 9n * 730n * secondsPerHour },
  egress_gb: { unit: "byte", perUnit: 10n ** 9n },
  /** Bodies of requests and answers, wherever their callers are. */
  request_gb: { unit: "byte", perUnit: 10n ** 9n },
  response_gb: { unit: "byte", perUnit: 10n ** 9n },
  /** Values that scorings read and wrote; no body, and no answer to anybody. */
  scoring_read_gb: { unit: "byte", perUnit: 10n ** 9n },
  scoring_written_gb: { unit: "byte", perUnit: 10n ** 9n },
  requests: { unit: "request", perUnit: 1n },
  /** Of these nobody counted bytes: those of an older gateway, refusals, reads of features. */
  requests_without_bytes: { unit: "request", perUnit: 1n },
  tokens: { unit: "token", perUnit: 1n },
  /** Runs of trainers, however often one began anew. */
  training_runs: { unit: "run", perUnit: 1n },
  training_hours: { unit: "microsecond", perUnit: microsPerHour },
  orchestration_hours: { unit: "microsecond", perUnit: microsPerHour },
  review_hours: { unit: "microsecond", perUnit: microsPerHour },
  reviews: { unit: "review", perUnit: 1n },
  approvals: { unit: "approval", perUnit: 1n },
} as const satisfies Record<string, Counted>;
export type CountedResource = keyof typeof countedResources;

/** Of resources that only files name. */
const named: Counted = { unit: "unit/840000000", perUnit: partsPerUnit };

export function countedAs(resource: string): Counted {
  return Object.hasOwn(countedResources, resource) ? countedResources[resource as CountedResource] : named;
}

/**
 * A decimal or a fraction of the unit that bills are in, as a whole number of smallest units; `undefined` where it is not one, or no whole number. Pure.
 */
export function parseCounted(text: string, { perUnit }: Counted): bigint | undefined {
  const [, whole, fraction = ""] = /^(\d{1,36})(?:\.(\d{1,9}))?$/.exec(text) ?? [];
  const [, over, under = "0"] = /^(\d{1,36})\/(\d{1,18})$/.exec(text) ?? [];
  const numerator = whole === undefined ? over : whole + fraction;
  const denominator = whole === undefined ? BigInt(under) : 10n ** BigInt(fraction.length);
  if (numerator === undefined || denominator === 0n) return undefined;
  const product = BigInt(numerator) * perUnit;
  return product % denominator === 0n ? product / denominator : undefined;
}

/** In the unit that bills are in: exact where it has at most nine decimals, else the fraction in lowest terms. Pure. */
export function countedText(quantity: bigint, { perUnit }: Counted): string {
  const common = greatestDivisor(quantity, perUnit);
  const scaled = quantity * 1_000_000_000n;
  if (scaled % perUnit !== 0n) return `${quantity / common}/${perUnit / common}`;
  const nanos = scaled / perUnit;
  const fraction = (nanos % 1_000_000_000n).toString().padStart(9, "0").replace(/0+$/, "");
  return `${nanos / 1_000_000_000n}${fraction === "" ? "" : `.${fraction}`}`;
}

/** The same by the resource's name. */
export function amountText(quantity: bigint, resource: string): string {
  return countedText(quantity, countedAs(resource));
}

function greatestDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : greatestDivisor(b, a % b);
}
