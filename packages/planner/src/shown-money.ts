import { money } from "@portolan/kernel";

/** `152.305 USD` as `152.30 USD`: cents, half to even, of what was earned and saved too. */
export function shownMoney(text: string): string {
  const [amount = "0", currency = "XXX"] = text.split(" ");
  const isNegative = amount.startsWith("-");
  const { nanos } = money(isNegative ? amount.slice(1) : amount, currency);
  const nanosPerCent = 10_000_000n;
  const quotient = nanos / nanosPerCent;
  const twice = (nanos % nanosPerCent) * 2n;
  const rounded =
    twice > nanosPerCent || (twice === nanosPerCent && quotient % 2n === 1n) ? quotient + 1n : quotient;
  const sign = isNegative && rounded > 0n ? "-" : "";
  return `${sign}${rounded / 100n}.${(rounded % 100n).toString().padStart(2, "0")} ${currency}`;
}
