import { environments, isPortolanError, messageOf } from "@portolan/kernel";
import type { UpstreamProbe, UpstreamRegistrant } from "@portolan/registry";
import type { FoundUpstream, StatedUpstream } from "@portolan/registry/contract";
import type { UpstreamAccess } from "./access.ts";
import { Connection } from "./connection.ts";
import { upstreamFault } from "./errors.ts";
import { readModelFacts } from "./open-inference/model-facts.ts";
import { findTextModel } from "./openai/text-facts.ts";

const timeoutMs = 5000;

/** Asks a server, before anything is registered, what it serves. */
export function createUpstreamProbe(access: UpstreamAccess): UpstreamProbe {
  return {
    async describe(stated: StatedUpstream, registrant: UpstreamRegistrant) {
      const { environment, ...holder } = registrant;
      const serves = stated.environments ?? environments;
      const use = { ...holder, environments: [...serves, environment] };
      const connection = new Connection(stated, access, use);
      try {
        await connection.renewCredential();
        return stated.protocol === "openai"
          ? await textFacts(connection, stated)
          : await tensorFacts(connection, stated);
      } catch (error) {
        if (isPortolanError(error)) throw error;
        throw upstreamFault(
          "upstream.unreachable",
          `The upstream at ${new URL(stated.url).origin} does not answer as it should (${messageOf(error)}).`,
          "Check the address, and that the server runs and may be reached from here.",
        );
      } finally {
        await connection.destroy();
      }
    },
  };
}

async function tensorFacts(connection: Connection, stated: StatedUpstream): Promise<FoundUpstream> {
  const { signature, binaryTensors } = await readModelFacts(connection, stated, timeoutMs);
  const plain = ({ name, datatype, shape }: (typeof signature.inputs)[number]) => ({
    name,
    datatype,
    shape: [...shape],
  });
  return {
    signature: { inputs: signature.inputs.map(plain), outputs: signature.outputs.map(plain) },
    binaryTensors,
  };
}

async function textFacts(connection: Connection, { model }: StatedUpstream): Promise<FoundUpstream> {
  const facts = await findTextModel(connection, model, timeoutMs);
  if (!facts)
    throw upstreamFault(
      "upstream.model_unfit",
      `The upstream does not list ${model} among its models.`,
      "Check the model's name there (GET /v1/models), and the credential.",
    );
  return { signature: { inputs: [], outputs: [] }, binaryTensors: false, ...facts };
}
