/** `bad` stops Portolan, `warning` limits it (no training without Python), `good` needs nothing. */
export type FindingStatus = "good" | "warning" | "bad";

export interface Finding {
  /** Stable name of the check, e.g. `python`. */
  readonly check: string;
  readonly status: FindingStatus;
  /** What was found, in one sentence. */
  readonly detail: string;
  /** What to do about it, in the imperative; absent where nothing need be done. */
  readonly mend?: string;
}

export interface DoctorReport {
  /** False when any finding is `bad`. */
  readonly healthy: boolean;
  readonly findings: readonly Finding[];
}

export function good(check: string, detail: string): Finding {
  return { check, status: "good", detail };
}

export function warning(check: string, detail: string, mend: string): Finding {
  return { check, status: "warning", detail, mend };
}

export function bad(check: string, detail: string, mend: string): Finding {
  return { check, status: "bad", detail, mend };
}

export function reportOf(findings: readonly Finding[]): DoctorReport {
  return { healthy: findings.every(({ status }) => status !== "bad"), findings };
}
