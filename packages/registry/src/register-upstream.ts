import { type CallContext, type Environment, locate, PortolanError } from "@portolan/kernel";
import { addVersion, charterMissing, heldBy, signFile } from "./add-version.ts";
import type { Lineage, ModelVersion } from "./contract.ts";
import type { RegistryErrorCode } from "./errors.ts";
import type { UpstreamProbe } from "./ports.ts";
import { encodePrompt, promptProblems, type StatedPrompt } from "./prompt.ts";
import type { PushDeps } from "./push-version.ts";
import { encodeUpstream, type StatedUpstream, upstreamFileName } from "./upstream.ts";

export type RegisterUpstreamDeps = Omit<PushDeps, "runs"> & {
  readonly upstreams: UpstreamProbe;
};

export interface RegisterUpstreamRequest {
  readonly model: string;
  readonly useCaseId: string;
  readonly upstream: StatedUpstream;
  /** Of a text version: part of it like the description. */
  readonly prompt?: StatedPrompt | undefined;
  /** `dev` registers without a signed charter; such a version leaves dev only once a charter is in force. */
  readonly environment: Environment;
}

/**
 * Registers a version that another server runs: an immutable, signed description of where, with the signature that the
 * server itself gives. The same description with the same prompt is the same version.
 *
 * @throws PortolanError `upstream.*` when the server is not asked or does not answer as it should, `registry.charter_missing`, `registry.prompt_unusable`,
 * `registry.model_owned_elsewhere`, and what `Authorizer.require` throws
 */
export async function registerUpstream(
  deps: RegisterUpstreamDeps,
  call: CallContext,
  named: RegisterUpstreamRequest,
): Promise<ModelVersion> {
  const { organisationId } = call.actor;
  const { model, environment, upstream } = named;
  await deps.authorizer.require(call, "registry:import", {
    type: "Model",
    id: model,
    organisationId,
    useCaseId: named.useCaseId,
    environment,
  });
  const place = await locate(deps.places, organisationId, { useCaseId: named.useCaseId });
  const request = { ...named, useCaseId: place.useCaseId ?? named.useCaseId };
  const holder = { organisationId, useCaseId: request.useCaseId };
  requireUsable(named);
  // Network and files come before the transaction.
  const found = await deps.upstreams.describe(upstream, { ...holder, environment });
  const prompt = named.prompt && (await deps.objects.put(encodePrompt(named.prompt)));
  const bytes = encodeUpstream(upstream, found, holder, prompt);
  const digest = await deps.objects.put(bytes);
  const file = { name: upstreamFileName, digest, sizeBytes: bytes.length, ...(prompt ? { prompt } : {}) };
  const signed = await signFile(deps, model, file, found.signature);
  return deps.work.write(call, async (tx) => {
    const charter = await deps.charters.inForce(tx.sql, request.useCaseId);
    if (!charter && environment !== "dev") throw charterMissing(request.useCaseId);
    const lineage: Lineage = {
      origin: "imported",
      source: upstream.url,
      upstream,
      ...(prompt ? { prompt } : {}),
      ...(charter ? { charterId: charter.charterId, charterDigest: charter.digest } : {}),
    };
    await deps.artifacts.note(tx, { environment, ...place }, heldBy(signed));
    return addVersion(tx, request, signed, lineage);
  });
}

/** Asked before anybody else is: what is wrong with the words costs no request. */
function requireUsable({ prompt, upstream }: RegisterUpstreamRequest): void {
  if (!prompt) return;
  const { protocol, operations = ["chat", "completions"] } = upstream;
  const takesText = protocol === "openai" && operations.some((one) => one !== "embeddings");
  const problems = [
    ...(takesText ? [] : ["a version that does neither chat nor completions takes no prompt"]),
    ...promptProblems(prompt),
  ];
  if (problems.length > 0)
    throw new PortolanError<RegistryErrorCode>("registry.prompt_unusable", {
      detail: problems.join("; "),
      mend: "Mend the prompt, and register again; nothing was stored.",
    });
}
