import type { UpstreamAccess } from "../access.ts";
import { Connection, type UpstreamAddress } from "../connection.ts";
import type { CredentialUse } from "../credentials.ts";
import type { InferenceClient } from "./inference-client.ts";
import type { ModelTarget } from "./model-facts.ts";
import { RestInferenceClient } from "./rest-client.ts";

export type InferenceServer = UpstreamAddress &
  ModelTarget & { readonly protocol: "open-inference" | "open-inference-grpc" };

/**
 * @param use for whom the server's credential is to be used; absent: for nobody
 * @throws PortolanError `upstream.address_refused`
 */
export async function openInferenceClient(
  server: InferenceServer,
  access: UpstreamAccess,
  use: CredentialUse | undefined,
): Promise<InferenceClient> {
  if (server.protocol === "open-inference")
    return new RestInferenceClient(new Connection(server, access, use), server);
  // gRPC's library is loaded where it is spoken.
  const { openGrpcInference } = await import("./grpc-client.ts");
  return openGrpcInference(server, access, use);
}
