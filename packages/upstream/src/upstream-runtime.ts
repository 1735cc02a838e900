import { digestBytes, environments, type Logger } from "@portolan/kernel";
import type { Prompt, UpstreamDescription } from "@portolan/registry/contract";
import { readPrompt, readUpstream } from "@portolan/registry/policy";
import type { ModelRuntime, VerifiedModel } from "@portolan/serving/policy";
import type { UpstreamAccess } from "./access.ts";
import { Connection } from "./connection.ts";
import type { CredentialUse } from "./credentials.ts";
import { upstreamFault } from "./errors.ts";
import { openInferenceClient } from "./open-inference/open-client.ts";
import { OpenInferenceModel } from "./open-inference/open-inference-model.ts";
import { TextServerModel } from "./openai/text-server.ts";

export interface UpstreamRuntimeOptions {
  readonly access: UpstreamAccess;
  readonly log: Logger;
}

/** How long loading waits for a server: then the gateway goes on without it. */
const firstWaitMs = 1000;

/** Models that other servers run. What is verified is the description of where. */
export function createUpstreamRuntime(options: UpstreamRuntimeOptions): ModelRuntime {
  return {
    async load(model) {
      const description = readUpstream(await model.loadBytes());
      if (!description)
        throw upstreamFault(
          "upstream.model_unfit",
          `${model.label} is no description of an upstream.`,
          "Register it with: portolan model register-upstream.",
        );
      const prompt = await promptOf(description, model);
      const loaded = await open(description, model.label, prompt, options);
      await loaded.start(firstWaitMs);
      return loaded;
    },
  };
}

async function open(
  description: UpstreamDescription,
  label: string,
  prompt: Prompt | undefined,
  { access, log }: UpstreamRuntimeOptions,
): Promise<OpenInferenceModel | TextServerModel> {
  const { protocol } = description;
  const use = useOf(description);
  if (protocol === "openai")
    return new TextServerModel(
      { ...description, prompt },
      new Connection(description, access, use),
      label,
      log,
    );
  const client = await openInferenceClient({ ...description, protocol }, access, use);
  return new OpenInferenceModel(client, description, label, log);
}

/**
 * The prompt that the description names, and no other: a version that has one is never asked without it.
 * @throws PortolanError `upstream.model_unfit`
 */
async function promptOf(
  { prompt: named, protocol }: UpstreamDescription,
  { label, loadPrompt }: VerifiedModel,
): Promise<Prompt | undefined> {
  if (named === undefined && !loadPrompt) return undefined;
  const bytes = await loadPrompt?.();
  const prompt =
    bytes && digestBytes(bytes) === named && protocol === "openai" ? readPrompt(bytes) : undefined;
  if (prompt) return prompt;
  throw upstreamFault(
    "upstream.model_unfit",
    `${label} comes without the prompt that its description names.`,
    "Compare it with the registry: portolan model verify; or register it again.",
  );
}

/** What its signed description says of who registered it, and where it may serve. */
function useOf({ registeredFor, environments: named }: UpstreamDescription): CredentialUse | undefined {
  return registeredFor && { ...registeredFor, environments: named ?? environments };
}
