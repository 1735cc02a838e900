/** Where in the proof of concept. */
export interface Place {
  /** `cell 3`, or the name of the script. */
  readonly unit: string;
  /** From 1; absent: the unit as a whole. */
  readonly line?: number;
}

/** What was seen there, in words: never a line of the program, which may hold a secret. */
export interface Evidence extends Place {
  readonly saw: string;
}

/** `blocker`: not to be carried on as it is. `gap`: missing for production. `hint`: to be looked at by somebody who knows the data. */
export type Severity = "blocker" | "gap" | "hint";

export interface Finding {
  /** Names the rule, e.g. `secret`. */
  readonly rule: string;
  readonly severity: Severity;
  readonly title: string;
  /** The first of the places. */
  readonly evidence: readonly Evidence[];
  /** Of all places. */
  readonly places: number;
  readonly mend: string;
}

const mostEvidence = 20;

/** A finding where there is evidence, else none. More than a screen of it helps nobody. */
export function findingOf(
  finding: Omit<Finding, "evidence" | "places">,
  evidence: readonly Evidence[],
): readonly Finding[] {
  return evidence.length === 0
    ? []
    : [{ ...finding, evidence: evidence.slice(0, mostEvidence), places: evidence.length }];
}
