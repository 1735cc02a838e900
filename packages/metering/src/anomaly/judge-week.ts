/** What makes a week out of the ordinary. */
export const anomalyPolicy = {
  /** Weeks before that it is compared with: at least, and at most. */
  leastWeeks: 3,
  mostWeeks: 8,
  /** Growth over the usual week, in percent. */
  percent: 100,
  /** Robust standard deviations over the usual week. */
  deviations: 4,
  /** A spread below so much of the usual week is chance's, not the tenant's. */
  leastSpread: 0.1,
  /** The growth's part of what all tenants usually use of the resource in a week, in percent: less than that matters to nobody. */
  sharePercent: 5,
} as const;

export interface Week {
  readonly current: bigint;
  /** Weeks before, the newest last; weeks before the first use are left out. */
  readonly before: readonly bigint[];
  /** What all tenants together use of the resource in a usual week. */
  readonly everybody: bigint;
}

export type WeekVerdict =
  | {
      readonly kind: "unusual";
      readonly usual: bigint;
      readonly percent: bigint | null;
      readonly deviations: number | null;
    }
  | { readonly kind: "ordinary"; readonly usual: bigint }
  | { readonly kind: "unclear" };

/**
 * Whether a week is out of the ordinary. The usual week is the median of those before, their spread the median distance from it, so that one bad week before
 * neither hides nor makes one now; growth that is a small part of what everybody uses is ordinary, whatever percentage it is of a small base. Of a tenant that
 * is new nothing is known, unless it uses at once what matters to everybody. Pure.
 */
export function judgeWeek({ current, before, everybody }: Week): WeekVerdict {
  const { leastWeeks, mostWeeks, percent, deviations, leastSpread, sharePercent } = anomalyPolicy;
  const weeks = before.slice(-mostWeeks);
  const usual = weeks.length === 0 ? 0n : median(weeks);
  const growth = current - usual;
  const matters = growth > 0n && growth * 100n >= everybody * BigInt(sharePercent) && everybody > 0n;
  if (usual === 0n) {
    if (matters) return { kind: "unusual", usual, percent: null, deviations: null };
    return weeks.length < leastWeeks ? { kind: "unclear" } : { kind: "ordinary", usual };
  }
  if (weeks.length < leastWeeks) return { kind: "unclear" };
  const distance = median(weeks.map((week) => (week > usual ? week - usual : usual - week)));
  const spread = Math.max(1.4826 * Number(distance), leastSpread * Number(usual));
  const off = Number(growth) / spread;
  const grown = (growth * 100n) / usual;
  return matters && grown >= BigInt(percent) && off >= deviations
    ? { kind: "unusual", usual, percent: grown, deviations: Number(off.toPrecision(3)) }
    : { kind: "ordinary", usual };
}

/** The lower of the two in the middle. */
export function median(values: readonly bigint[]): bigint {
  const sorted = values.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0n;
}
