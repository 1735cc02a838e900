import type { CallContext, Clock, UnitOfWork } from "@portolan/kernel";
import type { Made } from "../contract.ts";
import type { Elsewhere } from "../ports.ts";
import type { StageKind, StageOf } from "../stages.ts";
import type { StoredRun } from "../store.ts";

export interface StepDeps extends Elsewhere {
  readonly clock: Clock;
  readonly work: UnitOfWork;
}

/** What a look at a stage comes to. */
export type Outcome =
  /** What was begun is not over. */
  | {
      readonly kind: "wait";
      readonly note?: string;
      /** Not at work, but in a queue for a quota or somebody's approval: the stage's time does not pass. */
      readonly isQueued?: true;
    }
  /** Nothing could be begun yet, and may be later: it is no try, and its time does not pass. */
  | { readonly kind: "hold"; readonly because: string }
  /** Ids under which something is begun next: they are on the row first. `key`: the digest of what it is begun from. */
  | { readonly kind: "keep"; readonly made: Made; readonly key?: string }
  | { readonly kind: "done"; readonly note: string; readonly made?: Made; readonly reusedFrom?: string }
  /** A gate or a judge said no: trying again would not change it. */
  | { readonly kind: "refused"; readonly because: string }
  /** This try failed; its ids are not used again. */
  | { readonly kind: "failed"; readonly because: string };

/**
 * Takes a stage as far as it goes now. It may be taken again after a crash at any moment: what it has begun elsewhere it finds again by
 * the ids that are on the run's row, or by what cannot be there twice.
 */
export type Step<K extends StageKind> = (
  deps: StepDeps,
  call: CallContext,
  run: StoredRun,
  stage: StageOf<K>,
) => Promise<Outcome>;

export const waiting: Outcome = { kind: "wait" };

export function done(note: string, made?: Made): Outcome {
  return { kind: "done", note, ...(made ? { made } : {}) };
}

export function failed(because: string): Outcome {
  return { kind: "failed", because };
}

/** What an earlier stage has left. */
export function madeBefore<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the run has no ${what}`);
  return value;
}

/** Names the work of one try of a stage. */
export function keyOf({ id, at, standings }: StoredRun): string {
  return `${id}/${at}/${standings[at]?.tries ?? 0}`;
}
