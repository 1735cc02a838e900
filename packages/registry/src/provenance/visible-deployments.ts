import { type Authorizer, type CallContext, environments } from "@portolan/kernel";
import type { ModelVersion } from "../model-version.ts";
import type { AttestationView, DeploymentFacts } from "./record.ts";

const prefix = "deployment/";

interface Visible {
  readonly deployments: readonly DeploymentFacts[];
  readonly attestations: readonly AttestationView[];
}

/**
 * What of a version's deployments and their statements the caller may see: limits, shares and rules of traffic are the endpoint's, and for whoever may read
 * it. A statement of a deployment that is not among those known here is for whoever may read all endpoints of the use case.
 */
export async function visibleDeployments(
  { authorizer }: { readonly authorizer: Authorizer },
  call: CallContext,
  { useCaseId }: Pick<ModelVersion, "useCaseId">,
  { deployments, attestations }: Visible,
): Promise<{ readonly deployments: DeploymentFacts[]; readonly attestations: AttestationView[] }> {
  const { organisationId } = call.actor;
  const verdicts = new Map<string, boolean>();
  const mayRead = async (environment: DeploymentFacts["environment"], id?: string): Promise<boolean> => {
    const key = JSON.stringify([environment, id]);
    const known = verdicts.get(key);
    if (known !== undefined) return known;
    const named = id === undefined ? {} : { id };
    const resource = { type: "Endpoint", organisationId, environment, useCaseId, ...named } as const;
    const { allowed } = await authorizer.decide(call, "serving:read", resource);
    verdicts.set(key, allowed);
    return allowed;
  };
  const seen: DeploymentFacts[] = [];
  for (const one of deployments) if (await mayRead(one.environment, one.endpoint)) seen.push(one);
  const readable = new Set(seen.map(({ id }) => id));
  const known = new Set(deployments.map(({ id }) => id));
  const mayReadAll = async (): Promise<boolean> => {
    for (const environment of environments) if (!(await mayRead(environment))) return false;
    return true;
  };
  const stated: AttestationView[] = [];
  for (const one of attestations) {
    const id = one.about.startsWith(prefix) ? one.about.slice(prefix.length) : undefined;
    if (id === undefined || readable.has(id) || (!known.has(id) && (await mayReadAll()))) stated.push(one);
  }
  return { deployments: seen, attestations: stated };
}
