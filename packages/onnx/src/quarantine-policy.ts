import type { EpochMicros } from "@portolan/kernel";

/** Why a runner is gone. Only what it brought about itself counts as the model's crash. */
export type DeathCause =
  /** A fault, an exit, or memory beyond its bound. */
  | "crash"
  /** We ended it because one run took the caller's whole time: a large request or a busy machine does that too. */
  | "deadline"
  /** Somebody else ended it: the kernel short of memory, an operator. */
  | "outside";

/** What is held against a model. Crashes stay until they are lifted; all else passes. */
export interface Marks {
  readonly crashes: number;
  /** Ends that were not crashes, one after the other with no answer between. */
  readonly interruptions: number;
  readonly lastInterruption: EpochMicros | undefined;
  readonly pausedUntil: EpochMicros | undefined;
}

export const noMarks: Marks = {
  crashes: 0,
  interruptions: 0,
  lastInterruption: undefined,
  pausedUntil: undefined,
};

export type QuarantineVerdict =
  | { readonly kind: "free" }
  /** Out of use until then, and tried again by itself. */
  | { readonly kind: "paused"; readonly until: EpochMicros; readonly interruptions: number }
  /** Until a new version is deployed or an operator lifts it. */
  | { readonly kind: "quarantined" };

/** "A model that kills its runner twice is quarantined" (DESIGN §2). */
const crashesAllowed = 1;
/** Two slow requests in a row are a busy minute; a third with no answer between is a model that does not end. */
const interruptionsAllowed = 2;
const firstPauseMs = 2000;
const longestPauseMs = 60_000;
/** Interruptions further apart than this are not "in a row". */
const forgottenAfterMs = 10 * 60_000;

/** Pure: marks after a death. */
export function afterDeath(marks: Marks, cause: DeathCause, now: EpochMicros): Marks {
  if (cause === "crash") return { ...marks, crashes: marks.crashes + 1 };
  const isFresh =
    marks.lastInterruption !== undefined && now - marks.lastInterruption <= forgottenAfterMs * 1000;
  const interruptions = (isFresh ? marks.interruptions : 0) + 1;
  const beyond = interruptions - interruptionsAllowed;
  const pauseMs = beyond > 0 ? Math.min(firstPauseMs * 2 ** (beyond - 1), longestPauseMs) : 0;
  return {
    ...marks,
    interruptions,
    lastInterruption: now,
    pausedUntil: pauseMs > 0 ? ((now + pauseMs * 1000) as EpochMicros) : undefined,
  };
}

/** Pure: one answer in time ends the row. */
export function afterAnswer(marks: Marks): Marks {
  return { ...noMarks, crashes: marks.crashes };
}

export function judgeMarks(marks: Marks, now: EpochMicros): QuarantineVerdict {
  if (marks.crashes > crashesAllowed) return { kind: "quarantined" };
  if (marks.pausedUntil !== undefined && now < marks.pausedUntil)
    return { kind: "paused", until: marks.pausedUntil, interruptions: marks.interruptions };
  return { kind: "free" };
}

/** Whose doing the end of a process was, when we did not end it ourselves. */
export function causeOfExit(signal: NodeJS.Signals | null): DeathCause {
  // Native code dies of SIGSEGV, SIGABRT and the like, or exits; these four come from outside, SIGKILL also from a
  // kernel that is short of memory and does not always take the one who took it.
  return signal !== null && ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"].includes(signal) ? "outside" : "crash";
}
