/** Days that a forecast rests on at most: whole weeks, for work has a rhythm of weeks. */
export const mostDays = 28;

/** Upper tenth of Student's t by degrees of freedom from 1, as published tables have it. */
const upperTenth = [
  3.078, 1.886, 1.638, 1.533, 1.476, 1.44, 1.415, 1.397, 1.383, 1.372, 1.363, 1.356, 1.35, 1.345, 1.341,
  1.337, 1.333, 1.33, 1.328, 1.325, 1.323, 1.321, 1.319, 1.318, 1.316, 1.315, 1.314,
];

export interface Forecast {
  /** What the month comes to if days go on as the last ones. */
  readonly expected: number;
  /** In four months of five it lies between these. */
  readonly low: number;
  readonly high: number;
  /** Days that it rests on. */
  readonly days: number;
}

/**
 * What a month comes to: what is spent, and each day that is left at the mean of the last whole weeks. The interval is the prediction interval of a sum of
 * so many further days (80 %, Student's t), never below what is spent; days that depend on each other make it too narrow. `undefined` with fewer than three
 * whole days: nobody knows then. Pure.
 *
 * @param spent this month until now
 * @param daily costs of the last whole days, the newest last
 * @param daysLeft of the month, with a part of today
 */
export function forecastMonth(
  spent: number,
  daily: readonly number[],
  daysLeft: number,
): Forecast | undefined {
  const count = Math.min(daily.length, mostDays);
  const days = count >= 7 ? count - (count % 7) : count;
  if (days < 3) return undefined;
  const used = daily.slice(-days);
  const mean = used.reduce((sum, one) => sum + one, 0) / days;
  const variance = used.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (days - 1);
  const t = upperTenth[days - 2] ?? 1.282;
  const half = t * Math.sqrt(variance * (daysLeft + daysLeft ** 2 / days));
  const expected = spent + mean * daysLeft;
  return { expected, low: Math.max(spent, expected - half), high: expected + half, days };
}
