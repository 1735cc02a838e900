import { describeApi } from "@portolan/control";
import { gatewayOpenApi } from "@portolan/serving/policy";
import type { Generator } from "../generated-files.ts";

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Members by name: the order in which plugins register routes says nothing to a reader of the difference. */
function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)]));
}

function written(document: object): string {
  return `${JSON.stringify(sorted(JSON.parse(JSON.stringify(document)) as Json), null, 2)}\n`;
}

/** The REST APIs of control and of the gateway, for clients and for reviewers of a change to them. */
export const generator: Generator = {
  async generate() {
    return new Map([
      ["apps/control/openapi.json", written(await describeApi())],
      ["docs/openapi-gateway.json", written(gatewayOpenApi("0.1.0"))],
    ]);
  },
};
