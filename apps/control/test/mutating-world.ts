import type { Api, ApiMethod } from "./api.ts";
import type { InProcessControl } from "./in-process.ts";

/** What the requests before have left: ids and digests, by name. */
export interface World {
  readonly control: InProcessControl;
  readonly api: Api;
  readonly known: Map<string, string>;
}

export interface ValidRequest {
  /** Path and query. */
  readonly url: string;
  /** JSON, or bytes in a Buffer. */
  readonly body?: unknown;
}

/** A mutating route, a request that it grants, and what that leaves in the ledger. */
export interface MutatingRoute {
  /** Method and pattern, as registered. */
  readonly route: `${Exclude<ApiMethod, "GET">} /${string}`;
  /** Name of the caller; absent for the open routes. */
  readonly as?: string;
  /** The caller's credential, where it is not the token of a principal. */
  readonly credential?: (world: World) => string;
  readonly ledger: "governed" | "recorded";
  /** Events of the rows of that class: under the request's id when governed, by whatever batch when recorded. */
  readonly events: readonly string[];
  /** Tables that the request also changes in a transaction without a ledger row of its class, and why that is right. */
  readonly besides?: Readonly<Record<string, string>>;
  request(world: World): ValidRequest | Promise<ValidRequest>;
  /** Takes from the answer what later requests need. */
  readonly learn?: (body: Readonly<Record<string, unknown>>, world: World) => void | Promise<void>;
}

/** An id that an earlier request left. */
export function known(world: World, name: string): string {
  const found = world.known.get(name);
  if (found === undefined) throw new Error(`no earlier request left "${name}"`);
  return found;
}
