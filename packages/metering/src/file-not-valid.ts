import { PortolanError, type Violation } from "@portolan/kernel";
import type { MeteringErrorCode } from "./errors.ts";

/** All findings in a file, the first of them in words. */
export function fileNotValid(
  file: string,
  violations: readonly Violation[],
  mend: string,
): PortolanError<MeteringErrorCode> {
  const [first] = violations;
  const line = first?.at?.line === undefined ? "" : ` line ${first.at.line}`;
  return new PortolanError<MeteringErrorCode>("metering.file_not_valid", {
    detail: `${file}${line}: ${first?.detail ?? "not valid"}`,
    mend,
    violations,
  });
}
