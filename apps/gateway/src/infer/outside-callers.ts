import { BlockList, isIP } from "node:net";
import { messageOf, PortolanError, readAddressRules } from "@portolan/kernel";

/** Whether a caller is outside, by the address that its connection comes from. */
export type IsOutside = (remoteAddress: string) => boolean;

/** Networks that no provider bills as the internet: this machine, private, shared and link-local ones. */
const privateNetworks =
  "127.0.0.0/8, 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, 169.254.0.0/16, ::1/128, fc00::/7, fe80::/10";

/** Addresses whose verdict is kept: every request asks for one. */
const mostKept = 4096;

/**
 * Callers of other addresses than these networks are outside. Who cannot be told by an address is inside: nothing is called egress that may be none.
 *
 * @param networks INSIDE_NETWORKS: addresses and networks, separated by commas, or `none`; undefined: private ones
 * @throws PortolanError `kernel.bad_configuration` naming the entry that is no address or network
 */
export function outsideOf(networks: string | undefined): IsOutside {
  const inside = readNetworks(networks ?? privateNetworks);
  const known = new Map<string, boolean>();
  return (remoteAddress) => {
    const before = known.get(remoteAddress);
    if (before !== undefined) return before;
    if (known.size >= mostKept) known.clear();
    const verdict = isOutside(inside, remoteAddress);
    known.set(remoteAddress, verdict);
    return verdict;
  };
}

function readNetworks(text: string): BlockList {
  if (text.trim() === "none") return new BlockList();
  try {
    const { hosts, plainHosts, networks } = readAddressRules(text, false);
    const [name] = [...hosts, ...plainHosts];
    if (name !== undefined) throw new RangeError(`${name} is no address or network`);
    return networks;
  } catch (cause) {
    throw new PortolanError("kernel.bad_configuration", {
      detail: `INSIDE_NETWORKS: ${messageOf(cause)}.`,
      mend: "Write addresses and networks such as 10.0.0.0/8, separated by commas, or none.",
      cause,
    });
  }
}

/** As Node and gRPC write addresses: IPv4 within IPv6, brackets, zones. */
function isOutside(inside: BlockList, remoteAddress: string): boolean {
  const address = remoteAddress
    .replace(/^\[|\]$/g, "")
    .replace(/^::ffff:(?=\d+\.)/i, "")
    .replace(/%.*$/, "");
  const family = isIP(address);
  return family !== 0 && !inside.check(address, family === 6 ? "ipv6" : "ipv4");
}
