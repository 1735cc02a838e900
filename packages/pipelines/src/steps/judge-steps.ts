import type { Comparison } from "@portolan/evaluation/contract";
import { gatesText } from "@portolan/evaluation/policy";
import type { JudgedVersion, Promotion } from "../ports.ts";
import type { StoredRun } from "../store.ts";
import { done, failed, keyOf, madeBefore, type Outcome, type Step, waiting } from "./outcome.ts";

function judgedOf({ model, made }: StoredRun): JudgedVersion {
  return {
    model,
    challenger: madeBefore(made.version, "version"),
    setId: madeBefore(made.heldOutSetId, "held-out set"),
  };
}

export const evaluate: Step<"evaluate"> = async ({ judges }, call, run) => {
  const [of, key] = [judgedOf(run), `${keyOf(run)}/evaluation`];
  const measured = await judges.evaluation(call, of, key);
  switch (measured.kind) {
    case "not_begun":
      await judges.evaluate(call, of, key);
      return waiting;
    case "under_way":
      return waiting;
    case "failed":
      return failed(`the evaluation failed: ${measured.because}`);
    case "done":
      return done(gatesText(measured.found.gates), { evaluationId: measured.found.id });
  }
};

/** The one in service is scored again, now, on the same rows. */
export const compare: Step<"compare"> = async ({ judges, endpoints }, call, run, stage) => {
  const served = await endpoints.find(call, run.environment, stage.endpoint);
  if (!served) return failed(`there is no endpoint ${stage.endpoint} in ${run.environment}`);
  const of = judgedOf(run);
  if (served.model !== of.model)
    return { kind: "refused", because: `${served.model} answers at ${stage.endpoint}, not ${of.model}` };
  if (served.version === of.challenger) return done("it is what answers there already");
  const [pair, key] = [{ ...of, champion: served.version }, `${keyOf(run)}/comparison`];
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
      return compared(measured.found);
  }
};

function compared({ id, isBetter, heldOut, champion }: Comparison): Outcome {
  if (!heldOut.shown) return { kind: "refused", because: `the rows are not held out: ${heldOut.because}` };
  return isBetter
    ? done(`better than version ${champion} by ${id}`, { comparisonId: id })
    : { kind: "refused", because: `not better than version ${champion} by ${id}` };
}

export const promote: Step<"promote"> = async ({ versions }, call, { model, made }, { to }) => {
  const promotion = await versions.promote(call, model, madeBefore(made.version, "version"), to);
  return promotion.kind === "promoted" ? done(`every gate of ${to} let it pass`) : blocked(promotion, to);
};

export function blocked({ failures }: Extract<Promotion, { kind: "blocked" }>, to: string): Outcome {
  const told = failures.map(
    ({ gate, observed, required }) => `${gate}: ${observed}, where ${required} is required`,
  );
  return { kind: "refused", because: `not promoted to ${to}: ${told.join("; ")}` };
}
