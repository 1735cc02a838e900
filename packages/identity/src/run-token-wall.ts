import type { Credential } from "@portolan/kernel";

/** Logging to a run: a trainer to its own, others to runs that they made themselves. */
export const trackingAction = "training:track";
/** All that the token of a run is good for. */
export const runTokenScopes: readonly string[] = [trackingAction, "training:read"];

/**
 * Why a credential stands outside an action, before any policy is asked; `undefined` when it does not. Pure.
 *
 * The token of a run reaches that run and nothing else, whatever whoever started the run may do. Logging to a run of training is the
 * trainer's alone: nobody's role lets them write what a trainer is said to have measured. A run that somebody made through MLflow's API
 * is a `ClientRun`, to which the policies say who logs.
 *
 * @param resource absent where only the kind of action is judged.
 */
export function outsideCredential(
  credential: Credential | undefined,
  action: string,
  resource?: { readonly type: string; readonly id?: string },
): string | undefined {
  if (credential?.kind !== "run_token")
    return action === trackingAction && resource?.type === "TrainingRun"
      ? "only the trainer of a run logs to it"
      : undefined;
  if (!runTokenScopes.includes(action)) return "the token of a run is for tracking alone";
  const own = resource === undefined || (resource.type === "TrainingRun" && resource.id === credential.runId);
  return own ? undefined : "the token of a run reaches no other";
}
