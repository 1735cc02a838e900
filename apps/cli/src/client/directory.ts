import type { ApiClient } from "./api-client.ts";

export interface NamedItem {
  readonly id: string;
  readonly name: string;
}

/** What `identity` lists under a collection's path. */
export async function listItems<T extends NamedItem>(api: ApiClient, path: string): Promise<readonly T[]> {
  const { items } = await api.json<{ items: readonly T[] }>({ path });
  return items;
}

/** The item of that name, made when it is missing: what `apply` and the demo want. */
export async function findOrCreate(
  api: ApiClient,
  path: string,
  body: { readonly name: string; readonly displayName: string } & Readonly<Record<string, unknown>>,
): Promise<NamedItem> {
  const existing = (await listItems(api, path)).find((item) => item.name === body.name);
  return existing ?? api.json<NamedItem>({ path, body });
}
