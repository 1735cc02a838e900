import type { CallContext } from "@portolan/kernel";
import type { Denial } from "./ports.ts";

/** Who was refused, as a denial says it. */
export function deniedCaller({
  actor,
}: CallContext): Pick<Denial, "principalId" | "organisationId" | "trainingRunId"> {
  const { id, organisationId, credential } = actor;
  const run = credential?.kind === "run_token" ? { trainingRunId: credential.runId } : {};
  return { principalId: id, organisationId, ...run };
}
