import { PortolanError } from "@portolan/kernel";
import type { CliErrorCode } from "../errors.ts";
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

/**
 * The one with that id or name of what lies under a path.
 * @param what for people, such as `business_unit`
 * @throws PortolanError `cli.bad_usage` with the names that there are
 */
export async function findNamed(
  api: ApiClient,
  path: string,
  what: string,
  wanted: string | undefined,
): Promise<NamedItem> {
  const items = await listItems<NamedItem>(api, path);
  const found = items.find(({ id, name }) => id === wanted || name === wanted);
  if (found) return found;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail:
      wanted === undefined
        ? `the ${what} must be named`
        : `there is no ${what} "${wanted.slice(0, 80)}" that you can see`,
    mend: items.length === 0 ? "Create it first." : `You see: ${items.map(({ name }) => name).join(", ")}.`,
  });
}
