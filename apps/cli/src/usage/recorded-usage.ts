import { isPortolanError } from "@portolan/kernel";
import {
  type CountLine,
  parsePeriod,
  recordedCounts,
  statementLines,
  type UsageLine,
} from "@portolan/metering";
import type { UsageReport } from "@portolan/metering/contract";
import { type CliContext, connect } from "../context.ts";
import { badUsage } from "../read-input.ts";

/** What a statement splits by, and what it divides by for the cost of an inference and of a run. */
export interface NamedUsage {
  readonly usage: readonly UsageLine[];
  /** Absent where nobody counted. */
  readonly counts?: readonly CountLine[];
}

/**
 * Recorded usage of a month as a statement reads it, of resources that the bill has: what is counted and not billed, such as requests, is nobody's cost,
 * and what costs are divided by.
 *
 * @param billed names of the bill's metered lines
 */
export async function recordedUsage(
  context: CliContext,
  month: string,
  billed: ReadonlySet<string>,
): Promise<NamedUsage> {
  const report = await askUsage(context, parsePeriod(month));
  if (!report.lines.some(({ resource }) => billed.has(resource)))
    throw badUsage(
      `nothing was recorded in ${report.period} of what is on the bill (${[...billed].join(", ")})`,
      "portolan usage show says what was: name the bill's lines as it does.",
    );
  const recorded = report.lines.map(
    ({
      names: [businessUnit = "", team = "", useCase = "", model = "", environment = ""],
      resource,
      quantity,
      activity,
    }) => ({
      tenant: { businessUnit, team, useCase, model, environment },
      resource,
      quantity: BigInt(quantity),
      ...(activity === undefined ? {} : { activity }),
    }),
  );
  return { usage: statementLines(recorded, billed), counts: recordedCounts(recorded) };
}

async function askUsage(context: CliContext, period: string): Promise<UsageReport> {
  const api = await connect(context);
  const ask = (more: Readonly<Record<string, string>>) => {
    const query = new URLSearchParams({ period, level: "environment", ...more });
    return api.json<UsageReport>({ path: `/v1/usage?${query.toString()}` });
  };
  try {
    return await ask({ activities: "true" });
  } catch (error) {
    // A control of before does not know the question, and says nothing of what usage was for.
    if (!isPortolanError(error) || error.code !== "kernel.bad_request") throw error;
    return ask({});
  }
}
