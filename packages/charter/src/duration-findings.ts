import { parseDurationMs } from "@portolan/kernel";
import type { Finding } from "./schema-findings.ts";

/** Of a duration that is stated: whether it is one that can be meant. Pure. */
export function durationFindings(
  pointer: string,
  text: string | undefined,
  least: string,
  most: string,
): Finding[] {
  if (text === undefined) return [];
  const ms = parseDurationMs(text);
  if (ms >= parseDurationMs(least) && ms <= parseDurationMs(most)) return [];
  return [
    {
      pointer,
      detail: `${text} is not between ${least} and ${most}`,
      mend: "Correct the number or its unit.",
    },
  ];
}
