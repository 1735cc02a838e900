export type ExtractionAction = "flag" | "slow" | "block";

/** What holds for a caller at an endpoint because of how it asks. One object per caller and endpoint, changed in place. */
export interface Standing {
  action: ExtractionAction;
  /** On the monotonic clock; it holds before that. */
  untilMs: number;
}

/** Standings by endpoint and caller: as many as there are callers. */
export class Standings {
  readonly #standings = new Map<string, Standing>();

  of(endpointId: string, principalId: string): Standing {
    const key = `${endpointId}/${principalId}`;
    const known = this.#standings.get(key);
    if (known) return known;
    const made: Standing = { action: "flag", untilMs: 0 };
    this.#standings.set(key, made);
    return made;
  }

  /** Standings that hold now, by action. */
  count(nowMs: number): Record<ExtractionAction, number> {
    const counts = { flag: 0, slow: 0, block: 0 };
    for (const { action, untilMs } of this.#standings.values()) if (untilMs > nowMs) counts[action]++;
    return counts;
  }
}
