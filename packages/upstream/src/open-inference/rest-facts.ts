import { Compile, Type } from "@portolan/typebox";
import { askJson } from "../ask-json.ts";
import type { Connection } from "../connection.ts";
import { factsOf, type ModelFacts, type ModelTarget, metadataRefused } from "./model-facts.ts";

const Server = Compile(Type.Object({ extensions: Type.Array(Type.String()) }));

export function modelPath({ model, version }: ModelTarget): string {
  const suffix = version === undefined ? "" : `/versions/${encodeURIComponent(version)}`;
  return `/v2/models/${encodeURIComponent(model)}${suffix}`;
}

/**
 * What the server says of itself and of the model.
 * @throws PortolanError `upstream.model_unfit`; rejects otherwise when it does not answer
 */
export async function readModelFacts(
  connection: Connection,
  target: ModelTarget,
  timeoutMs: number,
): Promise<ModelFacts> {
  const server = await askJson(connection, "/v2", timeoutMs);
  const extensions = Server.Check(server.body) ? server.body.extensions : [];
  const { status, body } = await askJson(connection, modelPath(target), timeoutMs);
  if (status !== 200) throw metadataRefused(String(status), target.model);
  const binaryTensors = extensions.some((name) => name.startsWith("binary_tensor_data"));
  return factsOf(body, binaryTensors, target.model);
}
