import type { ApiClient } from "./api-client.ts";

/**
 * All of a list that comes in pages.
 *
 * @param cursor name of the query parameter that takes a page's `next`
 */
export async function allPages<T, Page extends { readonly next?: string }>(
  api: ApiClient,
  path: string,
  cursor: "after" | "before",
  items: (page: Page) => readonly T[],
): Promise<T[]> {
  const found: T[] = [];
  for (let next: string | undefined; ; ) {
    const query = new URLSearchParams({ limit: "500", ...(next === undefined ? {} : { [cursor]: next }) });
    const page = await api.json<Page>({ path: `${path}?${query.toString()}` });
    found.push(...items(page));
    ({ next } = page);
    if (next === undefined) return found;
  }
}
