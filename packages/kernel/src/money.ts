import { PortolanError } from "./errors.ts";

/** ISO 4217 code, three capitals. */
export type Currency = string;

/** An exact amount: integer billionths of the currency's main unit. Never a floating-point number. */
export interface Money {
  readonly nanos: bigint;
  readonly currency: Currency;
}

const nanosPerUnit = 1_000_000_000n;

/** Reads a decimal text such as `285000`, `-3.67` or `0.000000001`; at most nine decimals. */
export function money(amount: string, currency: Currency): Money {
  const match = /^(-?)(\d+)(?:\.(\d{1,9}))?$/.exec(amount);
  if (match?.[2] === undefined || !/^[A-Z]{3}$/.test(currency)) {
    throw new PortolanError("kernel.bad_unit", {
      detail: `"${amount.slice(0, 40)} ${currency.slice(0, 10)}" is not an amount of money`,
      mend: "Write a decimal with at most nine decimals and an ISO 4217 code, e.g. 3.67 USD.",
    });
  }
  const nanos = BigInt(match[2]) * nanosPerUnit + BigInt((match[3] ?? "").padEnd(9, "0"));
  return { nanos: match[1] === "-" ? -nanos : nanos, currency };
}

export function zeroMoney(currency: Currency): Money {
  return { nanos: 0n, currency };
}

export function addMoney(a: Money, b: Money): Money {
  requireSameCurrency(a, b);
  return { nanos: a.nanos + b.nanos, currency: a.currency };
}

export function subtractMoney(a: Money, b: Money): Money {
  requireSameCurrency(a, b);
  return { nanos: a.nanos - b.nanos, currency: a.currency };
}

/** Negative, zero or positive, as a sort wants it. */
export function compareMoney(a: Money, b: Money): number {
  requireSameCurrency(a, b);
  return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
}

/**
 * Price times a rational quantity, divided once and rounded half to even:
 * `multiplyMoney(pricePerThousand, served, 1000n)`.
 */
export function multiplyMoney(amount: Money, numerator: bigint, denominator = 1n): Money {
  if (denominator <= 0n)
    throw new PortolanError("kernel.bad_unit", { detail: "a quantity's denominator must be positive" });
  return { nanos: divideHalfEven(amount.nanos * numerator, denominator), currency: amount.currency };
}

/**
 * Splits by weight. The parts always sum to the whole: leftover nanos go to the largest remainders,
 * ties to the earlier part. All weights zero: the first part takes all.
 */
export function allocate(total: Money, weights: readonly bigint[]): Money[] {
  return allocateWhole(total.nanos, weights).map((nanos) => ({ nanos, currency: total.currency }));
}

/** As `allocate`, of a whole number of anything. */
export function allocateWhole(total: bigint, weights: readonly bigint[]): bigint[] {
  if (weights.length === 0 || weights.some((weight) => weight < 0n)) {
    throw new PortolanError("kernel.bad_unit", {
      detail: "an allocation needs at least one weight, none negative",
    });
  }
  const sum = weights.reduce((a, b) => a + b, 0n);
  const effective = sum === 0n ? weights.map((_, i) => (i === 0 ? 1n : 0n)) : weights;
  const divisor = sum === 0n ? 1n : sum;
  const sign = total < 0n ? -1n : 1n;
  const whole = total * sign;
  const parts = effective.map((weight, index) => ({
    index,
    share: (whole * weight) / divisor,
    remainder: (whole * weight) % divisor,
  }));
  let left = whole - parts.reduce((a, part) => a + part.share, 0n);
  const byRemainder = parts.toSorted((a, b) =>
    a.remainder > b.remainder ? -1 : a.remainder < b.remainder ? 1 : a.index - b.index,
  );
  for (const part of byRemainder) {
    if (left === 0n) break;
    part.share += 1n;
    left -= 1n;
  }
  return parts.map((part) => part.share * sign);
}

/** `1234.5 USD`: exact, no rounding, no grouping. */
export function formatMoney(amount: Money): string {
  return `${formatDecimal(amount)} ${amount.currency}`;
}

/** The exact decimal alone, without trailing zeros. */
export function formatDecimal(amount: Money): string {
  const sign = amount.nanos < 0n ? "-" : "";
  const whole = amount.nanos < 0n ? -amount.nanos : amount.nanos;
  const fraction = (whole % nanosPerUnit).toString().padStart(9, "0").replace(/0+$/, "");
  return `${sign}${whole / nanosPerUnit}${fraction ? `.${fraction}` : ""}`;
}

function divideHalfEven(numerator: bigint, denominator: bigint): bigint {
  const sign = numerator < 0n ? -1n : 1n;
  const whole = numerator * sign;
  const quotient = whole / denominator;
  const twice = (whole % denominator) * 2n;
  const up = twice > denominator || (twice === denominator && quotient % 2n === 1n);
  return (up ? quotient + 1n : quotient) * sign;
}

function requireSameCurrency(a: Money, b: Money): void {
  if (a.currency !== b.currency) {
    throw new PortolanError("kernel.currency_mismatch", {
      detail: `${a.currency} and ${b.currency} cannot be combined`,
    });
  }
}
