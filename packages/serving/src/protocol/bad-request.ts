import { PortolanError } from "@portolan/kernel";
import type { ServingErrorCode } from "../errors.ts";

/** A request that its sender can mend: what is wrong, where, and how to put it right. */
export function badRequest(detail: string, pointer: string, mend: string): PortolanError<ServingErrorCode> {
  return new PortolanError<ServingErrorCode>("serving.bad_request", { detail, mend, at: { pointer } });
}
