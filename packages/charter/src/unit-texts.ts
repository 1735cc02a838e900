import { type TString, Type } from "@portolan/typebox";

/**
 * Quantities are written as texts with units, so that a reader never guesses. Each pattern is unique: the parser
 * finds the mend (`unitMend`) by the pattern that refused a text.
 */
const durationPattern = "^\\d+(\\.\\d+)?\\s*(ms|s|min|h|d|w|y)$";
const ratePattern = "^\\d+(\\.\\d+)?\\s*(rps|rpm|rph)$";
const tokenRatePattern = "^\\d+(\\.\\d+)?\\s*(tps|tpm|tph)$";
const bytesPattern = "^\\d+(\\.\\d+)?\\s*(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$";
const monthlyMoneyPattern = "^\\d+(\\.\\d{1,9})?\\s+[A-Z]{3}/month$";
const yearlyMoneyPattern = "^\\d+(\\.\\d{1,9})?\\s+[A-Z]{3}/year$";
const percentPattern = "^\\d{1,3}(\\.\\d+)?%$";

export function DurationText(description: string): TString {
  return Type.String({ pattern: durationPattern, description, examples: ["80ms", "24h", "2y"] });
}
export function RateText(description: string): TString {
  return Type.String({ pattern: ratePattern, description, examples: ["500 rps"] });
}
export function TokenRateText(description: string): TString {
  return Type.String({ pattern: tokenRatePattern, description, examples: ["60000 tpm"] });
}
export function ByteSizeText(description: string): TString {
  return Type.String({ pattern: bytesPattern, description, examples: ["12 MB", "2 GiB"] });
}
export function MonthlyMoneyText(description: string): TString {
  return Type.String({ pattern: monthlyMoneyPattern, description, examples: ["2000 USD/month"] });
}
export function YearlyMoneyText(description: string): TString {
  return Type.String({ pattern: yearlyMoneyPattern, description, examples: ["500000000 EUR/year"] });
}
export function PercentText(description: string): TString {
  return Type.String({ pattern: percentPattern, description, examples: ["99.9%"] });
}

/** What to write instead, by the pattern that refused the text. */
export const unitMends: Readonly<Record<string, string>> = {
  [durationPattern]: "Write a number and a unit (ms, s, min, h, d, w or y), e.g. 80ms, 24h or 2y.",
  [ratePattern]: "Write a number and rps, rpm or rph (requests a second, minute or hour), e.g. 500 rps.",
  [tokenRatePattern]: "Write a number and tps, tpm or tph (tokens a second, minute or hour), e.g. 60000 tpm.",
  [bytesPattern]: "Write a number and a unit, e.g. 12 MB or 2 GiB.",
  [monthlyMoneyPattern]: "Write an amount, an ISO 4217 currency and /month, e.g. 2000 USD/month.",
  [yearlyMoneyPattern]: "Write an amount, an ISO 4217 currency and /year, e.g. 500000000 EUR/year.",
  [percentPattern]: "Write a percentage, e.g. 99.9%.",
};

/** `99.9%` as 0.999, rounded to the twelfth decimal so that it prints as it was written. */
export function parsePercent(text: string): number {
  return Number((Number(text.slice(0, -1)) / 100).toFixed(12));
}

const perSecond: Readonly<Record<string, number>> = {
  rps: 1,
  rpm: 60,
  rph: 3600,
  tps: 1,
  tpm: 60,
  tph: 3600,
};

/** `500 rps`, `30 rpm` in requests a second, `60000 tpm` in tokens a second. */
export function parseRate(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([rt]p[smh])$/.exec(text) ?? [];
  return Number(number) / (perSecond[unit ?? ""] ?? Number.NaN);
}
