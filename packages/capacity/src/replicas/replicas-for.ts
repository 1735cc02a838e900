import { PortolanError } from "@portolan/kernel";
import {
  type RedundancyAnswer,
  type RedundancyQuestion,
  redundancyFor,
} from "../availability/redundancy-for.ts";
import type { CapacityErrorCode } from "../errors.ts";
import {
  filledBatch,
  lateProbability,
  meanWaitSeconds,
  offeredLoad,
  type Queue,
  quantileSeconds,
  type ServiceTimes,
  waitProbability,
} from "./queue.ts";

export interface ReplicaQuestion {
  /** Requests a second on average. */
  readonly perSecond: number;
  /** Of that, how much comes at the peak. */
  readonly peak: number;
  /** What one batch takes in a replica; without batches, one request. */
  readonly serviceSeconds: number;
  readonly times: ServiceTimes;
  /** Share of the requests that is answered within `withinSeconds`. */
  readonly share: number;
  readonly withinSeconds: number;
  /** Requests of one batch at most, 1 without batches, and how long the first waits for the others at most; no wait: batches come as full as that. */
  readonly batch: number;
  readonly batchWaitSeconds: number;
  /** Beyond those that carry the peak: for one that fails, or that starts. */
  readonly spare: number;
  /** How long a replica takes from its order until it answers, and how fast the rate rises meanwhile. Absent: all that are needed are there. */
  readonly start?: {
    readonly coldStartSeconds: number;
    /** Requests a second more, each second. */
    readonly ramp: number;
  };
  /** Absent: nothing is asked of it. */
  readonly availability?: Omit<RedundancyQuestion, "needed" | "spare">;
}

export interface ReplicaAnswer {
  /** That carry the peak. */
  readonly needed: number;
  readonly spare: number;
  /** Requests of a batch on average at the peak; absent: there are no batches. */
  readonly batchFilled?: number;
  /** Of those needed, at the peak. */
  readonly figures: QueueFigures;
  /** The same with one replica fewer and up to two more; one fewer is too slow. */
  readonly beside: readonly QueueFigures[];
  /** What has to be ready already, so that a rise is carried while replicas start; where that is asked for. */
  readonly start?: StartReserve;
  /** How many are run, and where, for those that are needed to be up; where that is asked for. */
  readonly redundancy?: RedundancyAnswer;
}

/**
 * A replica that is ordered when the rate comes to its share answers one start too late. So those are ordered that the rate one start later takes:
 * while the rate rises no faster than the ramp, as many answer at any moment as that moment takes.
 */
export interface StartReserve {
  /** Requests a second that come in addition until a replica answers that is ordered now. */
  readonly rise: number;
  /** That answer at the peak already, those that carry it included. */
  readonly ready: number;
  /** Requests a second and replica at the peak: one more is ordered above. */
  readonly perReplica: number;
}

export interface QueueFigures {
  readonly replicas: number;
  /** 0 to 1; above, more comes than is answered. */
  readonly utilisation: number;
  readonly waitProbability: number;
  /** `null` where it grows without end. */
  readonly meanWaitMs: number | null;
  readonly quantileMs: number | null;
  /** Share that takes longer than is allowed. */
  readonly late: number;
}

/**
 * The fewest replicas that answer a share of the requests in time at the peak, the wait for a batch included.
 *
 * @throws PortolanError `capacity.objective_impossible` where no number of replicas would do, with the reason; `capacity.too_many_replicas`;
 *   `capacity.availability_impossible`
 */
