import { environments, isPortolanError, messageOf } from "@portolan/kernel";
import type { UpstreamProbe, UpstreamRegistrant } from "@portolan/registry";
import type { FoundUpstream, StatedUpstream } from "@portolan/registry/contract";
import type { UpstreamAccess } from "./access.ts";
import { Connection } from "./connection.ts";
import { upstreamFault } from "./errors.ts";
import type { InferenceClient } from "./open-inference/inference-client.ts";
import { openInferenceClient } from "./open-inference/open-client.ts";
import { findTextModel } from "./openai/text-facts.ts";

const timeoutMs = 5000;

/** Asks a server, before anything is registered, what it serves. */
export function createUpstreamProbe(access: UpstreamAccess): UpstreamProbe {
  return {
    async describe(stated: StatedUpstream, registrant: UpstreamRegistrant) {
      const { environment, ...holder } = registrant;
      const serves = stated.environments ?? environments;
      const use = { ...holder, environments: [...serves, environment] };
      const { protocol } = stated;
      const asked =
        protocol === "openai"
          ? textServer(new Connection(stated, access, use), stated)
          : tensorServer(await openInferenceClient({ ...stated, protocol }, access, use));
      try {
        await asked.server.renewCredential();
        return await asked.describe();
      } catch (error) {
        if (isPortolanError(error)) throw error;
        throw upstreamFault(
          "upstream.unreachable",
          `The upstream at ${new URL(stated.url).origin} does not answer as it should (${messageOf(error)}).`,
          "Check the address, and that the server runs and may be reached from here.",
        );
      } finally {
        await asked.server.destroy();
      }
    },
  };
}

interface AskedServer {
  readonly server: { renewCredential(): Promise<void>; destroy(): Promise<void> };
  describe(): Promise<FoundUpstream>;
}

function tensorServer(server: InferenceClient): AskedServer {
  return {
    server,
    async describe() {
      const { signature, binaryTensors } = await server.facts(timeoutMs);
      const plain = ({ name, datatype, shape }: (typeof signature.inputs)[number]) => ({
        name,
        datatype,
        shape: [...shape],
      });
      return {
        signature: { inputs: signature.inputs.map(plain), outputs: signature.outputs.map(plain) },
        binaryTensors,
      };
    },
  };
}

function textServer(server: Connection, { model }: StatedUpstream): AskedServer {
  return {
    server,
    async describe() {
      const facts = await findTextModel(server, model, timeoutMs);
      if (!facts)
        throw upstreamFault(
          "upstream.model_unfit",
          `The upstream does not list ${model} among its models.`,
          "Check the model's name there (GET /v1/models), and the credential.",
        );
      return { signature: { inputs: [], outputs: [] }, binaryTensors: false, ...facts };
    },
  };
}
