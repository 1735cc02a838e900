import { PortolanError } from "@portolan/kernel";
import type { MeteringErrorCode } from "../errors.ts";

export function notComparable(detail: string, mend: string): PortolanError<MeteringErrorCode> {
  return new PortolanError<MeteringErrorCode>("metering.statement_not_comparable", { detail, mend });
}
