import { digestJson, type JsonValue } from "@portolan/kernel";
import type { DeployRequest } from "@portolan/serving/contract";
import type { ReleaseState } from "./contract.ts";
import type { ReleasePlan } from "./plan.ts";

/** Name of the candidate among an endpoint's variants. */
export const candidateVariant = "candidate";
/** Name of the version that was the champion before: it stays loaded, and is asked by nobody. */
export const previousVariant = "previous";

/** What decides how an endpoint is deployed for a release. */
export interface DeployedRelease {
  readonly state: ReleaseState;
  /** Index into the plan's steps; −1 before the first. */
  readonly step: number;
  readonly plan: ReleasePlan;
  readonly base: DeployRequest;
  readonly model: string;
  readonly version: number;
  readonly features: NonNullable<DeployRequest["features"]> | null;
}

/** How the endpoint is to be deployed now. Pure. */
export function deploymentOf(release: DeployedRelease): DeployRequest {
  const { state, base } = release;
  if (state === "promoted") return promoted(release);
  const step = release.plan.steps[release.step];
  if ((state !== "running" && state !== "paused") || !step) return base;
  const candidate = { name: candidateVariant, ...versionOf(release) };
  const { sticky } = release.plan;
  switch (step.kind) {
    case "shadow":
      return { ...base, variants: [{ ...candidate, kind: "shadow", sample: step.sample }] };
    case "internal": {
      const rules = [{ by: step.by, values: step.values, variant: candidateVariant }];
      return { ...base, variants: [{ ...candidate, kind: "split" }], traffic: { rules, split: [], sticky } };
    }
    case "canary": {
      const split = [{ variant: candidateVariant, weight: step.percent }];
      return { ...base, variants: [{ ...candidate, kind: "split" }], traffic: { split, sticky } };
    }
  }
}

/** The candidate is the endpoint's own version; the champion of before stays warm. */
function promoted(release: DeployedRelease): DeployRequest {
  const { model, version, features, ...kept } = release.base;
  const previous = { model, version, ...(features ? { features } : {}) };
  return {
    ...kept,
    ...versionOf(release),
    variants: [{ name: previousVariant, kind: "split", ...previous }],
  };
}

function versionOf({ model, version, features }: DeployedRelease) {
  return { model, version, ...(features ? { features } : {}) };
}

/**
 * An endpoint's deployment without what an earlier release left beside it; undefined where requests are shared out in a way that
 * is no release's, and that a release would undo. Pure.
 */
export function baseOf({ variants = [], traffic, ...base }: DeployRequest): DeployRequest | undefined {
  const isShared = variants.some(({ name }) => name !== previousVariant) || traffic !== undefined;
  return isShared ? undefined : base;
}

/** Whether two deployments share out requests between the same versions. Pure. */
export function sharesAlike(a: DeployRequest, b: DeployRequest): boolean {
  return shape(a) === shape(b);
}

/** Plans of features are left out: what views compute is filled in when a deployment is made. */
function shape({ model, version, variants = [], traffic }: DeployRequest): string {
  const beside = variants.map((variant) => ({
    name: variant.name,
    kind: variant.kind,
    model: variant.model,
    version: variant.version,
    sample: variant.sample ?? 1,
  }));
  const shared: JsonValue = traffic
    ? { rules: traffic.rules ?? [], split: traffic.split, sticky: traffic.sticky ?? "principal" }
    : null;
  return digestJson({ model, version, beside, shared });
}
