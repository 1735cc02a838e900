/** Pure judgement of releases. */

export { approvalsNeeded } from "./approvals.ts";
export { type Decision, decide, type ReleaseStanding } from "./decide.ts";
export { type AttributedEvents, logHarmEvidence } from "./evidence/harm-evidence.ts";
export {
  type ArmCounts,
  type GuardVerdict,
  guardNames,
  judgeGuards,
  noCounts,
  type StepEvidence,
} from "./judge-guards.ts";
export { defaultPlan } from "./plan.ts";
