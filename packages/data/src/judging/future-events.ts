import { quoteName, quoteText } from "@portolan/expressions";
import type { DataContract } from "../contracts/contract-model.ts";

/** Clocks differ by so much at most; an event that is further ahead is wrong, and would be the newest for as long. */
const defaultFutureSkewMs = 5 * 60_000;

/** The rule that an event from the future breaks: its label, its column, and the last instant (epoch microseconds) that does not. */
export interface FutureRule {
  readonly label: string;
  readonly column: string;
  readonly latest: number;
}

/** Undefined where the contract has no event time. @param asOf when the batch is judged, epoch microseconds */
export function futureRule(
  { eventTime, futureSkewMs = defaultFutureSkewMs }: DataContract,
  asOf: number,
): FutureRule | undefined {
  if (eventTime === undefined) return undefined;
  return { label: `${eventTime}.future`, column: eventTime, latest: asOf + futureSkewMs * 1000 };
}

/** The label where a row breaks the rule, else null. */
export function futureSql(rule: FutureRule): string {
  return `case when ${quoteName(rule.column)} > ${rule.latest} then ${quoteText(rule.label)} end`;
}
