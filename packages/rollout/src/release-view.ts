import type { Release } from "./contract.ts";
import type { CountedArm } from "./count-records.ts";
import { type ArmCounts, judgeGuards } from "./judge-guards.ts";
import { evidenceOf } from "./step-evidence.ts";
import type { StoredRelease } from "./store.ts";

/** A release as the API shows it, judged by what is counted now. Pure. */
export function viewOf(release: StoredRelease, counted: readonly CountedArm[]): Release {
  const { id, endpoint, environment, useCaseId, model, version, champion, state, step, plan } = release;
  const evidence = evidenceOf(step, release.taken, counted);
  return {
    id,
    endpoint,
    environment,
    useCaseId,
    candidate: { model, version },
    champion: { ...champion },
    state,
    step,
    plan,
    isSettled: release.deploymentId !== null,
    reasons: [...release.reasons],
    problem: release.problem,
    approvals: { needed: release.approvalsNeeded, given: release.approvals.map((one) => ({ ...one })) },
    evidence: evidence.map((counts, at) => ({
      step: at,
      candidate: armView(counts.candidate),
      control: armView(counts.control),
    })),
    guards: judgeGuards(plan, evidence).map(
      ({ guard, logEvidence, logBound, candidate, control, isNoWorse, answers }) => ({
        guard,
        logEvidence,
        logBound,
        candidate: { ...candidate },
        control: { ...control },
        ...(answers ? { answers: { ...answers } } : {}),
        isNoWorse,
      }),
    ),
    requestedBy: release.requestedBy,
    startedAt: release.startedAt,
    stepSince: release.taken.find((one) => one.step === step)?.since ?? null,
    endedBy: release.endedBy,
    endedAt: release.endedAt,
  };
}

function armView({ cells, ...counts }: ArmCounts): Release["evidence"][number]["candidate"] {
  return { ...counts, ...(cells ? { cells: [...cells] } : {}) };
}
