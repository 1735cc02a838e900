import type { RefusalRecord } from "../contract.ts";

const maxKeys = 10_000;

interface Counted {
  readonly first: RefusalRecord;
  seen: number;
}

/**
 * Bounds what a flood of refusals costs: per client, endpoint, version and reason the first few of a second are logged one
 * by one, the others are counted. Beyond 10,000 such keys in a second the rest are counted per organisation.
 */
export class RefusalCounter {
  readonly #individually: number;
  #counts = new Map<string, Counted>();

  constructor(individually: number) {
    this.#individually = individually;
  }

  /** True when this refusal is to be logged as a record of its own. */
  admit(refusal: RefusalRecord): boolean {
    const key = keyOf(refusal);
    let counted = this.#counts.get(key);
    if (!counted && this.#counts.size >= maxKeys) return this.#admitOther(refusal);
    if (!counted) {
      counted = { first: refusal, seen: 0 };
      this.#counts.set(key, counted);
    }
    counted.seen += 1;
    return counted.seen <= this.#individually;
  }

  /** Ends the second: what was counted but not logged, one entry per key. */
  drain(): { readonly refusal: RefusalRecord; readonly count: number }[] {
    const counts = this.#counts;
    this.#counts = new Map();
    const drained: { refusal: RefusalRecord; count: number }[] = [];
    for (const { first, seen } of counts.values()) {
      if (seen > this.#individually) drained.push({ refusal: first, count: seen - this.#individually });
    }
    return drained;
  }

  /** Counts again what could not be logged, so that a full disk delays a count and does not lose it. */
  restore(refusal: RefusalRecord, count: number): void {
    const key = keyOf(refusal);
    const counted = this.#counts.get(key);
    if (counted) counted.seen += count;
    else this.#counts.set(key, { first: refusal, seen: this.#individually + count });
  }

  #admitOther(refusal: RefusalRecord): boolean {
    const key = `(others)\n${refusal.context.organisationId}`;
    const counted = this.#counts.get(key);
    if (counted) counted.seen += 1;
    else {
      const first = { ...refusal, principal: "(others)" };
      this.#counts.set(key, { first, seen: this.#individually + 1 });
    }
    return false;
  }
}

function keyOf({ principal, context, httpStatus, reason }: RefusalRecord): string {
  return JSON.stringify([
    principal,
    context.organisationId,
    context.endpoint,
    context.environment,
    // Versions of an endpoint refuse for themselves: releases judge them by it.
    context.variant,
    context.model?.version,
    httpStatus,
    reason,
  ]);
}
