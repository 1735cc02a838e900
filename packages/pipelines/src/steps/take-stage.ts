import type { CallContext } from "@portolan/kernel";
import type { Stage } from "../stages.ts";
import type { StoredRun } from "../store.ts";
import { compare, evaluate, promote } from "./judge-steps.ts";
import { prepare, register, train } from "./make-steps.ts";
import type { Outcome, StepDeps } from "./outcome.ts";
import { release } from "./release-step.ts";

/** Takes the stage as far as it goes now. */
export function takeStage(deps: StepDeps, call: CallContext, run: StoredRun, stage: Stage): Promise<Outcome> {
  switch (stage.kind) {
    case "prepare":
      return prepare(deps, call, run, stage);
    case "train":
      return train(deps, call, run, stage);
    case "register":
      return register(deps, call, run, stage);
    case "evaluate":
      return evaluate(deps, call, run, stage);
    case "compare":
      return compare(deps, call, run, stage);
    case "promote":
      return promote(deps, call, run, stage);
    case "release":
      return release(deps, call, run, stage);
  }
}
