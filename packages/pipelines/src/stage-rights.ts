import { evidenceEnvironment } from "@portolan/evaluation/contract";
import type { Authorizer, CallContext, ResourceRef } from "@portolan/kernel";
import type { Stage } from "./stages.ts";
import type { RunBeginning } from "./store.ts";

/** Whose stages they are. */
type StagesOf = Pick<RunBeginning, "useCaseId" | "environment" | "model">;

/**
 * Whether somebody may do these stages by hand. Asked of whoever declares a pipeline, begins a run of it, or stops a stage: nobody trains for
 * hours what they may not promote then, and nobody takes back by a cancellation what they may not deploy.
 *
 * @throws what `Authorizer.require` throws
 */
export async function requireRights(
  authorizer: Authorizer,
  call: CallContext,
  stages: readonly Stage[],
  of: StagesOf,
): Promise<void> {
  for (const stage of stages) {
    const { action, resource } = rightOf(call, stage, of);
    await authorizer.require(call, action, resource);
  }
}

/** What somebody must be allowed to who does a stage by hand. */
function rightOf(
  { actor: { organisationId } }: CallContext,
  stage: Stage,
  of: StagesOf,
): { readonly action: string; readonly resource: ResourceRef } {
  const { useCaseId, environment, model } = of;
  const place = { organisationId, useCaseId, environment };
  const onModel: ResourceRef = { type: "Model", id: model, ...place };
  switch (stage.kind) {
    case "prepare":
      return { action: "features:build_training_set", resource: { type: "TrainingSet", ...place } };
    case "train":
      return { action: "training:start", resource: { type: "TrainingRun", ...place } };
    case "register":
      return { action: "registry:push_version", resource: onModel };
    case "evaluate":
    case "compare":
      return { action: "evaluation:run", resource: { ...onModel, environment: evidenceEnvironment } };
    case "promote":
      return { action: "registry:promote", resource: { ...onModel, environment: stage.to } };
    case "release":
      return { action: "serving:deploy", resource: { type: "Endpoint", id: stage.endpoint, ...place } };
  }
}
