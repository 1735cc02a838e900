import type { RowValidator } from "../judging/validate-row.ts";
import { eventLine } from "./event-line.ts";

export interface JudgedEvents {
  readonly accepted: number;
  /** By their number in the request, from 0. */
  readonly quarantined: readonly { readonly index: number; readonly violations: readonly string[] }[];
  readonly deadLetters: readonly { readonly index: number; readonly error: string }[];
  /** What is kept of each, in their order. */
  readonly lines: readonly string[];
}

/**
 * Judges events at the door, with the verdicts that their batch will have. Pure. All are kept: those that break rules end in quarantine, and
 * what is no JSON object among the dead letters.
 *
 * @param source what the dead letters name as their source
 */
export function judgeEvents(validator: RowValidator, body: string, source: string): JudgedEvents {
  const quarantined: { index: number; violations: readonly string[] }[] = [];
  const deadLetters: { index: number; error: string }[] = [];
  const lines: string[] = [];
  for (const text of body.split("\n").map((line) => line.trim())) {
    if (text === "") continue;
    const index = lines.length;
    const { line, members, error } = eventLine(text, { source, position: String(index) });
    lines.push(line);
    if (!members) deadLetters.push({ index, error: error ?? "" });
    else {
      const { violations } = validator.judgeJson(members);
      if (violations.length > 0) quarantined.push({ index, violations });
    }
  }
  const accepted = lines.length - quarantined.length - deadLetters.length;
  return { accepted, quarantined, deadLetters, lines };
}
