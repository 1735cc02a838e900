// Requests that wait for the first free of several like replicas, in the order in which they came (M/M/c and M/D/c). Sources: Erlang's formula as in
// Gross and Harris, "Fundamentals of Queueing Theory"; for constant times the Allen-Cunneen approximation.

export interface Queue {
  /** Requests, or batches, a second. */
  readonly perSecond: number;
  /** Mean time of one in a replica, in seconds. */
  readonly serviceSeconds: number;
  readonly replicas: number;
}

/** Replicas that are busy on average. */
export function offeredLoad({ perSecond, serviceSeconds }: Omit<Queue, "replicas">): number {
  return perSecond * serviceSeconds;
}

/**
 * The probability that a request has to wait (Erlang C), for a load below the number of replicas; 1 at or above it. By way of Erlang B, whose recursion does not
 * overflow.
 */
export function waitProbability(queue: Queue): number {
  const { replicas } = queue;
  const load = offeredLoad(queue);
  if (load >= replicas) return 1;
  let blocked = 1;
  for (let servers = 1; servers <= replicas; servers++)
    blocked = (load * blocked) / (servers + load * blocked);
  return blocked / (1 - (load / replicas) * (1 - blocked));
}

/** How service times vary: as those of an exponential distribution, or not at all, as of a network whose inputs are all of one size. */
export type ServiceTimes = "exponential" | "constant";

/** Mean seconds in the queue; `Infinity` where more comes than is answered. */
export function meanWaitSeconds(queue: Queue, times: ServiceTimes): number {
  const rate = queue.replicas / queue.serviceSeconds - queue.perSecond;
  if (rate <= 0) return Number.POSITIVE_INFINITY;
  return (waitProbability(queue) / rate) * (times === "constant" ? 0.5 : 1);
}

/**
 * The probability that a request takes longer than so many seconds, its wait included. Exact for exponential times; for constant ones the wait is taken as exponential
 * with half the mean.
 */
export function lateProbability(queue: Queue, times: ServiceTimes, seconds: number): number {
  const { perSecond, serviceSeconds, replicas } = queue;
  const rate = replicas / serviceSeconds - perSecond;
  if (rate <= 0) return 1;
  const waits = waitProbability(queue);
  if (times === "constant") {
    const left = seconds - serviceSeconds;
    return left < 0 ? 1 : waits * Math.exp(-2 * rate * left);
  }
  const own = Math.exp(-seconds / serviceSeconds);
  const beyond = replicas - 1 - offeredLoad(queue);
  // Where both rates are the same the quotient has a limit.
  if (Math.abs(beyond) < 1e-9) return own * (1 + (waits * seconds) / serviceSeconds);
  return own * (1 + (waits * (1 - Math.exp((-beyond * seconds) / serviceSeconds))) / beyond);
}

/** The seconds within which a share of the requests is answered; found by halving. */
export function quantileSeconds(queue: Queue, times: ServiceTimes, share: number): number {
  if (offeredLoad(queue) >= queue.replicas) return Number.POSITIVE_INFINITY;
  let high = queue.serviceSeconds;
  while (lateProbability(queue, times, high) > 1 - share) high *= 2;
  let low = 0;
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (lateProbability(queue, times, middle) > 1 - share) low = middle;
    else high = middle;
  }
  return high;
}

/**
 * Requests of a batch on average, where one leaves once it is full or its first request has waited for so long: the first, and those that come meanwhile (Poisson),
 * up to the size. Without a wait nothing gathers here: batches are as full as the caller says that they come.
 */
export function filledBatch(perSecond: number, size: number, waitSeconds: number): number {
  if (size <= 1 || waitSeconds <= 0) return size;
  const mean = perSecond * waitSeconds;
  // E[min(N, size - 1)] is the sum of P(N > k); probabilities as logarithms, since e^-mean may be too small for a number.
  let logOf = -mean;
  let upTo = 0;
  let filled = 1;
  for (let others = 0; others < size - 1; others++) {
    upTo += Math.exp(logOf);
    filled += Math.max(0, 1 - upTo);
    logOf += Math.log(mean) - Math.log(others + 1);
  }
  return filled;
}
