import { PortolanError } from "@portolan/kernel";
import type { OversightErrorCode } from "../../errors.ts";

/**
 * The relevances that a form says: each row has a field of its own, or all of them are one line. Pure.
 *
 * @param field what a field holds; empty where there is none
 * @throws PortolanError `oversight.bad_value`
 */
export function relevancesFrom(rows: number, field: (name: string) => string): number[] {
  const line = field("value");
  const texts =
    line === ""
      ? Array.from({ length: rows }, (_, at) => field(`row-${at + 1}`))
      : line.replace(/^\s*\[|\]\s*$/g, "").split(",");
  const values = texts.map((text) => (text.trim() === "" ? Number.NaN : Number(text)));
  if (values.length >= 2 && values.every((value) => Number.isFinite(value) && value >= 0)) return values;
  throw new PortolanError<OversightErrorCode>("oversight.bad_value", {
    detail: "the relevance of a row is not a number from 0 on",
    mend: "Give each row a number: 0 for what is not relevant at all, more for what is more so.",
  });
}
