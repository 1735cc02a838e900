import type { CharterDocument } from "@portolan/charter/contract";
import type { CallContext } from "@portolan/kernel";
import type { SourceLines } from "@portolan/yaml-source";

/** A stored charter version with what is known of its signatures. */
export interface PlannedCharter {
  readonly charterId: string;
  readonly useCaseId: string;
  readonly businessUnitId: string;
  readonly teamId: string;
  readonly digest: string;
  readonly document: CharterDocument;
  readonly lines: SourceLines;
  readonly signedRoles: readonly string[];
}

/** Reads charters under the caller's own rights; wired to the charter domain by `apps/control`. */
export interface CharterSource {
  /** @throws PortolanError `kernel.not_found` when the caller may not see it or it does not exist */
  read(call: CallContext, charterId: string): Promise<PlannedCharter>;
}
