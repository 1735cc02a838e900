import type { CountedArm } from "./count-records.ts";
import { type StepEvidence, sumOf } from "./judge-guards.ts";
import type { TakenStep } from "./store.ts";

/**
 * What was counted in each step up to the present one. A record names the snapshot that it was answered from: it belongs to the last step that
 * was in force by then, so that what gateways still answer by the step before counts there. Pure.
 *
 * @param taken steps that gateways have taken, in their order
 */
export function evidenceOf(
  step: number,
  taken: readonly TakenStep[],
  counted: readonly CountedArm[],
): StepEvidence[] {
  return Array.from({ length: step + 1 }, (_, at) => {
    const begun = taken.find((one) => one.step === at)?.snapshotVersion;
    const ended = taken.find((one) => one.step > at)?.snapshotVersion ?? Number.POSITIVE_INFINITY;
    const own = counted.filter(
      ({ snapshotVersion: version }) => begun !== undefined && version >= begun && version < ended,
    );
    const of = (arm: CountedArm["arm"]) => sumOf(own.filter((one) => one.arm === arm));
    return { candidate: of("candidate"), control: of("control") };
  });
}
