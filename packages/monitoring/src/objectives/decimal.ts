/** A decimal number as it is written: 0.001, not 0.0010000000000000009. */
interface Decimal {
  readonly digits: bigint;
  /** Digits behind the point. */
  readonly scale: number;
}

/** @param text digits with at most one point; @throws RangeError for anything else, exponents too */
function parse(text: string): Decimal {
  const [, whole = "", part = ""] = /^(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  if (whole === "") throw new RangeError(`${text} is no decimal number`);
  return { digits: BigInt(whole + part), scale: part.length };
}

function format({ digits, scale }: Decimal): string {
  const text = digits.toString().padStart(scale + 1, "0");
  const whole = text.slice(0, text.length - scale);
  const part = text.slice(text.length - scale).replace(/0+$/, "");
  return part === "" ? whole : `${whole}.${part}`;
}

/** `a × b`, exact. @throws RangeError for what is no decimal number */
export function timesDecimal(a: string, b: string): string {
  const [x, y] = [parse(a), parse(b)];
  return format({ digits: x.digits * y.digits, scale: x.scale + y.scale });
}

/** What is missing to one, exact. @param text from 0 to 1 @throws RangeError for what is not */
export function restOfOne(text: string): string {
  const { digits, scale } = parse(text);
  const one = 10n ** BigInt(scale);
  if (digits > one) throw new RangeError(`${text} is above 1`);
  return format({ digits: one - digits, scale });
}
