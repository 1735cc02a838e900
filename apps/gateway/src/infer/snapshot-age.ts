import { judgeSnapshotAge } from "@portolan/serving/policy";
import { fault } from "../http/answers.ts";
import type { ActiveRoute, ServingState } from "../snapshot/serving-state.ts";

/** Seconds since control last renewed what this answer stands on; sent when that is longer than the charter's maximum. */
const snapshotAgeHeader = "x-portolan-snapshot-age";

/**
 * What the charter says of a snapshot as old as this one: nothing, or that the answer has to name its age.
 * @throws PortolanError `serving.snapshot_expired` when the charter refuses
 */
export function snapshotAgeHeaders({ route }: ActiveRoute, state: ServingState): Record<string, string> {
  const ageMs = state.ageMs();
  switch (judgeSnapshotAge(route.snapshotAge, ageMs)) {
    case "fresh":
      return {};
    case "old":
      return { [snapshotAgeHeader]: String(Math.floor(ageMs / 1000)) };
    case "expired":
      throw fault(
        "serving.snapshot_expired",
        "The route snapshot is older than the charter allows.",
        "Bring control back; this gateway then continues by itself.",
      );
  }
}
