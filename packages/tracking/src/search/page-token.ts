import { PortolanError } from "@portolan/kernel";
import type { TrackingErrorCode } from "../errors.ts";

const mostOffset = 1_000_000;

/** The token of the page that begins after so many. */
export function tokenOf(offset: number): string {
  return Buffer.from(JSON.stringify({ offset })).toString("base64url");
}

/** @throws PortolanError `tracking.invalid_value` for one that this server did not give */
export function offsetOf(token: string): number {
  const text = Buffer.from(token, "base64url").toString("utf8");
  const offset = Number(/^\{"offset":(\d{1,7})\}$/.exec(text)?.[1]);
  if (Number.isSafeInteger(offset) && offset <= mostOffset) return offset;
  throw new PortolanError<TrackingErrorCode>("tracking.invalid_value", {
    detail: "the page token is none that this server gave",
    mend: "Ask without one for the first page.",
  });
}
