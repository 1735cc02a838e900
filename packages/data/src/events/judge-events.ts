import { setImmediate as turn } from "node:timers/promises";
import type { RowValidator, RowVerdict } from "../judging/validate-row.ts";
import { eventLine } from "./event-line.ts";

export interface JudgedEvents {
  readonly accepted: number;
  /** By their number in the request, from 0. */
  readonly quarantined: readonly { readonly index: number; readonly violations: readonly string[] }[];
  readonly deadLetters: readonly { readonly index: number; readonly error: string }[];
  /** What is kept of each, in their order. */
  readonly lines: readonly string[];
}

export interface JudgeOptions {
  /** What the dead letters name as their source. */
  readonly source: string;
  /** When their batch is judged, epoch microseconds. */
  readonly asOf: number;
  /** Told of each event that breaks no rule. */
  readonly onAccepted?: ((index: number, values: RowVerdict["values"]) => void) | undefined;
}

/** Characters that are judged in one go: some milliseconds. Then others have their turn; one event is never divided. */
const sliceCharacters = 256 * 1024;

/**
 * Judges events at the door, with the verdicts that their batch will have. All are kept: those that break rules end in quarantine, and
 * what is no JSON object among the dead letters. A large request is judged in slices, between which the process does other work.
 *
 */
export async function judgeEvents(
  validator: RowValidator,
  body: string,
  { source, asOf, onAccepted }: JudgeOptions,
): Promise<JudgedEvents> {
  const quarantined: { index: number; violations: readonly string[] }[] = [];
  const deadLetters: { index: number; error: string }[] = [];
  const lines: string[] = [];
  let inOneGo = 0;
  for (const raw of body.split("\n")) {
    const text = raw.trim();
    if (text === "") continue;
    inOneGo += text.length;
    if (inOneGo > sliceCharacters) {
      await turn();
      inOneGo = 0;
    }
    const index = lines.length;
    const { line, members, error } = eventLine(text, { source, position: String(index) });
    lines.push(line);
    if (!members) deadLetters.push({ index, error: error ?? "" });
    else {
      const { values, violations } = validator.judgeJson(members, asOf);
      if (violations.length > 0) quarantined.push({ index, violations });
      else onAccepted?.(index, values);
    }
  }
  const accepted = lines.length - quarantined.length - deadLetters.length;
  return { accepted, quarantined, deadLetters, lines };
}
