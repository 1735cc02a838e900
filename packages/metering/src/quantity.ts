/**
 * Parts of a unit in which usage is counted: millionths, and as many of each as sevenths and eighths are whole, so that slices of a card sum to the card.
 */
export const partsPerUnit = 840_000_000n;

/** A decimal with at most six decimals, or a fraction with a divisor that `partsPerUnit` has; `undefined` for all else. */
export function parseQuantity(text: string): bigint | undefined {
  const [, whole, fraction = ""] = /^(\d{1,15})(?:\.(\d{1,6}))?$/.exec(text) ?? [];
  if (whole !== undefined)
    return (BigInt(whole) * 1_000_000n + BigInt(fraction.padEnd(6, "0"))) * (partsPerUnit / 1_000_000n);
  const [, numerator, divisor = "0"] = /^(\d{1,15})\/(\d{1,6})$/.exec(text) ?? [];
  if (numerator === undefined || BigInt(divisor) === 0n || partsPerUnit % BigInt(divisor) !== 0n)
    return undefined;
  return BigInt(numerator) * (partsPerUnit / BigInt(divisor));
}

/** The decimal where it has at most six decimals, else the fraction in lowest terms. */
export function quantityText(parts: bigint): string {
  const perMillionth = partsPerUnit / 1_000_000n;
  if (parts % perMillionth !== 0n) {
    const common = greatestDivisor(parts, partsPerUnit);
    return `${parts / common}/${partsPerUnit / common}`;
  }
  const millionths = parts / perMillionth;
  const fraction = (millionths % 1_000_000n).toString().padStart(6, "0").replace(/0+$/, "");
  return `${millionths / 1_000_000n}${fraction === "" ? "" : `.${fraction}`}`;
}

function greatestDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : greatestDivisor(b, a % b);
}
