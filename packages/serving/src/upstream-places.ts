import { assertPlacement } from "@portolan/charter/policy";
import { type Environment, isPortolanError, PortolanError } from "@portolan/kernel";
import type { ServingErrorCode } from "./errors.ts";
import type { ServedCharter } from "./ports.ts";
import type { ModelReference } from "./snapshot/schema.ts";

/**
 * Whether a version that another server runs may be asked there: its place by the charter, its environment by its own description.
 * Versions that gateways run themselves stand where the gateway does. Pure.
 *
 * @throws PortolanError `charter.placement_refused`, `serving.model_not_deployable`
 */
export function requireUpstreamPlace(
  { name, version, upstream }: ModelReference,
  environment: Environment,
  charter: ServedCharter | undefined,
): void {
  if (!upstream) return;
  const { region, owner, environments } = upstream;
  if (!environments.includes(environment))
    throw new PortolanError<ServingErrorCode>("serving.model_not_deployable", {
      detail: `The upstream of ${name}/${version} serves ${environments.join(", ")}, not ${environment}.`,
      mend: "Register an upstream that is for this environment.",
    });
  if (charter)
    assertPlacement(charter.document, {
      kind: "upstream",
      name: `${name}/${version}`,
      region,
      owner,
      environment,
    });
}

/** The same as a question: a version beside the champion that may not be asked any more is left out of the route. Pure. */
export function mayBeAsked(
  model: ModelReference,
  environment: Environment,
  charter: ServedCharter | undefined,
): boolean {
  try {
    requireUpstreamPlace(model, environment, charter);
    return true;
  } catch (error) {
    if (isPortolanError(error)) return false;
    throw error;
  }
}
