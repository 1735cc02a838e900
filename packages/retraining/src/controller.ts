import {
  type CallContext,
  type Id,
  type JsonObject,
  type Logger,
  messageOf,
  newId,
  steerOpenRows,
  systemActor,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import type { OpenState } from "./contract.ts";
import type { RetrainingEnded } from "./ports.ts";
import { awaitApproval, compare, evaluate, promote, stage } from "./steps/judge-steps.ts";
import type { Outcome, Step, StepDeps } from "./steps/outcome.ts";
import { release, restore } from "./steps/release-steps.ts";
import { buildSets, prepare, register, train } from "./steps/train-steps.ts";
import {
  findRetraining,
  isOpenState,
  listOpen,
  type Move,
  moveRetraining,
  noteStanding,
  type StoredRetraining,
} from "./store.ts";

export interface ControllerDeps extends StepDeps {
  readonly ended?: RetrainingEnded;
  readonly work: UnitOfWork;
  readonly log: Logger;
  readonly organisations: () => Promise<readonly Id<"organisation">[]>;
}

/** Who takes the steps of retrainings, as ledger rows name it. */
export const controllerId = "retraining-controller";

const steps: Readonly<Record<OpenState, Step>> = {
  preparing: prepare,
  building_sets: buildSets,
  training: train,
  registering: register,
  evaluating: evaluate,
  comparing: compare,
  staging: stage,
  waiting_for_approval: awaitApproval,
  promoting: promote,
  releasing: release,
  restoring: restore,
};

/** A step that fails so often in a row has failed for good. */
const mostFaults = 5;
/** After the first failure; it doubles. */
const restMicros = 2_000_000;

/**
 * Moves retrainings on. All that it knows is on their rows, and what they begin elsewhere is a durable job of its own: it goes on where a killed
 * process stopped.
 */
export class RetrainingController {
  readonly #deps: ControllerDeps;
  /** When a step that failed is tried again. */
  readonly #due = new Map<string, number>();

  constructor(deps: ControllerDeps) {
    this.#deps = deps;
  }

  /** Looks at every open retraining once. One that cannot be moved is no reason to leave the others. */
  async round(): Promise<void> {
    const { organisations, work, clock, log } = this.#deps;
    await steerOpenRows<StoredRetraining>({
      organisations,
      callFor: (organisationId) => callFor(organisationId, clock.now()),
      listOpen: (call) => work.look(call, (sql) => listOpen(sql, call.actor.organisationId)),
      findOpen: (call, id) => work.read(call, (sql) => findRetraining(sql, call.actor.organisationId, id)),
      advance: (call, one) => this.#advance(call, one),
      onFault: (one, error) =>
        log.error({ retraining: one.id, error: messageOf(error) }, "retraining.look_failed"),
    });
  }

  /** @returns whether it stands elsewhere now */
  async #advance(call: CallContext, retraining: StoredRetraining): Promise<boolean> {
    if (!isOpenState(retraining.state)) return false;
    if ((this.#due.get(retraining.id) ?? 0) > this.#deps.clock.now()) return false;
    const own: CallContext = { ...call, ...onBehalfOf(retraining) };
    const outcome = await this.#take(own, retraining, steps[retraining.state]);
    return this.#keep(own, retraining, outcome);
  }

  async #take(call: CallContext, retraining: StoredRetraining, step: Step): Promise<Outcome> {
    try {
      const outcome = await step(this.#deps, call, retraining);
      const rest = outcome.kind === "wait" ? outcome.restMs : undefined;
      if (rest === undefined) this.#due.delete(retraining.id);
      else this.#due.set(retraining.id, this.#deps.clock.now() + rest * 1000);
      return outcome;
    } catch (error) {
      const { id, state, faults } = retraining;
      const problem = messageOf(error);
      this.#deps.log.warn({ retraining: id, state, error: problem }, "retraining.step_failed");
      if (faults + 1 >= mostFaults) {
        this.#due.delete(id);
        return givenUp(retraining, problem);
      }
      this.#due.set(id, this.#deps.clock.now() + restMicros * 2 ** faults);
      await this.#deps.work.write(call, (tx) =>
        noteStanding(tx, retraining, { faults: faults + 1, problem }),
      );
      return { kind: "wait" };
    }
  }

  /** @returns whether the retraining stands elsewhere now */
  async #keep(call: CallContext, retraining: StoredRetraining, outcome: Outcome): Promise<boolean> {
    const { work, log, ended } = this.#deps;
    if (outcome.kind === "move") {
      const isMoved = await work.write(call, (tx) => recordMove(tx, retraining, outcome, ended));
      if (isMoved) log.info({ retraining: retraining.id, to: outcome.state }, "retraining.moved");
      return isMoved;
    }
    const { reasons, made } = outcome;
    const isNews = reasons !== undefined && reasons.join() !== retraining.reasons.join();
    if (!isNews && !made) return false;
    await work.write(call, (tx) =>
      noteStanding(tx, retraining, {
        ...(isNews ? { reasons } : {}),
        ...(made ? { made: { ...retraining.made, ...made } } : {}),
      }),
    );
    return false;
  }
}

function givenUp({ state, made }: StoredRetraining, problem: string): Outcome {
  const note = `given up after ${mostFaults} tries`;
  const reasons = [`${state.replaceAll("_", " ")}: ${problem}`];
  // What may be promoted by now and will not be the champion does not stay promoted.
  const isPromoted = (state === "promoting" || state === "releasing") && made.releaseId === undefined;
  return isPromoted
    ? { kind: "move", state: "restoring", note, reasons, made: { endsAs: "failed" } }
    : { kind: "move", state: "failed", note, reasons };
}

/** Call of the process itself for one organisation. */
export function callFor(organisationId: Id<"organisation">, now: Parameters<typeof newId>[1]): CallContext {
  return { actor: systemActor(controllerId, organisationId), requestId: newId("request", now) };
}

/** Whoever asked for it is who its release was asked for by, and does not approve that. */
function onBehalfOf({ requestedBy }: StoredRetraining): Pick<CallContext, "onBehalfOf"> {
  return requestedBy === controllerId ? {} : { onBehalfOf: requestedBy };
}

/** The row's move and its ledger row, together. @returns false when it was moved meanwhile */
export async function recordMove(
  tx: Transaction,
  retraining: StoredRetraining,
  move: Move,
  ended?: RetrainingEnded,
): Promise<boolean> {
  if (!(await moveRetraining(tx, retraining, move))) return false;
  const { id, state, made } = retraining;
  await tx.record({
    event: isOpenState(move.state) ? "retraining.run.advanced" : "retraining.run.ended",
    subject: id,
    detail: {
      ...placeOf(retraining),
      from: state,
      to: move.state,
      note: move.note.slice(0, 500),
      reasons: (move.reasons ?? []).map((reason) => reason.slice(0, 500)),
      made: { ...made, ...move.made },
    },
  });
  const version = move.made?.version ?? made.version;
  if (!isOpenState(move.state) && version !== undefined)
    await ended?.(tx, { id, environment: retraining.environment, model: retraining.model, version });
  return true;
}

/** What each of a retraining's ledger rows says. */
export function placeOf({ endpoint, environment, model, championVersion }: StoredRetraining): JsonObject {
  return { endpoint, environment, champion: `${model}/${championVersion}` };
}
