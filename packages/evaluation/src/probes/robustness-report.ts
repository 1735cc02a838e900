import { wilsonInterval } from "@portolan/numerics";
import type { RobustnessReport } from "./contract.ts";

/** Rightly decided rows that are attacked, and those of them that are certified. */
export const attackedRows = 200;
export const certifiedRows = 100;
export const probeSeed = 1;

export interface RobustnessFound {
  readonly mutable: readonly string[];
  readonly radius: number;
  readonly reference: RobustnessReport["reference"];
  /** Of the nearest change that the attack found, by row; infinite where there was none. */
  readonly distances: readonly number[];
  /** By row, or why there are none. */
  readonly certificates: readonly { readonly radius: number; readonly isExact: boolean }[] | string;
}

/** What attack and certificates say together. Pure. A certificate says that nothing below it turns: one at the radius covers changes up to it. */
export function robustnessReport(found: RobustnessFound): RobustnessReport {
  const { mutable, radius, reference, distances, certificates } = found;
  const stated = { mutable: [...mutable], radius, reference, seed: probeSeed, rows: distances.length };
  const medianDistance = medianOf(distances);
  if (distances.length === 0) return { ...stated, problem: "no held-out row is decided rightly" };
  return {
    ...stated,
    turned: shareOf(distances.filter((distance) => distance <= radius).length, distances.length),
    turnedAtAll: distances.filter(Number.isFinite).length,
    ...(medianDistance === undefined ? {} : { medianDistance }),
    ...(typeof certificates === "string" ? { notCertified: certificates } : certified(certificates, radius)),
  };
}

function certified(certificates: Exclude<RobustnessFound["certificates"], string>, radius: number) {
  const medianRadius = medianOf(certificates.map((one) => one.radius));
  return {
    certified: shareOf(certificates.filter((one) => one.radius > radius).length, certificates.length),
    certifiedRows: certificates.length,
    exactRows: certificates.filter(({ isExact }) => isExact).length,
    ...(medianRadius === undefined ? {} : { medianRadius }),
  };
}

/** The lower median, where it is finite. */
function medianOf(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)];
  return median !== undefined && Number.isFinite(median) ? median : undefined;
}

/** A share of rows with Wilson's interval. Pure. @param count above 0 */
export function shareOf(part: number, count: number) {
  return { count: part, share: part / count, interval: wilsonInterval(part, count) };
}
