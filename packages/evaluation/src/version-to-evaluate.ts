import type { Authorizer, CallContext } from "@portolan/kernel";
import { evidenceEnvironment } from "./evidence-environment.ts";
import type { EvaluatedVersion, VersionLookup } from "./ports.ts";

/** The version that is asked about, for those who may evaluate it. @throws PortolanError */
export async function versionToEvaluate(
  { authorizer, versions }: { readonly authorizer: Authorizer; readonly versions: VersionLookup },
  call: CallContext,
  { model, version: number }: { readonly model: string; readonly version: number },
): Promise<EvaluatedVersion> {
  const version = await versions.find(call, model, number);
  await authorizer.require(call, "evaluation:run", {
    type: "Model",
    id: model,
    organisationId: call.actor.organisationId,
    useCaseId: version.useCaseId,
    environment: evidenceEnvironment,
  });
  return version;
}
