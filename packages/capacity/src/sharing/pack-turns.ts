/** A workload that takes turns with others on a card (time-slicing): all of them are in its memory all the time, and one computes at a moment. */
export interface Sharer {
  readonly name: string;
  /** Of a card's time at its busiest, thousandths: 1 to 1000. */
  readonly busyMilli: number;
  /** MiB, with the context that each process has of its own. */
  readonly memoryMib: number;
}

export interface SharedCard {
  readonly memoryMib: number;
  /** Of its time at most, thousandths: what is left is for turns that change and peaks that meet. */
  readonly mostBusyMilli: number;
  readonly mostSharers: number;
}

export interface TurnPacking {
  readonly cards: readonly (readonly Sharer[])[];
  /** No packing takes fewer cards than this. */
  readonly atLeast: number;
}

/** Up to so many workloads the fewest cards are found exactly. */
const mostExact = 12;

/**
 * Stands workloads on as few cards as possible, so that on each the memory of all and their time fit. Exact up to twelve of them; beyond, the
 * largest first onto the first card that has room, and `atLeast` says how far from the best it may be. Pure.
 *
 * @param sharers none of which asks for more than a card has: see `misfits`
 */
export function packTurns(sharers: readonly Sharer[], card: SharedCard): TurnPacking {
  const largest = sharers.toSorted((a, b) => sizeOf(b, card) - sizeOf(a, card));
  const quick = firstFit(largest, card);
  const bound = lowerBound(sharers, card);
  if (quick.length === bound || sharers.length > mostExact) return { cards: quick, atLeast: bound };
  const cards = fewest(largest, card, bound, quick);
  return { cards, atLeast: cards.length };
}

/** Those that fit on no card, not even alone. */
export function misfits(sharers: readonly Sharer[], card: SharedCard): Sharer[] {
  return sharers.filter((one) => !fits([], one, card));
}

function fits(on: readonly Sharer[], one: Sharer, card: SharedCard): boolean {
  const all = [...on, one];
  return (
    all.length <= card.mostSharers &&
    all.reduce((sum, { memoryMib }) => sum + memoryMib, 0) <= card.memoryMib &&
    all.reduce((sum, { busyMilli }) => sum + busyMilli, 0) <= card.mostBusyMilli
  );
}

function sizeOf({ busyMilli, memoryMib }: Sharer, card: SharedCard): number {
  return Math.max(busyMilli / card.mostBusyMilli, memoryMib / card.memoryMib);
}

function firstFit(largest: readonly Sharer[], card: SharedCard): Sharer[][] {
  const cards: Sharer[][] = [];
  for (const one of largest) {
    const found = cards.find((on) => fits(on, one, card));
    if (found) found.push(one);
    else cards.push([one]);
  }
  return cards;
}

function lowerBound(sharers: readonly Sharer[], card: SharedCard): number {
  const sum = (of: (one: Sharer) => number): number => sharers.reduce((total, one) => total + of(one), 0);
  return Math.max(
    Math.ceil(sharers.length / card.mostSharers),
    Math.ceil(sum(({ memoryMib }) => memoryMib) / card.memoryMib),
    Math.ceil(sum(({ busyMilli }) => busyMilli) / card.mostBusyMilli),
  );
}

/** Each workload in turn onto each card that has room, or onto one more; what cannot be better than the best so far is not followed. */
function fewest(
  largest: readonly Sharer[],
  card: SharedCard,
  bound: number,
  quick: Sharer[][],
): readonly (readonly Sharer[])[] {
  let best: readonly (readonly Sharer[])[] = quick;
  const place = (at: number, cards: readonly (readonly Sharer[])[]): void => {
    if (best.length === bound || cards.length >= best.length) return;
    const one = largest[at];
    if (one === undefined) {
      best = cards;
      return;
    }
    for (const [index, on] of cards.entries())
      if (fits(on, one, card)) place(at + 1, cards.with(index, [...on, one]));
    place(at + 1, [...cards, [one]]);
  };
  place(0, []);
  return best;
}
