import { type CallContext, digestJson, type Environment, type JsonObject } from "@portolan/kernel";
import type { RetrainingPolicy, RetrainingPolicyView, RetrainingTerms } from "./contract.ts";
import { findHold } from "./hold-store.ts";
import { contradictions, retrainingTerms } from "./policy/terms.ts";
import { findPolicy, listIncidents, putPolicy } from "./policy-store.ts";
import type { Champion } from "./ports.ts";
import { type RetrainingDeps, refused, requireEndpoint } from "./retraining-deps.ts";

type PolicyDeps = Pick<RetrainingDeps, "work" | "charters">;

/** What a retraining of the endpoint that began now would be held to. */
export async function termsInForce(
  { work, charters }: PolicyDeps,
  call: CallContext,
  champion: Champion,
): Promise<RetrainingTerms> {
  const { organisationId } = call.actor;
  const stated = await work.read(call, (sql) => findPolicy(sql, organisationId, champion));
  return retrainingTerms(await charters.inForce(call, champion.useCaseId), stated?.policy);
}

/** @throws PortolanError `kernel.not_found`, and what `Authorizer.require` throws */
export async function readPolicy(
  deps: RetrainingDeps,
  call: CallContext,
  endpoint: string,
  environment: Environment,
): Promise<RetrainingPolicyView> {
  const champion = await requireEndpoint(deps, call, { endpoint, environment }, "retraining:read");
  return viewPolicy(deps, call, champion);
}

async function viewPolicy(
  deps: PolicyDeps,
  call: CallContext,
  champion: Champion,
): Promise<RetrainingPolicyView> {
  const { organisationId } = call.actor;
  const { endpoint, environment } = champion;
  const found = await deps.work.read(call, async (sql) => ({
    policy: await findPolicy(sql, organisationId, champion),
    incidents: await listIncidents(sql, organisationId, champion),
    hold: await findHold(sql, organisationId, champion),
  }));
  return {
    endpoint,
    environment,
    stated: found.policy?.policy ?? null,
    setBy: found.policy?.set_by ?? null,
    setAt: found.policy?.set_at ?? null,
    inForce: await termsInForce(deps, call, champion),
    incidents: found.incidents,
    hold: found.hold ?? null,
  };
}

/**
 * States an endpoint's policy, in place of the one before.
 * @throws PortolanError `retraining.policy_refused` where it says what is the charter's to say, `kernel.not_found`, and what `Authorizer.require`
 * throws
 */
export async function setPolicy(
  deps: RetrainingDeps,
  call: CallContext,
  endpoint: string,
  environment: Environment,
  policy: RetrainingPolicy,
): Promise<RetrainingPolicyView> {
  const champion = await requireEndpoint(deps, call, { endpoint, environment }, "retraining:set_policy");
  const problems = contradictions(await deps.charters.inForce(call, champion.useCaseId), policy);
  if (problems.length > 0)
    throw refused(
      "retraining.policy_refused",
      `The policy cannot be set: ${problems.join("; ")}.`,
      "Change the charter, and have it signed, where it is the charter's to say.",
    );
  await deps.work.write(call, async (tx) => {
    await putPolicy(tx, champion, policy);
    const stated: JsonObject = { ...policy };
    await tx.record({
      event: "retraining.policy.set",
      subject: `${environment}/${endpoint}`,
      after: digestJson(stated),
      detail: { endpoint, environment, policy: stated },
    });
  });
  return viewPolicy(deps, call, champion);
}
