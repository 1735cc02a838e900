import type { RowValidator } from "../judging/validate-row.ts";
import { countMembers } from "../values/count-members.ts";
import { jsonText, membersOf, readJsonCell } from "../values/json-cell.ts";

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
 * what is no JSON object is kept as a text, which is none for every reader.
 */
export function judgeEvents(validator: RowValidator, body: string): JudgedEvents {
  const quarantined: { index: number; violations: readonly string[] }[] = [];
  const deadLetters: { index: number; error: string }[] = [];
  const lines: string[] = [];
  for (const text of body.split("\n").map((line) => line.trim())) {
    if (text === "") continue;
    const index = lines.length;
    const members = readMembers(text);
    if (typeof members === "string") {
      deadLetters.push({ index, error: members });
      lines.push(JSON.stringify(text.toWellFormed()));
      continue;
    }
    const { violations } = validator.judgeJson(members);
    if (violations.length > 0) quarantined.push({ index, violations });
    // As it was understood: of a member that stands twice in an object within, the last.
    lines.push(jsonText({ members }));
  }
  const accepted = lines.length - quarantined.length - deadLetters.length;
  return { accepted, quarantined, deadLetters, lines };
}

function readMembers(text: string): NonNullable<ReturnType<typeof membersOf>> | string {
  try {
    const members = membersOf(readJsonCell(text));
    if (!members) return "it is no JSON object";
    return countMembers(text) > members.size ? "it names a member twice" : members;
  } catch {
    return "it is no JSON";
  }
}
