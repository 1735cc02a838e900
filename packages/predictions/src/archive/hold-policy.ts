import type { PredictionHeader } from "../contract.ts";

/** A hold in force, as far as it decides; plain values, so that a thread can be told of it. */
export interface ActiveHold {
  readonly id: string;
  readonly environment: string;
  readonly useCaseId: string | null;
  readonly endpoint: string | null;
  /** Epoch microseconds, both inclusive. */
  readonly from: number | null;
  readonly to: number | null;
}

/** The first hold that covers the record. Pure. */
export function heldBy(header: PredictionHeader, holds: readonly ActiveHold[]): ActiveHold | undefined {
  const { context, receivedAt } = header;
  return holds.find(
    (hold) =>
      hold.environment === context.environment &&
      (hold.useCaseId === null || hold.useCaseId === context.useCaseId) &&
      (hold.endpoint === null || hold.endpoint === context.endpoint) &&
      (hold.from === null || receivedAt >= hold.from) &&
      (hold.to === null || receivedAt <= hold.to),
  );
}
