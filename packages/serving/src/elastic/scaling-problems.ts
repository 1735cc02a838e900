import type { Scaling } from "../snapshot/runs-schema.ts";
import type { ModelReference } from "../snapshot/schema.ts";

/** Why a deployment's scaling fits neither itself nor its model; empty when it does. Pure. */
export function findScalingProblems(
  { minimum, maximum, idleSeconds }: Scaling,
  { name, version, upstream }: ModelReference,
): string[] {
  return [
    ...(upstream ? [`${name}/${version} is run by another server, which scales by itself`] : []),
    ...(minimum > maximum ? [`at least ${minimum} workers are more than at most ${maximum}`] : []),
    ...(idleSeconds !== undefined && minimum > 0
      ? [`a model with at least ${minimum} workers is never idle; state 0 to let it leave memory`]
      : []),
  ];
}
