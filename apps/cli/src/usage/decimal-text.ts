/**
 * A quantity as people read it: exact where a decimal of nine places says it, else rounded to one and marked. `--json` and exports have it exact. Pure.
 *
 * @param amount a decimal, or a fraction such as `22709023/3600000000`
 */
export function decimalText(amount: string): string {
  const [whole = "", parts] = amount.split("/");
  if (parts === undefined) return amount;
  // Halves go up: quantities are none below zero.
  const nanos = (2_000_000_000n * BigInt(whole) + BigInt(parts)) / (2n * BigInt(parts));
  const digits = nanos.toString().padStart(10, "0");
  return `≈ ${digits.slice(0, -9)}.${digits.slice(-9)}`.replace(/\.?0+$/, "");
}
