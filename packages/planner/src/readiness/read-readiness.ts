import {
  type Authorizer,
  type CallContext,
  type Environment,
  environmentsAllowing,
  isPortolanError,
  PortolanError,
} from "@portolan/kernel";
import type { UseCaseFacts } from "./evidence.ts";
import { judgeReadiness } from "./judge-readiness.ts";
import type { ReadinessDocument } from "./readiness-schema.ts";

/** What is on record of use cases; wired by `apps/control`, and asks no authorizer. */
export interface ReadinessSources {
  find(call: CallContext, idOrName: string): Promise<UseCaseFacts["useCase"] | undefined>;
  facts(
    call: CallContext,
    useCase: UseCaseFacts["useCase"],
    environments: readonly Environment[],
  ): Promise<UseCaseFacts>;
}

export interface ReadinessDeps {
  readonly authorizer: Authorizer;
  readonly sources: ReadinessSources;
}

/**
 * How far a use case is from production, by the records of those environments that the caller may read.
 *
 * @param idOrName of the use case
 * @throws PortolanError `kernel.not_found` for a use case that there is not, or that the caller may not see
 */
export async function readReadiness(
  { authorizer, sources }: ReadinessDeps,
  call: CallContext,
  idOrName: string,
): Promise<ReadinessDocument> {
  const missing = () => new PortolanError("kernel.not_found", { detail: `there is no use case ${idOrName}` });
  const useCase = await sources.find(call, idOrName);
  if (!useCase) throw missing();
  const { organisationId } = call.actor;
  const resource = { type: "Plan", id: useCase.name, organisationId, useCaseId: useCase.id };
  const environments = await environmentsAllowing(authorizer, call, "readiness:read", resource).catch(
    (error: unknown) => {
      throw isPortolanError(error) && error.code === "kernel.not_found" ? missing() : error;
    },
  );
  return judgeReadiness(await sources.facts(call, useCase, environments));
}
