import type { Comparison } from "@portolan/evaluation/contract";
import { gatesText } from "@portolan/evaluation/policy";
import type { CallContext, Environment } from "@portolan/kernel";
import type { MeasuredPair } from "../ports.ts";
import type { StoredRetraining } from "../store.ts";
import { failed, madeBefore, moveTo, type Outcome, type Step, type StepDeps, waiting } from "./outcome.ts";
import { otherDeployed, stillAnswers } from "./release-steps.ts";

/** The two versions and the rows that both are judged by. */
export function pairOf({ model, championVersion, made }: StoredRetraining): MeasuredPair {
  return {
    model,
    challenger: madeBefore(made.version, "version"),
    champion: championVersion,
    setId: madeBefore(made.heldOutSetId, "held-out set"),
  };
}

export const evaluate: Step = async ({ judges }, call, retraining) => {
  const [pair, key] = [pairOf(retraining), `${retraining.id}/evaluation`];
  const measured = await judges.evaluation(call, pair, key);
  switch (measured.kind) {
    case "not_begun":
      await judges.evaluate(call, pair, key);
      return waiting;
    case "under_way":
      return waiting;
    case "failed":
      return failed(`the evaluation failed: ${measured.because}`);
    case "done": {
      const { id, gates } = measured.found;
      return moveTo("comparing", gatesText(gates), { evaluationId: id });
    }
  }
};

/** The champion is scored again, now, on the same rows. */
export const compare: Step = async ({ judges }, call, retraining) => {
  const [pair, key] = [pairOf(retraining), `${retraining.id}/comparison`];
  const measured = await judges.comparison(call, pair, key);
  switch (measured.kind) {
    case "not_begun":
      await judges.compare(call, pair, key);
      return waiting;
    case "under_way":
      return waiting;
    case "failed":
      return failed(`the comparison failed: ${measured.because}`);
    case "done":
      return comparedOutcome(measured.found);
  }
};

function comparedOutcome({ id, isBetter, heldOut, values }: Comparison): Outcome {
  const told = values
    .map(({ metric, champion, challenger, question, adjustedP, isShown }) => {
      const shown = `${question.replace("_", " ")} ${isShown ? "is shown" : "is not shown"}`;
      return `${metric} ${short(champion)} to ${short(challenger)}: ${shown} (p ${short(adjustedP)})`;
    })
    .join("; ");
  const made = { comparisonId: id };
  if (!heldOut.shown) return moveTo("not_better", `the rows are not held out: ${heldOut.because}`, made);
  return isBetter ? moveTo("staging", told, made) : moveTo("not_better", told, made);
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** Of a version that is to reach production: it is in staging first. */
export const stage: Step = async (deps, call, retraining) => {
  const { environment, terms, useCaseId } = retraining;
  if (environment === "production") {
    const blocked = await promoteTo(deps, call, retraining, "staging");
    if (blocked) return blocked;
  }
  const charter = await deps.charters.inForce(call, useCaseId);
  // A charter may come to ask for an approval that it did not ask for when the retraining began.
  const needsApproval = [terms.approval, charter?.retraining?.approval].includes("team_lead");
  return needsApproval
    ? moveTo("waiting_for_approval", "somebody who may approve it has to")
    : moveTo("promoting", "the charter asks for no approval");
};

export const awaitApproval: Step = async (_deps, _call, { approvedBy }) =>
  approvedBy === null ? waiting : moveTo("promoting", `approved by ${approvedBy}`);

export const promote: Step = async (deps, call, retraining) => {
  const { environment, champion } = retraining;
  if (!(await stillAnswers(deps, call, champion)))
    return moveTo("restoring", otherDeployed(champion), { endsAs: "superseded" });
  const blocked = await promoteTo(deps, call, retraining, environment);
  return blocked ?? moveTo("releasing", `every gate of ${environment} let it pass`);
};

async function promoteTo(
  { versions }: StepDeps,
  call: CallContext,
  { model, made }: StoredRetraining,
  to: Environment,
): Promise<Outcome | undefined> {
  const promotion = await versions.promote(call, model, madeBefore(made.version, "version"), to);
  if (promotion.kind === "promoted") return undefined;
  const reasons = promotion.failures.map(
    ({ gate, observed, required }) => `${gate}: ${observed}, where ${required} is required`,
  );
  return { kind: "move", state: "refused_by_gates", note: `not promoted to ${to}`, reasons };
}
