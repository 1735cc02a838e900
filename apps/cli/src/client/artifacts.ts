import type { ApiClient } from "./api-client.ts";

/** Uploads bytes for work at a place; the answer is their content address, good there and nowhere else. */
export async function uploadArtifact(
  api: ApiClient,
  place: { readonly environment: string; readonly useCaseId: string },
  bytes: Uint8Array,
): Promise<string> {
  const path = `/v1/artifacts?${new URLSearchParams(place).toString()}`;
  const { digest } = await api.json<{ digest: string }>({ path, bytes });
  return digest;
}
