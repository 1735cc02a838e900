import { formatDurationMs, PortolanError } from "@portolan/kernel";
import type { TrainingRunRequest } from "./contract.ts";
import type { TrainingErrorCode } from "./errors.ts";

type Limited = Pick<TrainingRunRequest, "resources">;

/**
 * Milliseconds that a trainer may work now: what the server gives each, and no more than its request's limit leaves after earlier attempts. Pure.
 *
 * @param mostMs what the server gives
 * @param workedMicros of earlier attempts together
 */
export function timeLeftMs(mostMs: number, { resources }: Limited, workedMicros = 0): number {
  const seconds = resources?.timeLimitSeconds;
  if (seconds === undefined) return mostMs;
  return Math.max(0, Math.min(mostMs, seconds * 1000 - Math.ceil(workedMicros / 1000)));
}

/** Why a run whose time is used up does not begin once more. */
export function timeUsedUp({ resources }: Limited): PortolanError<TrainingErrorCode> {
  const limit = formatDurationMs((resources?.timeLimitSeconds ?? 0) * 1000);
  return new PortolanError("training.trainer_failed", {
    detail: `its attempts have worked for the ${limit} that were asked for`,
    mend: "Submit it again with a longer time limit.",
  });
}
