import type { IdlePolicy } from "./idle-policy.ts";

/** What work was seen to have used since its start; the sums only grow. Times in epoch microseconds. */
export interface UseSeen {
  readonly at: number;
  /** Processor time of all that it started. */
  readonly cpuMicros: number;
  /** Time that the busiest card of its machine worked, of the time in which cards were looked at. */
  readonly cardBusyMicros: number;
  readonly cardSeenMicros: number;
}

/** What it holds of its team's quota. */
export interface Held {
  readonly cores: number;
  /** Slices are parts of one. */
  readonly cards: number;
}

/** That work was told to be idle. */
export interface IdleNotice {
  readonly at: number;
  /** Its use was below from then on. */
  readonly since: number;
  /** Not before; absent: it is told, and not stopped. */
  readonly stopAt?: number;
  readonly use: IdleUse;
}

/** Parts of what it held that it used; absent where it holds none. */
export interface IdleUse {
  readonly cpu?: number;
  readonly cards?: number;
}

/** What it held and did not use, in seconds. */
export interface Wasted {
  readonly cpuSeconds: number;
  readonly cardSeconds: number;
}

export type IdleVerdict =
  | { readonly kind: "as it was" }
  | { readonly kind: "notice"; readonly notice: IdleNotice }
  | { readonly kind: "withdraw"; readonly because: string }
  | { readonly kind: "stop"; readonly use: IdleUse; readonly wasted: Wasted };

export interface IdleQuestion {
  /** Undefined: idle work is not looked for. */
  readonly policy: IdlePolicy | undefined;
  readonly held: Held;
  /** Of one start and without a gap, the oldest first; the last one is of now. */
  readonly looks: readonly UseSeen[];
  readonly startedAt: number;
  readonly isPreemptible: boolean;
  /** The notice that stands. */
  readonly noticed?: IdleNotice;
  /** Somebody has it kept until then. */
  readonly keptUntil?: number;
}

const asItWas: IdleVerdict = { kind: "as it was" };
/** Cards that were looked at for less of a span say nothing of it. */
const leastSeen = 0.9;
/** A share of a window: between two looks so far apart everything may have happened; at the least so long. */
const gapShare = 0.1;
const leastGap = 5_000_000;
const looksInWindow = 30;
/** Whoever works this much more than idle work, and for a tenth of the window, is not idle any more. */
const worksAgain = 2;

/**
 * The looks with another one. One that comes after a gap, before the last one, or with smaller sums begins anew: what is between them nobody saw. Kept is
 * what the next verdict looks at. Pure.
 */
export function withLook(
  looks: readonly UseSeen[],
  next: UseSeen,
  { window }: Pick<IdlePolicy, "window">,
  noticed?: Pick<IdleNotice, "at" | "since">,
): readonly UseSeen[] {
  const last = looks.at(-1);
  const isNext =
    last !== undefined &&
    next.at > last.at &&
    next.at - last.at <= Math.max(leastGap, gapShare * window) &&
    next.cpuMicros >= last.cpuMicros &&
    next.cardSeenMicros >= last.cardSeenMicros &&
    next.cardBusyMicros >= last.cardBusyMicros;
  if (!isNext) return [next];
  // The newest is always there; before it one a slot, and those of the notice.
  const slot = window / looksInWindow;
  const isMarked = ({ at }: UseSeen): boolean => at === noticed?.at || at === noticed?.since;
  const before = looks.at(-2);
  const isBetween = before !== undefined && last.at - before.at < slot && !isMarked(last);
  const kept = isBetween ? looks.slice(0, -1) : looks;
  const first = kept.findLastIndex(({ at }) => at <= next.at - window);
  return [...kept.filter((look, index) => index >= first || isMarked(look)), next];
}

/**
 * Whether work is told that it is idle, is no longer, or is stopped. It is stopped only after a notice that stood for as long as was said, while it was
 * looked at without a gap; what nobody saw is not idle. Pure.
 */
export function judgeIdle(question: IdleQuestion): IdleVerdict {
  const { policy, noticed, looks } = question;
  const now = looks.at(-1);
  if (!policy) return noticed ? withdrawn("idle work is not looked for any more") : asItWas;
  if (!now) return asItWas;
  return noticed ? judgeNoticed(question, policy, noticed, now) : judgeUntold(question, policy, now);
}

