import { isPortolanError, messageOf } from "@portolan/kernel";
import type { UpstreamProbe } from "@portolan/registry";
import type { StatedUpstream } from "@portolan/registry/contract";
import type { UpstreamAccess } from "./access.ts";
import { Connection } from "./connection.ts";
import { upstreamFault } from "./errors.ts";
import { readModelFacts } from "./open-inference/model-facts.ts";

const timeoutMs = 5000;

/** Asks a server, before anything is registered, what it serves. */
export function createUpstreamProbe(access: UpstreamAccess): UpstreamProbe {
  return {
    async describe(stated: StatedUpstream) {
      if (stated.protocol === "openai")
        throw upstreamFault(
          "upstream.model_unfit",
          "Text servers are not asked yet.",
          "Register a server of the Open Inference Protocol.",
        );
      const connection = new Connection(stated, access);
      try {
        await connection.renewCredential();
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
      } catch (error) {
        if (isPortolanError(error)) throw error;
        throw upstreamFault(
          "upstream.unreachable",
          `The upstream at ${new URL(stated.url).origin} does not answer (${messageOf(error)}).`,
          "Check the address, and that the server runs and may be reached from here.",
        );
      } finally {
        await connection.destroy();
      }
    },
  };
}