export function replicasFor(question: ReplicaQuestion): ReplicaAnswer {
  const { perSecond, peak, batch, serviceSeconds, times, share, withinSeconds, batchWaitSeconds } = question;
  const left = withinSeconds - batchWaitSeconds;
  // With replicas without end nobody waits: what is left is the request's own time.
  const own =
    times === "constant" ? Number(serviceSeconds > left) : Math.exp(-Math.max(0, left) / serviceSeconds);
  if (left <= 0 || own > 1 - share) throw impossible(question, own);
  const batchFilled = filledBatch(perSecond * peak, batch, batchWaitSeconds);
  const queue = { perSecond: (perSecond * peak) / batchFilled, serviceSeconds };
  const figuresOf = (replicas: number) => figures({ ...queue, replicas }, question, left);
  const needed = fewest(question, perSecond * peak);
  const beside = [needed - 1, needed, needed + 1, needed + 2].filter((count) => count > 0).map(figuresOf);
  const { availability, spare } = question;
  const start = question.start && reserveOf(question, question.start);
  return {
    needed,
    spare,
    ...(batch > 1 ? { batchFilled } : {}),
    figures: figuresOf(needed),
    beside,
    ...(start ? { start } : {}),
    ...(availability
      ? { redundancy: redundancyFor({ ...availability, needed: start?.ready ?? needed, spare }) }
      : {}),
  };
}

/** The fewest that answer so many requests a second in time. */
function fewest(question: ReplicaQuestion, rate: number): number {
  const { batch, serviceSeconds, times, share, withinSeconds, batchWaitSeconds } = question;
  const queue = { perSecond: rate / filledBatch(rate, batch, batchWaitSeconds), serviceSeconds };
  const left = withinSeconds - batchWaitSeconds;
  let needed = Math.max(1, Math.floor(offeredLoad(queue)));
  if (needed > mostReplicas) throw tooMany(rate);
  while (lateProbability({ ...queue, replicas: needed }, times, left) > 1 - share) {
    needed++;
    if (needed > mostReplicas) throw tooMany(rate);
  }
  return needed;
}

function reserveOf(
  question: ReplicaQuestion,
  { coldStartSeconds, ramp }: NonNullable<ReplicaQuestion["start"]>,
): StartReserve {
  const rate = question.perSecond * question.peak;
  const rise = ramp * coldStartSeconds;
  const ready = fewest(question, rate + rise);
  return { rise, ready, perReplica: rate / ready };
}

/** Beyond, something else is wrong than the number of replicas. */
const mostReplicas = 10_000;

function figures(
  queue: Queue,
  { times, share, batchWaitSeconds }: ReplicaQuestion,
  left: number,
): QueueFigures {
  const finite = (seconds: number) => (Number.isFinite(seconds) ? 1000 * (seconds + batchWaitSeconds) : null);
  return {
    replicas: queue.replicas,
    utilisation: offeredLoad(queue) / queue.replicas,
    waitProbability: waitProbability(queue),
    meanWaitMs: finite(meanWaitSeconds(queue, times)),
    quantileMs: finite(quantileSeconds(queue, times, share)),
    late: lateProbability(queue, times, left),
  };
}

function impossible(question: ReplicaQuestion, own: number): PortolanError<CapacityErrorCode> {
  const { times, share, withinSeconds, serviceSeconds, batchWaitSeconds } = question;
  const ms = (seconds: number): string => `${Number((1000 * seconds).toPrecision(4))} ms`;
  const percent = (part: number): string => `${Number((100 * part).toPrecision(3))} %`;
  const why =
    withinSeconds <= batchWaitSeconds
      ? `the wait for a batch alone may take ${ms(batchWaitSeconds)}`
      : times === "constant"
        ? `one batch takes ${ms(serviceSeconds)} in a replica`
        : `${percent(own)} of the requests take longer than that in a replica alone`;
  return new PortolanError<CapacityErrorCode>("capacity.objective_impossible", {
    detail: `${percent(share)} within ${ms(withinSeconds)} is reached with no number of replicas: ${why}`,
    mend: "Make the model faster (portolan model quantize, another tier), batch less, or allow more time.",
  });
}

function tooMany(rate: number): PortolanError<CapacityErrorCode> {
  return new PortolanError<CapacityErrorCode>("capacity.too_many_replicas", {
    detail: `${rate} requests a second would take more than ${mostReplicas} replicas`,
    mend: "Check the rate and the time of one request: are they a second's, and in milliseconds?",
  });
}