function judgeUntold(
  { held, looks, startedAt, isPreemptible, keptUntil = 0 }: IdleQuestion,
  policy: IdlePolicy,
  now: UseSeen,
): IdleVerdict {
  const from = windowStart(looks, now, policy);
  if (!from || from.at < Math.max(startedAt + policy.grace, keptUntil)) return asItWas;
  const { verdict, use } = judgeSpan(from, now, held, policy.below);
  if (verdict !== "idle") return asItWas;
  const stopAt = stopsIt(policy, isPreemptible) ? { stopAt: now.at + policy.notice } : {};
  return { kind: "notice", notice: { at: now.at, since: from.at, ...stopAt, use } };
}

function judgeNoticed(
  { held, looks, isPreemptible }: IdleQuestion,
  policy: IdlePolicy,
  noticed: IdleNotice,
  now: UseSeen,
): IdleVerdict {
  const told = looks.find(({ at }) => at === noticed.at);
  const since = looks.find(({ at }) => at === noticed.since);
  if (!told || !since) return withdrawn("nothing was seen of it for a while");
  const lately = looks.findLast(({ at }) => at <= now.at - gapShare * policy.window && at >= told.at);
  if (lately && judgeSpan(lately, now, held, worksAgain * policy.below).verdict === "works")
    return withdrawn("it works again");
  if (stopsIt(policy, isPreemptible) !== (noticed.stopAt !== undefined))
    return withdrawn("the quotas came to say otherwise whom they stop");
  if (noticed.stopAt === undefined || now.at < Math.max(noticed.stopAt, noticed.at + policy.notice))
    return asItWas;
  const from = windowStart(looks, now, policy) ?? since;
  const verdicts = [told, from].map((look) => judgeSpan(look, now, held, policy.below).verdict);
  if (verdicts.includes("works")) return withdrawn("it works again");
  if (verdicts.includes("unknown")) return withdrawn("what it uses was not seen for a while");
  return {
    kind: "stop",
    use: judgeSpan(since, now, held, policy.below).use,
    wasted: wastedOf(since, now, held),
  };
}

function stopsIt({ stops }: IdlePolicy, isPreemptible: boolean): boolean {
  return stops === "all" || (stops === "preemptible" && isPreemptible);
}

/** The last look from which the whole window has been seen. */
function windowStart(looks: readonly UseSeen[], now: UseSeen, { window }: IdlePolicy): UseSeen | undefined {
  return looks.findLast(({ at }) => at <= now.at - window);
}

/** Idle is only what uses next to nothing of all that it holds, processors and cards, and was seen to. */
function judgeSpan(
  from: UseSeen,
  to: UseSeen,
  { cores, cards }: Held,
  below: number,
): { readonly verdict: "idle" | "works" | "unknown"; readonly use: IdleUse } {
  const span = to.at - from.at;
  const seen = to.cardSeenMicros - from.cardSeenMicros;
  const cpu = cores > 0 && span > 0 ? (to.cpuMicros - from.cpuMicros) / (cores * span) : undefined;
  const card =
    cards > 0 && seen >= leastSeen * span && seen > 0
      ? (to.cardBusyMicros - from.cardBusyMicros) / seen
      : undefined;
  const use = { ...(cpu === undefined ? {} : { cpu }), ...(card === undefined ? {} : { cards: card }) };
  if ((cpu ?? 0) >= below || (card ?? 0) >= below) return { verdict: "works", use };
  const isUnknown =
    span <= 0 || (cores <= 0 && cards <= 0) || (cards > 0 && card === undefined) || to.cpuMicros === 0;
  return { verdict: isUnknown ? "unknown" : "idle", use };
}

function wastedOf(from: UseSeen, to: UseSeen, { cores, cards }: Held): Wasted {
  const span = to.at - from.at;
  const seen = to.cardSeenMicros - from.cardSeenMicros;
  const busy = seen > 0 ? (to.cardBusyMicros - from.cardBusyMicros) / seen : 0;
  return {
    cpuSeconds: Math.max(0, cores * span - (to.cpuMicros - from.cpuMicros)) / 1e6,
    cardSeconds: Math.max(0, cards * span * (1 - busy)) / 1e6,
  };
}

function withdrawn(because: string): IdleVerdict {
  return { kind: "withdraw", because };
}
