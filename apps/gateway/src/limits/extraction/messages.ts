import type { Finding } from "@portolan/serving/policy";

/** How the worker's monitors are made. */
export interface GuardSettings {
  readonly windowQueries: number;
  readonly queriesPerDay?: number;
}

/** Queries of one endpoint and model, a row each. */
export interface SampleBatch {
  readonly key: string;
  readonly clients: readonly string[];
  /** Rows one after the other; sent over, not copied. */
  readonly rows: Float32Array;
  readonly labels: readonly number[];
  readonly margins: readonly number[];
  /** Queries asked since the last batch, sampled or not, by client. */
  readonly asked: readonly (readonly [client: string, queries: number])[];
  readonly nowMicros: number;
}

export interface GuardReport {
  readonly key: string;
  readonly findings: readonly Finding[];
  /** From 0 to 1. */
  readonly learned: number;
}
