import { termsOf } from "@portolan/charter/policy";
import { PortolanError } from "@portolan/kernel";
import type { ComputeVerdict, DeployRequest } from "../endpoint.ts";
import type { ServingErrorCode } from "../errors.ts";
import type { ServedCharter } from "../ports.ts";
import type { ModelReference } from "../snapshot/model-schema.ts";
import { findBackendProblems } from "./backend-problems.ts";
import type { Backends } from "./backend-schema.ts";
import { chooseBackends, type OfferedBackend, unplannedHardware } from "./choose-backend.ts";

export interface OwnVersion {
  readonly model: ModelReference;
  readonly charter: ServedCharter | undefined;
  readonly measured: ComputeVerdict | null;
}

/**
 * The places where a deployment's model runs, in the order in which they are asked; `undefined` where there is one.
 *
 * @param find a version that may be deployed, or an error that says why not
 * @throws PortolanError `serving.model_not_deployable`, and what `find` throws
 */
export async function chosenBackends(
  { backends }: Pick<DeployRequest, "backends">,
  { model, charter, measured }: OwnVersion,
  find: (asked: { readonly model: string; readonly version: number }) => Promise<ModelReference>,
): Promise<Backends | undefined> {
  if (!backends) return undefined;
  const cost = measured?.costPerThousand;
  const own: OfferedBackend = {
    hardware: "cpu",
    model,
    evidence: cost === undefined ? "none" : "measured",
    ...(measured ? { latencyMicrosP95: measured.p95Micros } : {}),
    ...(cost === undefined ? {} : { costPerThousand: cost }),
  };
  const others: OfferedBackend[] = [];
  for (const { model: name, version, ...stated } of backends)
    others.push({ ...stated, model: await find({ model: name, version }), evidence: "stated" });
  const problems = findBackendProblems(own, others);
  if (problems[0])
    throw new PortolanError<ServingErrorCode>("serving.model_not_deployable", {
      detail: `The model does not run in these places alike: ${problems.join("; ")}.`,
      mend: "Register the same model there, and state its cost in the currency of the charter's plan.",
    });
  const bound = charter && termsOf(charter.document).latencyMsP95;
  return { ...chooseBackends(own, others, bound), planned: measured?.plannedTier ?? null };
}

/** What the measurement says, and where requests go against the plan. Pure. */
export function withBackends(
  measured: ComputeVerdict | null,
  backends: Backends | undefined,
): ComputeVerdict | null {
  const unplanned = measured && backends && unplannedHardware({ ...backends, planned: measured.plannedTier });
  return unplanned ? { ...measured, disagreements: [...measured.disagreements, unplanned] } : measured;
}

/** For the ledger. Pure. */
export function backendFacts(backends: Backends | undefined): {
  backends?: string[];
  backendChosen?: string;
} {
  if (!backends) return {};
  const order = backends.order.map(({ hardware, model }) => `${hardware} ${model.name}/${model.version}`);
  return { backends: order, backendChosen: backends.why };
}
