import { type CallContext, isPortolanError } from "@portolan/kernel";
import { type AdmitDeps, workOfRun } from "./admit-run.ts";
import type { TrainingRunRequest } from "./contract.ts";
import { budgetExhausted } from "./passing-refusal.ts";
import type { CharterGate } from "./ports.ts";

/** What keeps runs of a request from getting anywhere. */
export interface StartHindrance {
  readonly by: "charter_budget" | "quota";
  readonly because: string;
}

/**
 * What a run of this request would come to grief by, were it started now: the month's money of its use case is spent, or no quota could ever let it in.
 * For whoever has to make something before there is a request to start. A quota that others have at the moment is none: a run waits for it.
 */
export async function startHindrances(
  deps: Pick<AdmitDeps, "admission" | "limits" | "preemption"> & { readonly charters: CharterGate },
  call: CallContext,
  request: TrainingRunRequest,
): Promise<readonly StartHindrance[]> {
  const spent = await budgetSpent(deps.charters, call, request);
  const work = workOfRun(deps, { id: "what would be started", request, priority: request.priority ?? 0 });
  const held = await deps.admission?.hindrance(call, work);
  return [
    ...(spent === undefined ? [] : [{ by: "charter_budget", because: spent } as const]),
    ...(held === undefined ? [] : [{ by: "quota", because: `its training run ${held}` } as const]),
  ];
}

async function budgetSpent(
  charters: CharterGate,
  call: CallContext,
  { useCaseId }: TrainingRunRequest,
): Promise<string | undefined> {
  if (useCaseId === undefined) return undefined;
  try {
    await charters.requireBudget?.(call, useCaseId);
    return undefined;
  } catch (error) {
    if (isPortolanError(error) && error.code === budgetExhausted) return error.detail ?? error.message;
    throw error;
  }
}
