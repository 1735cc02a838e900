import { parseInstant } from "@portolan/kernel";

/** A stretch of event time, as RFC 3339. */
export interface StretchOptions {
  readonly from?: string;
  readonly to?: string;
}

/** @throws PortolanError for what is no instant */
export function stretchQuery(options: StretchOptions): string {
  const query = new URLSearchParams();
  for (const side of ["from", "to"] as const)
    if (options[side] !== undefined) query.set(side, String(parseInstant(options[side])));
  return query.toString();
}
