import { type CallContext, isPortolanError } from "@portolan/kernel";
import type { Judges, RunCosts, Sets, Versions } from "./ports.ts";
import { viewOf } from "./read-retrainings.ts";
import type { RetrainingReport } from "./report-schema.ts";
import { type RetrainingDeps, requireRetraining } from "./retraining-deps.ts";
import { pairOf } from "./steps/judge-steps.ts";

export interface ReportDeps extends RetrainingDeps {
  readonly sets: Sets;
  readonly versions: Versions;
  readonly judges: Judges;
  readonly costs: RunCosts;
}

/** @throws PortolanError `kernel.not_found`, also for a retraining that the caller may not see */
export async function readReport(deps: ReportDeps, call: CallContext, id: string): Promise<RetrainingReport> {
  const stored = await requireRetraining(deps, call, id, "retraining:read");
  const { made, model, championVersion } = stored;
  const champion = await seen(deps.versions.find(call, model, championVersion));
  const trainingSet = await ifMade(made.trainingSetId, (set) => deps.sets.read(call, set));
  const heldOutSet = await ifMade(made.heldOutSetId, (set) => deps.sets.read(call, set));
  const run = await ifMade(made.trainingRunId, (one) => deps.runs.read(call, one));
  const { useCaseId, terms } = stored;
  const { budgetPerMonth: perMonth } = terms;
  const cost =
    run &&
    (await deps.costs.ofRun(call, {
      useCaseId,
      runId: run.id,
      ...(perMonth === undefined ? {} : { perMonth }),
    }));
  const version = await ifMade(made.version, (number) => deps.versions.find(call, model, number));
  const release = await ifMade(made.releaseId, (one) => deps.releases.read(call, one));
  return {
    retraining: viewOf(stored),
    ...(champion ? { champion } : {}),
    ...(trainingSet ? { trainingSet } : {}),
    ...(heldOutSet ? { heldOutSet } : {}),
    ...(run ? { run } : {}),
    ...(cost ? { cost } : {}),
    ...(version ? { version } : {}),
    ...(version ? await judged(deps, call, stored) : {}),
    ...(release ? { release } : {}),
  };
}

async function judged(
  { judges }: ReportDeps,
  call: CallContext,
  stored: Parameters<typeof pairOf>[0],
): Promise<Pick<RetrainingReport, "evaluation" | "comparison">> {
  const pair = pairOf(stored);
  const evaluation = await seen(judges.evaluation(call, pair, ""));
  const comparison = await seen(judges.comparison(call, pair, ""));
  return {
    ...(evaluation?.kind === "done" ? { evaluation: evaluation.found } : {}),
    ...(comparison?.kind === "done" ? { comparison: comparison.found } : {}),
  };
}

async function ifMade<Name, T>(
  name: Name | undefined,
  read: (name: Name) => Promise<T | undefined>,
): Promise<T | undefined> {
  return name === undefined ? undefined : seen(read(name));
}

/** What may not be seen is answered as what does not exist. */
async function seen<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isPortolanError(error) && /not_found$|\.forbidden$/.test(error.code)) return undefined;
    throw error;
  }
}
