/**
 * When counts are called drift. Measured by `bench/drift-alarms.ts`; why each number: docs/adr/0172. The same for every column and endpoint:
 * a threshold that people turn per column is turned until it is silent.
 */
export const driftPolicy = {
  /** A window closes with so many rows, or with its hour. */
  windowRows: 1000,
  /** Microseconds of event time that a window never reaches across. */
  windowMicros: 3_600_000_000,
  /** Below so many rows of a column nothing is judged. */
  leastRows: 200,
  /** Expected share of false ones among the columns that differ in a window (Benjamini–Hochberg). */
  falseDiscoveryRate: 0.01,
  /** A column differs from a stability index on that is above its mean under equal distributions by this. */
  leastPsi: 0.02,
  /** A share of absent, outside or unseen values differs from such a growth on. */
  leastGrowth: 0.01,
  /** A column drifts once it differs in so many windows in a row. */
  consecutive: 2,
} as const;
