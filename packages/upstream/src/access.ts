import {
  type AddressRules,
  isPrivateTransport,
  judgeUrl,
  PortolanError,
  readAddressRules,
} from "@portolan/kernel";
import { upstreamFault } from "./errors.ts";

/** What this process may reach, and with which credentials. */
export interface UpstreamAccess {
  readonly rules: AddressRules;
  /** Folder of the credentials; absent: there are none. */
  readonly credentials: string | undefined;
}

/** @throws PortolanError `kernel.bad_configuration` when the list of hosts is none */
export function openUpstreamAccess(
  allowedHosts: string | undefined,
  credentials: string | undefined,
): UpstreamAccess {
  try {
    return { rules: readAddressRules(allowedHosts, false), credentials };
  } catch (cause) {
    throw new PortolanError("kernel.bad_configuration", {
      detail: `UPSTREAM_ALLOWED_HOSTS: ${cause instanceof Error ? cause.message : "not a list of hosts"}.`,
      mend: "Write host names, addresses and networks, separated by commas; http://host for plain http.",
      cause,
    });
  }
}

/**
 * The address of an upstream, if it may be asked at all.
 * @throws PortolanError `upstream.address_refused`
 */
export function requireAllowed(
  { rules }: UpstreamAccess,
  address: { readonly url: string; readonly credential?: string },
): URL {
  const verdict = judgeUrl(rules, address.url);
  if (verdict.kind === "refused")
    throw upstreamFault(
      "upstream.address_refused",
      `The upstream's address may not be asked: ${verdict.why}.`,
      "Use a public https address, or have the operator allow the host (UPSTREAM_ALLOWED_HOSTS).",
    );
  if (address.credential !== undefined && !isPrivateTransport(address.url))
    throw upstreamFault(
      "upstream.address_refused",
      "A credential sent to this address could be read on the way.",
      "Use an https address.",
    );
  return new URL(address.url);
}
