import { replicasFor } from "@portolan/capacity/policy";
import { isPortolanError } from "@portolan/kernel";

/** What is asked of cards of one kind that answer in batches. */
export interface CardsAsked {
  readonly perSecond: number;
  /** Absent: nobody waits. */
  readonly withinSeconds?: number;
  /** Of 1: what answers in time. */
  readonly share: number;
  /** A batch takes this, and each of its requests that in addition. */
  readonly batchMs: number;
  readonly requestMs: number;
  readonly mostRequests: number;
  /** A card is no busier. */
  readonly mostBusy: number;
}

/** The fewest cards, and how batches are made for them. */
export interface CardBatches {
  readonly cards: number;
  /** Requests of a batch at most, and on average. */
  readonly batch: number;
  readonly filled: number;
  /** The first request of a batch waits this long for others, at most. */
  readonly waitMs: number;
  /** A full batch takes this. */
  readonly takesMs: number;
  /** 0 to 1. */
  readonly busy: number;
  /** Why no number of cards answers in time; `cards` are then those that are not too busy. */
  readonly impossible?: string;
}

/**
 * The fewest cards that answer so many requests in time: Erlang's formula over all sizes of batches, where the first request waits as long as the others take to come on
 * average. That wait and a full batch's time are within what is allowed; batches are as full as they get. Of equal numbers of cards the smallest batch is taken.
 */
export function cardsFor(asked: CardsAsked): CardBatches {
  const sizes = Array.from({ length: Math.max(1, Math.floor(asked.mostRequests)) }, (_, index) => index + 1);
  const ways = sizes
    .map((batch) => batchesOf(asked, batch))
    // Whatever its latency takes, a size has no fewer than keep cards from being too busy: the rest need not be looked at.
    .toSorted((a, b) => a.cards - b.cards || a.batch - b.batch);
  let best: CardBatches | undefined;
  for (const way of ways) {
    if (best && way.cards >= best.cards && way.batch > best.batch) continue;
    if (best && way.cards > best.cards) break;
    const cards = inTime(asked, way);
    if (typeof cards !== "number") continue;
    if (!best || cards < best.cards || (cards === best.cards && way.batch < best.batch))
      best = { ...way, cards, busy: (way.busy * way.cards) / cards };
  }
  if (best) return best;
  const alone = inTime(asked, batchesOf(asked, 1));
  const [least = batchesOf(asked, 1)] = ways;
  return { ...least, impossible: typeof alone === "number" ? "it takes too long" : alone.why };
}

/** Batches of one size, on as many cards as keep each no busier than planned. */
function batchesOf({ perSecond, batchMs, requestMs, mostBusy }: CardsAsked, batch: number): CardBatches {
  const waitMs = batch === 1 || perSecond === 0 ? 0 : (1000 * (batch - 1)) / perSecond;
  const filled = waitMs === 0 ? batch : filledWhileOthersCome(batch - 1);
  const takesMs = batchMs + batch * requestMs;
  const work = ((perSecond / filled) * takesMs) / 1000;
  const cards = Math.max(1, Math.ceil(Number((work / mostBusy).toPrecision(12))));
  return { cards, batch, filled, waitMs, takesMs, busy: work / cards };
}

/** ln of the factorials of 0, 1, 2, …, as far as they were asked for; a batch has 4,096 requests at most. */
const logFactorials = [0];

/**
 * Requests of a batch whose first waits as long as `others` more take to come on average: of a Poisson count N with mean m, E[min(N, m)] = m (1 - P(N = m)). The same as
 * `filledBatch`, without its sum: all sizes of batches are looked at.
 */
export function filledWhileOthersCome(others: number): number {
  for (let n = logFactorials.length; n <= others; n++)
    logFactorials.push((logFactorials[n - 1] ?? 0) + Math.log(n));
  return 1 + others * (1 - Math.exp(others * Math.log(others) - others - (logFactorials[others] ?? 0)));
}

function inTime(asked: CardsAsked, way: CardBatches): number | { readonly why: string } {
  const { perSecond, share, withinSeconds } = asked;
  const { cards, batch, waitMs, takesMs } = way;
  if (withinSeconds === undefined || perSecond <= 0 || takesMs <= 0) return cards;
  try {
    const { needed } = replicasFor({
      perSecond,
      peak: 1,
      serviceSeconds: takesMs / 1000,
      times: "constant",
      share,
      withinSeconds,
      batch,
      batchWaitSeconds: waitMs / 1000,
      spare: 0,
    });
    return Math.max(cards, needed);
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    if (error.code === "capacity.objective_impossible") return { why: error.detail ?? "it takes too long" };
    if (error.code === "capacity.too_many_replicas") return cards;
    throw error;
  }
}
