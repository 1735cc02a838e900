import { describeApi } from "@portolan/control";
import type { Generator } from "../generated-files.ts";

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Members by name: the order in which plugins register routes says nothing to a reader of the difference. */
function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)]));
}

/** apps/control/openapi.json: the REST API, for clients and for reviewers of a change to it. */
export const generator: Generator = {
  async generate() {
    const document = sorted(JSON.parse(JSON.stringify(await describeApi())) as Json);
    return new Map([["apps/control/openapi.json", `${JSON.stringify(document, null, 2)}\n`]]);
  },
};
