// What plans are reckoned with, where no price book and no charter is needed. Pure; money here is a plain number of units of a currency, for comparing what
// others stated: plans themselves count in exact money (costs.ts).

export const hoursPerWeek = 168;
const weeksPerMonth = 52 / 12;
const daysPerYear = 365;

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

export function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

/** @param weights as many as values, not all 0 */
export function weightedMean(values: readonly number[], weights: readonly number[]): number {
  return sum(values.map((value, index) => value * (weights[index] ?? 0))) / sum(weights);
}

/** Of each value its part of all, 0 to 1. */
export function sharesOf(values: readonly number[]): number[] {
  const total = sum(values);
  return values.map((value) => value / total);
}

/** What is run weekly costs in a month of 52 / 12 weeks, or of as many as are named. */
export function weeklyRunsMonthly(costPerRun: number, weeks = weeksPerMonth): number {
  return costPerRun * weeks;
}

/** A year of so many answers a day, at a price for a thousand. */
export function yearlyVolumeCost(perDay: number, pricePerThousand: number): number {
  return ((perDay * daysPerYear) / 1000) * pricePerThousand;
}

/** What is written off each year where a purchase lasts so many. */
export function straightLine(purchase: number, years: number): number {
  return purchase / years;
}

/**
 * Months until a purchase has paid for itself: what is saved each month is what the cloud would cost less what running the purchase costs. Depreciation is no
 * part of that: it is the purchase itself.
 *
 * @returns `Infinity` where nothing is saved
 */
export function breakEvenMonths(purchase: number, cloudMonthly: number, ownMonthly = 0): number {
  const saved = cloudMonthly - ownMonthly;
  return saved > 0 ? purchase / saved : Number.POSITIVE_INFINITY;
}

/** Share of the cards that the same work does not need any more once they are busier: 1 - before / after. */
export function pooledAway(before: number, after: number): number {
  return 1 - before / after;
}

/** Hours of a year in which a service may be away. */
export function yearlyDowntimeHours(availability: number): number {
  return 24 * daysPerYear * (1 - availability);
}
