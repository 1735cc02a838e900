import { PortolanError } from "@portolan/kernel";

export function logFailed(detail: string): PortolanError {
  return new PortolanError("predictions.log_failed", {
    detail,
    mend: "Mend the disk; the log opens a new epoch by itself once it can.",
  });
}

export function logFull(): PortolanError {
  return new PortolanError("predictions.log_full", {
    detail: "the disk or the log's budget has no space for the record",
    mend: "Free space, or bring control back so that delivered segments can go.",
  });
}
