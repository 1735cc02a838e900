import { lookup } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { isLoopback } from "./addresses.ts";

/**
 * Which addresses this process may ask that somebody else named: an issuer's keys, an upstream model server. Made from settings
 * of the operator, never from a tenant's words.
 */
export interface AddressRules {
  /** Hosts and networks inside that the operator allows, e.g. the company's own identity provider. */
  readonly hosts: ReadonlySet<string>;
  readonly networks: BlockList;
  /** Hosts of these that may be asked over plain http, because the operator said so. */
  readonly plainHosts: ReadonlySet<string>;
  /** A development installation may ask this very machine, also over plain http. */
  readonly development: boolean;
}

const insideNetworks: readonly (readonly [string, number, "ipv4" | "ipv6"])[] = [
  ["0.0.0.0", 8, "ipv4"],
  ["10.0.0.0", 8, "ipv4"],
  ["100.64.0.0", 10, "ipv4"],
  ["127.0.0.0", 8, "ipv4"],
  // Link-local: the metadata services of clouds answer here, and hand out credentials of the machine.
  ["169.254.0.0", 16, "ipv4"],
  ["172.16.0.0", 12, "ipv4"],
  ["192.0.0.0", 24, "ipv4"],
  ["192.168.0.0", 16, "ipv4"],
  ["198.18.0.0", 15, "ipv4"],
  ["224.0.0.0", 3, "ipv4"],
  ["::", 127, "ipv6"],
  // Forms that carry an IPv4 address within: NAT64, Teredo, 6to4.
  ["64:ff9b::", 96, "ipv6"],
  ["2001::", 32, "ipv6"],
  ["2002::", 16, "ipv6"],
  ["fc00::", 7, "ipv6"],
  ["fe80::", 9, "ipv6"],
  ["ff00::", 8, "ipv6"],
];

const inside = new BlockList();
for (const [network, bits, family] of insideNetworks) inside.addSubnet(network, bits, family);

/**
 * Reads a list like `id.bank.internal, 10.20.0.0/16, http://triton.ml.svc`: host names, addresses, networks, and hosts that may be
 * asked over plain http.
 *
 * @throws RangeError naming the entry that is none of them
 */
export function readAddressRules(allowed: string | undefined, development: boolean): AddressRules {
  const hosts = new Set<string>();
  const plainHosts = new Set<string>();
  const networks = new BlockList();
  for (const text of (allowed ?? "").split(",").map((text) => text.trim().toLowerCase())) {
    if (text === "") continue;
    const isPlain = text.startsWith("http://");
    const entry = isPlain ? text.slice("http://".length).replace(/^\[|\]$/g, "") : text;
    if (isPlain && !entry.includes("/")) plainHosts.add(entry);
    else if (isPlain) throw new RangeError(`${text} is no host`);
    const [address = "", bits, ...rest] = entry.split("/");
    const family = isIP(address);
    if (family !== 0 && rest.length === 0 && (bits === undefined || /^\d{1,3}$/.test(bits))) {
      const width = family === 4 ? 32 : 128;
      networks.addSubnet(address, bits === undefined ? width : Number(bits), family === 4 ? "ipv4" : "ipv6");
    } else if (bits === undefined && /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(entry)) hosts.add(entry);
    else throw new RangeError(`${entry} is no host name, address or network`);
  }
  return { hosts, networks, plainHosts, development };
}

export type AddressVerdict =
  | { readonly kind: "allowed" }
  | { readonly kind: "refused"; readonly why: string };

/** Judges an address as written, before any name is resolved. Pure. */
export function judgeUrl(rules: AddressRules, text: string): AddressVerdict {
  const url = URL.parse(text);
  if (!url) return refuse("it is no address");
  if (url.username !== "" || url.password !== "") return refuse("it carries a user or password");
  const host = hostOf(url);
  // Plain http to this machine never leaves it.
  const ownMachine = isLoopback(host) && (rules.development || isNamed(rules, host, host));
  const mayBePlain = ownMachine || rules.plainHosts.has(host.toLowerCase());
  if (url.protocol !== "https:" && !(url.protocol === "http:" && mayBePlain)) {
    return refuse("only https addresses are asked");
  }
  if (isIP(host) === 0) return { kind: "allowed" };
  return judgeAddress(rules, host, host);
}

/** Judges an address that a host's name was resolved to; it is the one that is then connected to. Pure. */
export function judgeAddress(rules: AddressRules, host: string, address: string): AddressVerdict {
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  if (isNamed(rules, host, address)) return { kind: "allowed" };
  if (rules.development && isLoopback(address)) return { kind: "allowed" };
  return inside.check(address, family)
    ? refuse("its address lies inside a private, link-local or reserved network")
    : { kind: "allowed" };
}

/** Whether the operator names the host, or a network that the address lies in. */
function isNamed({ hosts, networks }: AddressRules, host: string, address: string): boolean {
  if (hosts.has(host.toLowerCase())) return true;
  const version = isIP(address);
  return version !== 0 && networks.check(address, version === 6 ? "ipv6" : "ipv4");
}

/** The host of a URL, an IPv6 address without its brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "");
}

/**
 * A name lookup for connections to `host`: one address that the rules refuse is enough to refuse the name, as the connection may
 * try them all. The addresses that it gives are those that are then connected to, so that a name cannot be made to point inside in between.
 */
export function guardedLookup(rules: AddressRules, host: string): LookupFunction {
  return (name, options, callback) => {
    lookup(name, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, "");
      const refused = addresses.find(({ address }) => judgeAddress(rules, host, address).kind === "refused");
      const [first] = addresses;
      if (refused || !first)
        return callback(new Error(`the address of ${host} lies inside a private network`), "");
      if (options.all) return callback(null, addresses);
      callback(null, first.address, first.family);
    });
  };
}

function refuse(why: string): AddressVerdict {
  return { kind: "refused", why };
}
