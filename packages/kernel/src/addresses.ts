import { isIP } from "node:net";
import { PortolanError } from "./errors.ts";

/** Longest bearer credential that is sent or looked at, in characters; with it HTTP headers stay within 16 KiB. */
export const maxCredentialLength = 12_288;

/** 127.0.0.0/8, ::1 and `localhost`. A wildcard address is not, nor a name that begins like an address. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "").toLowerCase();
  if (bare === "localhost" || bare === "::1") return true;
  return isIP(bare) === 4 && bare.startsWith("127.");
}

/** True when what is sent there cannot be read on the way: https, or http that never leaves this machine. */
export function isPrivateTransport(url: string): boolean {
  const parsed = URL.parse(url);
  if (parsed === null) return false;
  return parsed.protocol === "https:" || (parsed.protocol === "http:" && isLoopback(parsed.hostname));
}

/**
 * Asked before a credential is sent to an address.
 *
 * @param setting where the address was written, for the message
 * @throws PortolanError `kernel.plain_http_refused`
 */
export function requirePrivateTransport(url: string, setting: string): void {
  if (isPrivateTransport(url)) return;
  // Only scheme and host: an address may carry a password of its own.
  const parsed = URL.parse(url);
  const shown = parsed === null ? "no address" : `${parsed.protocol}//${parsed.host}`;
  throw new PortolanError("kernel.plain_http_refused", {
    detail: `${setting} is ${shown}: a credential sent there could be read on the way.`,
    mend: "Use an https address. Plain http is for this machine alone (127.0.0.1, ::1, localhost).",
  });
}
