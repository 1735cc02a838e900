/** Bills carry more decimals than money that is paid has: they are summed in 10^-18 of the unit, and rounded once. */
export const attosPerUnit = 10n ** 18n;
const attosPerNano = 10n ** 9n;

/** So long is no amount; it also bounds the exponent. */
const mostDigits = 60;

/**
 * A decimal, in E notation too, as whole 10^-18; `undefined` for what is no number, or has a part below 10^-18 that would be lost.
 * Zeros at the end are no such part.
 */
export function parseAttos(text: string): bigint | undefined {
  const [, sign = "", whole = "", fraction = "", exponentText = "0"] =
    /^([+-]?)(\d{1,40})?(?:\.(\d{0,40}))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text) ?? [];
  if (whole === "" && fraction === "") return undefined;
  const shift = 18 - fraction.length + Number(exponentText);
  if (Math.abs(shift) > mostDigits) return BigInt(whole + fraction) === 0n ? 0n : undefined;
  const digits = BigInt(whole + fraction);
  const divisor = shift < 0 ? 10n ** BigInt(-shift) : 1n;
  if (digits % divisor !== 0n) return undefined;
  const size = shift < 0 ? digits / divisor : digits * 10n ** BigInt(shift);
  return sign === "-" ? -size : size;
}

/** The exact decimal, without zeros at the end. */
export function attosText(attos: bigint): string {
  const size = attos < 0n ? -attos : attos;
  const fraction = (size % attosPerUnit).toString().padStart(18, "0").replace(/0+$/, "");
  return `${attos < 0n ? "-" : ""}${size / attosPerUnit}${fraction === "" ? "" : `.${fraction}`}`;
}

/** Whole billionths, half to even: what can be paid. */
export function nanosOf(attos: bigint): bigint {
  const size = attos < 0n ? -attos : attos;
  const rest = size % attosPerNano;
  const floor = size / attosPerNano;
  const isUp = 2n * rest > attosPerNano || (2n * rest === attosPerNano && floor % 2n === 1n);
  const nanos = isUp ? floor + 1n : floor;
  return attos < 0n ? -nanos : nanos;
}

/**
 * Rounds parts of a bill to billionths so that they sum to the rounded sum: each is rounded down, and what is left goes to the largest rests, equal
 * ones in the order given.
 */
export function nanosThatSum(attos: readonly bigint[]): bigint[] {
  const floors = attos.map(floorNanos);
  const rests = attos.map((one, at) => ({ at, rest: one - (floors[at] ?? 0n) * attosPerNano }));
  let left = nanosOf(attos.reduce((sum, one) => sum + one, 0n)) - floors.reduce((sum, one) => sum + one, 0n);
  for (const { at } of rests.toSorted((a, b) =>
    a.rest === b.rest ? a.at - b.at : a.rest > b.rest ? -1 : 1,
  )) {
    if (left <= 0n) break;
    floors[at] = (floors[at] ?? 0n) + 1n;
    left -= 1n;
  }
  return floors;
}

function floorNanos(attos: bigint): bigint {
  const quotient = attos / attosPerNano;
  return attos < 0n && attos % attosPerNano !== 0n ? quotient - 1n : quotient;
}
