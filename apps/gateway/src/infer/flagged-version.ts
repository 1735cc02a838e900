import type { IncomingHttpHeaders } from "node:http";
import { champion as championName, evaluateFlag, type FlagTraits } from "@portolan/serving/policy";
import type { ActiveRoute } from "../snapshot/serving-state.ts";
import type { Admission } from "./admission.ts";
import { headerText } from "./admit.ts";
import type { InferCall } from "./infer-call.ts";

/** What a flag said of a request, for its record. */
export interface FlagDecision {
  readonly key: string;
  readonly value: string;
}

/** The header by which a prediction says whom it is about, for shares of flags that go by entity. */
export const entityHeader = "x-portolan-entity";

/**
 * The version that a flag of the endpoint gives the request to, where one of its rules or shares decides. Its default, a version whose bytes are not
 * here yet, and a share without an entity decide nothing: the deployment's own rules and shares do, as without the flag. A request that names its
 * version is moved by no flag. Costs a look at one member where no flag decides.
 */
export function flaggedVersion(
  admission: Pick<Admission, "champion" | "caller" | "limit" | "principal">,
  { headers, version }: Pick<InferCall, "headers" | "version">,
): { readonly version: ActiveRoute; readonly flag: FlagDecision } | undefined {
  const { champion } = admission;
  const { flag } = champion.others;
  if (flag === undefined || version !== undefined) return undefined;
  const evaluation = evaluateFlag(flag, traitsOf(admission, headers));
  if (evaluation.kind !== "value") return undefined;
  const { reason, value } = evaluation;
  if ((reason !== "TARGETING_MATCH" && reason !== "SPLIT") || typeof value !== "string") return undefined;
  const chosen = versionOf(champion, value);
  return chosen && { version: chosen, flag: { key: flag.key, value } };
}

function versionOf(champion: ActiveRoute, name: string): ActiveRoute | undefined {
  if (name === championName) return champion.others.backends[0] ?? champion;
  const split = champion.others.splits.get(name);
  return split?.model ? split : undefined;
}

function traitsOf(
  { caller, limit, principal }: Pick<Admission, "caller" | "limit" | "principal">,
  headers: IncomingHttpHeaders,
): FlagTraits {
  return {
    principalId: caller.principalId,
    tenantId: limit.tenantId,
    groups: principal?.groups ?? [],
    roles: principal?.roles ?? [],
    entity: headerText(headers[entityHeader]),
    attribute: (name) => headerText(headers[name.toLowerCase()]),
  };
}

/** `key=value`: the flag that decided who answered. */
export function flagHeader({ key, value }: FlagDecision): string {
  return `${key}=${value}`;
}
