import type { CallContext, Clock } from "@portolan/kernel";
import type { EndState, Made, OpenState } from "../contract.ts";
import type {
  Charters,
  Endpoints,
  Judges,
  Recipe,
  Recipes,
  Releases,
  Runs,
  Sets,
  ValidatedRows,
  Versions,
} from "../ports.ts";
import type { StoredRetraining } from "../store.ts";

/** What the steps of a retraining need of other domains. */
export interface StepDeps {
  readonly clock: Clock;
  readonly endpoints: Endpoints;
  readonly charters: Charters;
  readonly recipes: Recipes;
  readonly rows: ValidatedRows;
  readonly sets: Sets;
  readonly runs: Runs;
  readonly judges: Judges;
  readonly versions: Versions;
  readonly releases: Releases;
}

/** What a look at a retraining comes to. */
export type Outcome =
  /** What was begun is not over; ids that were learned are kept. */
  | {
      readonly kind: "wait";
      readonly reasons?: readonly string[];
      readonly made?: Made;
      /** Nothing is expected to change before. */
      readonly restMs?: number;
    }
  | {
      readonly kind: "move";
      readonly state: OpenState | EndState;
      readonly note: string;
      readonly reasons?: readonly string[];
      readonly made?: Made;
    };

/**
 * Takes a step as far as it goes now. It may be taken again after a crash at any moment: what it has begun elsewhere it finds again by the ids that
 * are on the retraining's row, or by what cannot be there twice.
 */
export type Step = (deps: StepDeps, call: CallContext, retraining: StoredRetraining) => Promise<Outcome>;

export const waiting: Outcome = { kind: "wait" };

export function moveTo(to: OpenState | EndState, note: string, made?: Made): Outcome {
  return { kind: "move", state: to, note, ...(made ? { made } : {}) };
}

export function failed(because: string): Outcome {
  return moveTo("failed", because);
}

/** How the champion was made; it was found when the retraining began, and records do not go. */
export async function recipeOf(
  { recipes }: Pick<StepDeps, "recipes">,
  call: CallContext,
  { model, championVersion }: StoredRetraining,
): Promise<Recipe> {
  const found = await recipes.find(call, model, championVersion);
  if (found.kind === "missing") throw new Error(found.because);
  return found.recipe;
}

/** An id that an earlier step has left. */
export function madeBefore<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the retraining has no ${what}`);
  return value;
}
