import { environments, type Logger } from "@portolan/kernel";
import type { UpstreamDescription } from "@portolan/registry/contract";
import { readUpstream } from "@portolan/registry/policy";
import type { ModelRuntime } from "@portolan/serving/policy";
import type { UpstreamAccess } from "./access.ts";
import { Connection } from "./connection.ts";
import type { CredentialUse } from "./credentials.ts";
import { upstreamFault } from "./errors.ts";
import { OpenInferenceModel } from "./open-inference/open-inference-model.ts";
import { TextServerModel } from "./openai/text-server.ts";

export interface UpstreamRuntimeOptions {
  readonly access: UpstreamAccess;
  readonly log: Logger;
}

/** How long loading waits for a server: then the gateway goes on without it. */
const firstWaitMs = 1000;

/** What its signed description says of who registered it, and where it may serve. */
function useOf({ registeredFor, environments: named }: UpstreamDescription): CredentialUse | undefined {
  return registeredFor && { ...registeredFor, environments: named ?? environments };
}

/** Models that other servers run. What is verified is the description of where. */
export function createUpstreamRuntime({ access, log }: UpstreamRuntimeOptions): ModelRuntime {
  return {
    async load(model) {
      const description = readUpstream(await model.loadBytes());
      if (!description)
        throw upstreamFault(
          "upstream.model_unfit",
          `${model.label} is no description of an upstream.`,
          "Register it with: portolan model register-upstream.",
        );
      const connection = new Connection(description, access, useOf(description));
      const Model = description.protocol === "openai" ? TextServerModel : OpenInferenceModel;
      const loaded = new Model(description, connection, model.label, log);
      await loaded.start(firstWaitMs);
      return loaded;
    },
  };
}
