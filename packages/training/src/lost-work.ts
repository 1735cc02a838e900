import { formatMoney, type Money, multiplyMoney } from "@portolan/kernel";
import type { AttemptEnding, TrainingAttempt, TrainingWork } from "./attempt-schema.ts";
import type { TrainingRunRequest } from "./contract.ts";
import type { TrainerUsage } from "./trainer-usage.ts";

/** An attempt as it is kept; times in epoch microseconds. */
export interface KeptAttempt {
  readonly startedAt: number;
  /** When control last looked at it. */
  readonly seenAt: number;
  readonly checkpoints: number;
  readonly checkpointAt?: number;
  readonly overdueTimes: number;
  readonly overdueSince?: number;
  readonly endedAt?: number;
  readonly ending?: AttemptEnding;
  readonly reason?: string;
  /** Absent where nobody could look. */
  readonly used?: TrainerUsage;
}

const microsPerSecond = 1_000_000;

/** Whether a run makes room for more urgent ones: it says so itself, else all but those of production do. Pure. */
export function isPreemptible({
  environment,
  preemptible,
}: Pick<TrainingRunRequest, "environment" | "preemptible">): boolean {
  return preemptible ?? environment !== "production";
}

/**
 * What an attempt came to. One that finished has lost nothing; of one that runs, what would be lost if it ended now is not said. Pure.
 */
export function attemptView(attempt: KeptAttempt): TrainingAttempt {
  const { startedAt, endedAt, ending, checkpointAt, checkpoints, overdueTimes, overdueSince, reason, used } =
    attempt;
  const isCut = endedAt !== undefined && ending !== "finished";
  const keptMicros = isCut ? Math.max(0, (checkpointAt ?? startedAt) - startedAt) : 0;
  const lostMicros = isCut ? Math.max(0, endedAt - (checkpointAt ?? startedAt)) : 0;
  return {
    startedAt,
    ...(endedAt === undefined ? {} : { endedAt }),
    ...(ending === undefined ? {} : { ending }),
    ...(reason === undefined ? {} : { reason }),
    checkpoints,
    ...(checkpointAt === undefined ? {} : { checkpointAt }),
    overdueTimes,
    ...(overdueSince === undefined ? {} : { overdueSince }),
    keptSeconds: keptMicros / microsPerSecond,
    lostSeconds: lostMicros / microsPerSecond,
    ...(used ? { cpuSeconds: used.cpuMicros / microsPerSecond, peakMemoryBytes: used.peakMemoryBytes } : {}),
  };
}

/** All attempts of a run, and their sums. Pure. */
export function workOf(
  request: Pick<TrainingRunRequest, "environment" | "preemptible">,
  kept: readonly KeptAttempt[],
): TrainingWork {
  const attempts = kept.map(attemptView);
  const sum = (of: (attempt: TrainingAttempt) => number) =>
    attempts.reduce((total, one) => total + of(one), 0);
  return {
    preemptible: isPreemptible(request),
    preemptions: attempts.filter(({ ending }) => ending === "preempted").length,
    keptSeconds: sum(({ keptSeconds }) => keptSeconds),
    lostSeconds: sum(({ lostSeconds }) => lostSeconds),
    attempts,
  };
}

const microsPerHour = 3_600_000_000n;

/**
 * What kept and lost time is worth: the trainer's cores at the price of one for an hour, each rounded once, to a billionth. A trainer holds its cores whatever
 * it does, so the time counts and not its processor time. Pure.
 */
export function pricedWork(work: TrainingWork, coreHour: Money, cores: number): TrainingWork {
  const worth = (seconds: number) =>
    formatMoney(
      multiplyMoney(coreHour, BigInt(Math.round(seconds * microsPerSecond)) * BigInt(cores), microsPerHour),
    );
  return {
    ...work,
    cost: {
      coreHour: formatMoney(coreHour),
      cores,
      kept: worth(work.keptSeconds),
      lost: worth(work.lostSeconds),
    },
  };
}

/**
 * Since when a checkpoint is missing: the moment at which the declared interval after the last one, or after the start, was over.
 *
 * @returns undefined where none is declared or missing. Pure.
 */
export function overdueSince(
  intervalSeconds: number | undefined,
  { startedAt, checkpointAt }: Pick<KeptAttempt, "startedAt" | "checkpointAt">,
  now: number,
): number | undefined {
  if (intervalSeconds === undefined) return undefined;
  const due = (checkpointAt ?? startedAt) + intervalSeconds * microsPerSecond;
  return now > due ? due : undefined;
}
