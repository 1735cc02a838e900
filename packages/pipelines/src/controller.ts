import {
  type Id,
  isPortolanError,
  type JsonObject,
  type Logger,
  messageOf,
  newId,
  steerOpenRows,
  systemActor,
  type Transaction,
} from "@portolan/kernel";
import type { Made, RunState, StageStanding } from "./contract.ts";
import { defaultRules, type Stage, type StageKind } from "./stages.ts";
import { passesSince } from "./steps/make-steps.ts";
import { keyOf, type Outcome, type StepDeps } from "./steps/outcome.ts";
import { restore } from "./steps/release-step.ts";
import { takeStage } from "./steps/take-stage.ts";
import {
  changeRun,
  findPipelineRun,
  keepResult,
  listOpenRuns,
  type RunProgress,
  type StoredRun,
} from "./store.ts";

export interface ControllerDeps extends StepDeps {
  readonly log: Logger;
  readonly organisations: () => Promise<readonly Id<"organisation">[]>;
}

/** What each stage leaves; a try that failed leaves nothing to the next one. */
const leaves: Readonly<Record<StageKind, readonly (keyof Made)[]>> = {
  prepare: ["trainingSetId", "heldOutSetId"],
  train: ["trainingRunId", "artifact"],
  register: ["version", "versionId"],
  evaluate: ["evaluationId"],
  compare: ["comparisonId"],
  promote: [],
  release: ["releaseId"],
};
const microsPerSecond = 1_000_000;
/** Until what could not be begun is tried again. */
const holdMicros = 30 * microsPerSecond;

/**
 * Moves pipeline runs on, each stage with the rights of whoever began the run. All that is known of one is on its row, and what a stage
 * begins is a durable job of its own: it goes on where a killed process stopped.
 */
export class PipelineController {
  readonly #deps: ControllerDeps;

  constructor(deps: ControllerDeps) {
    this.#deps = deps;
  }

  /** Looks at every open run once, the highest priority first. One that cannot be moved is no reason to leave the others. */
  async round(): Promise<void> {
    const { organisations, work, clock, log } = this.#deps;
    await steerOpenRows<StoredRun>({
      organisations,
      callFor: (organisationId) => ({
        actor: systemActor("pipeline-controller", organisationId),
        requestId: newId("request", clock.now()),
      }),
      listOpen: (call) => work.look(call, (sql) => listOpenRuns(sql, call.actor.organisationId)),
      findOpen: (call, id) => work.read(call, (sql) => findPipelineRun(sql, call.actor.organisationId, id)),
      advance: (_call, run) => this.#advance(run),
      onFault: ({ id }, error) => log.error({ run: id, error: messageOf(error) }, "pipelines.look_failed"),
    });
  }

  /** @returns whether it stands elsewhere now */
  async #advance(run: StoredRun): Promise<boolean> {
    const { clock, work } = this.#deps;
    const stage = run.stages[run.at];
    if (run.state !== "running" || !stage) return false;
    // What is being released is put back first.
    if (run.cancelReason !== null && !isReleasing(run)) return this.#end(run, "cancelled", run.cancelReason);
    if (run.notBefore !== null && run.notBefore > clock.now()) return false;
    const standing = standingOf(run);
    if (standing.state === "waiting")
      return work.write(run.call, (tx) =>
        changeRun(tx, run, { standings: withStanding(run, begun(standing, tx.now)), notBefore: null }),
      );
    if (await this.#isLate(run, stage, standing.startedAt))
      return this.#tryFailed(run, stage, "it took longer than its limit");
    return this.#keep(run, stage, await this.#take(run, stage));
  }

  /** The time in which its training run could not begin does not count, also where nobody looked meanwhile: control may have been away. */
  async #isLate(
    { call, made }: StoredRun,
    stage: Stage,
    startedAt: StageStanding["startedAt"],
  ): Promise<boolean> {
    const now = this.#deps.clock.now();
    if (!isLate(stage, startedAt, now)) return false;
    if (stage.kind !== "train" || made.trainingRunId === undefined) return true;
    const found = await this.#deps.runs.read(call, made.trainingRunId);
    if (!found) return true;
    const since = passesSince(found, now);
    return since !== undefined && isLate(stage, Math.max(startedAt ?? 0, since), now);
  }

  async #take(
    run: StoredRun,
    stage: Stage,
  ): Promise<Outcome | { readonly kind: "fault"; readonly error: unknown }> {
    try {
      return await takeStage(this.#deps, run.call, run, stage);
    } catch (error) {
      this.#deps.log.warn(
        { run: run.id, stage: stage.kind, error: messageOf(error) },
        "pipelines.stage_fault",
      );
      return { kind: "fault", error };
    }
  }

  async #keep(
    run: StoredRun,
    stage: Stage,
    outcome: Outcome | { readonly kind: "fault"; readonly error: unknown },
  ): Promise<boolean> {
    const { work } = this.#deps;
    switch (outcome.kind) {
      case "wait":
        await this.#note(run, outcome.note, outcome.isQueued === true ? stage : undefined);
        return false;
      case "hold":
        await this.#hold(run, outcome.because);
        return false;
      case "keep": {
        const keys = outcome.key === undefined ? run.keys : { ...run.keys, [stage.kind]: outcome.key };
        const made = { ...run.made, ...outcome.made };
        return work.write(run.call, (tx) => changeRun(tx, run, { made, keys, faults: 0, problem: null }));
      }
      case "done":
        return this.#stageDone(run, stage, outcome);
      case "refused":
        return this.#end(run, run.cancelReason === null ? "refused" : "cancelled", outcome.because);
      case "failed":
        return this.#tryFailed(run, stage, outcome.because);
      case "fault":
        return this.#fault(run, stage, outcome.error);
    }
  }

  /** @param queued the stage, where its time does not pass meanwhile */
  async #note(run: StoredRun, note: string | undefined, queued: Stage | undefined): Promise<void> {
    const standing = standingOf(run);
    const passed = queued && isPassing(queued, standing, this.#deps.clock.now());
    const isNews = (note !== undefined && note !== standing.note) || run.problem !== null || passed === true;
    if (!isNews) return;
    const startedAt = queued ? this.#deps.clock.now() : standing.startedAt;
    const standings = withStanding(run, { ...standing, startedAt, note: note ?? standing.note });
    await this.#deps.work.write(run.call, (tx) =>
      changeRun(tx, run, { standings, problem: null, faults: 0 }),
    );
  }

  /** The stage waits to be begun, as before its first look. */
  async #hold(run: StoredRun, because: string): Promise<void> {
    const { work, clock } = this.#deps;
    const standing = standingOf(run);
    const note = because.slice(0, 800);
    const held: StageStanding = {
      ...standing,
      state: "waiting",
      tries: standing.tries - 1,
      startedAt: null,
      note,
    };
    await work.write(run.call, (tx) =>
      changeRun(tx, run, {
        standings: withStanding(run, held),
        notBefore: clock.now() + holdMicros,
        faults: 0,
        problem: note,
      }),
    );
  }

  async #stageDone(
    run: StoredRun,
    stage: Stage,
    outcome: Extract<Outcome, { kind: "done" }>,
  ): Promise<boolean> {
    const { note, reusedFrom = null } = outcome;
    const isLast = run.at === run.stages.length - 1;
    const made = { ...run.made, ...outcome.made };
    return this.#deps.work.write(run.call, async (tx) => {
      const standing: StageStanding = {
        ...standingOf(run),
        state: "succeeded",
        endedAt: tx.now,
        note,
        reusedFrom,
      };
      const change: Partial<RunProgress> = {
        standings: withStanding(run, standing),
        made,
        faults: 0,
        notBefore: null,
        problem: null,
        ...(isLast ? { state: "succeeded" } : { at: run.at + 1 }),
      };
      if (!(await changeRun(tx, run, change))) return false;
      await keepStageResult(tx, run, stage.kind, made, reusedFrom);
      await recordMove(tx, { ...run, made }, "pipelines.stage.succeeded", {
        stage: stage.kind,
        note: note.slice(0, 500),
        reusedFrom,
      });
      if (isLast) await recordMove(tx, { ...run, made }, "pipelines.run.succeeded", {});
      return true;
    });
  }

  /** A call that failed: its stage goes on with what it began, after a rest. */
  async #fault(run: StoredRun, stage: Stage, error: unknown): Promise<boolean> {
    const { clock, work } = this.#deps;
    const problem = messageOf(error).slice(0, 800);
    const { retries, backoffSeconds } = { ...defaultRules, ...stage };
    if (isFinal(error) || run.faults >= retries) return this.#giveUp(run, stage, problem);
    const notBefore = clock.now() + backoffSeconds * microsPerSecond * 2 ** run.faults;
    await work.write(run.call, (tx) => changeRun(tx, run, { faults: run.faults + 1, problem, notBefore }));
    return false;
  }

  /** What the try began is over: the next one begins anew. */
  async #tryFailed(run: StoredRun, stage: Stage, problem: string): Promise<boolean> {
    const { clock, work } = this.#deps;
    const { retries, backoffSeconds } = { ...defaultRules, ...stage };
    const standing = standingOf(run);
    if (standing.tries > retries) return this.#giveUp(run, stage, problem);
    const rest = backoffSeconds * microsPerSecond * 2 ** (standing.tries - 1);
    const left = Object.entries(run.made).filter(([name]) => !leaves[stage.kind].some((one) => one === name));
    return work.write(run.call, async (tx) => {
      const change: Partial<RunProgress> = {
        standings: withStanding(run, { ...standing, state: "waiting", note: problem }),
        made: Object.fromEntries(left),
        faults: 0,
        problem,
        notBefore: clock.now() + rest,
      };
      if (!(await changeRun(tx, run, change))) return false;
      await this.#cancelWork(tx, run, stage.kind);
      await recordMove(tx, run, "pipelines.stage.retried", {
        stage: stage.kind,
        problem: problem.slice(0, 500),
      });
      return true;
    });
  }

  async #giveUp(run: StoredRun, stage: Stage, problem: string): Promise<boolean> {
    if (stage.kind !== "release" || run.made.version === undefined) return this.#end(run, "failed", problem);
    // It may be promoted by now, and will not be what answers.
    const put = await restore(this.#deps, run.call, run, stage, problem).catch((error: unknown) => ({
      because: `${problem}; what was promoted before could not be again: ${messageOf(error)}`,
    }));
    return this.#end(run, "failed", "because" in put ? put.because : problem);
  }

  async #end(
    run: StoredRun,
    state: Exclude<RunState, "running" | "succeeded">,
    why: string,
  ): Promise<boolean> {
    const stage = run.stages[run.at];
    const isEnded = await this.#deps.work.write(run.call, async (tx) => {
      const standing: StageStanding = { ...standingOf(run), state, endedAt: tx.now, note: why };
      const change = { state, standings: withStanding(run, standing), problem: why };
      if (!(await changeRun(tx, run, change))) return false;
      if (stage) await this.#cancelWork(tx, run, stage.kind);
      await recordMove(tx, run, `pipelines.run.${state}`, {
        stage: stage?.kind ?? "",
        why: why.slice(0, 500),
      });
      return true;
    });
    if (isEnded) this.#deps.log.info({ run: run.id, state }, "pipelines.run_ended");
    return isEnded;
  }

  /** Stops what a stage has begun and is not over. */
  async #cancelWork(tx: Transaction, run: StoredRun, kind: StageKind): Promise<void> {
    const { sets, runs, judges } = this.#deps;
    const { trainingSetId, heldOutSetId, trainingRunId } = run.made;
    if (kind === "prepare")
      for (const id of [trainingSetId, heldOutSetId]) if (id !== undefined) await sets.cancel(tx, id);
    if (kind === "train" && trainingRunId !== undefined) await runs.cancel(tx, trainingRunId);
    if (kind === "evaluate" || kind === "compare")
      await judges.cancel(tx, `${keyOf(run)}/${kind === "evaluate" ? "evaluation" : "comparison"}`);
  }
}

/** Whether it has been at its release, which may have promoted its version already. */
function isReleasing(run: StoredRun): boolean {
  return run.stages[run.at]?.kind === "release" && standingOf(run).tries > 0;
}

function standingOf({ standings, at }: StoredRun): StageStanding {
  const standing = standings[at];
  if (!standing) throw new Error(`the run has no stage ${at}`);
  return standing;
}

function withStanding({ standings, at }: StoredRun, standing: StageStanding): StageStanding[] {
  return standings.map((one, index) => (index === at ? standing : one));
}

function begun(standing: StageStanding, now: number): StageStanding {
  return { ...standing, state: "running", tries: standing.tries + 1, startedAt: now };
}

/** Whether a twentieth of its time has gone by: what is put off less often is not written down at each look. */
function isPassing(stage: Stage, { startedAt }: StageStanding, now: number): boolean {
  const { timeoutSeconds } = { ...defaultRules, ...stage };
  return startedAt !== null && now - startedAt > (timeoutSeconds * microsPerSecond) / 20;
}

/** A release has a deadline of its own, and cannot be left in the middle. */
function isLate(stage: Stage, startedAt: StageStanding["startedAt"], now: number): boolean {
  const { timeoutSeconds } = { ...defaultRules, ...stage };
  return stage.kind !== "release" && startedAt !== null && now > startedAt + timeoutSeconds * microsPerSecond;
}

/** What another try would not change: missing rights, and what the charter says. */
function isFinal(error: unknown): boolean {
  return isPortolanError(error) && (error.code === "identity.forbidden" || error.code.startsWith("charter."));
}

/** What was made from those inputs, for runs that have the same ones. */
async function keepStageResult(
  tx: Transaction,
  run: StoredRun,
  kind: StageKind,
  made: Made,
  reusedFrom: string | null,
): Promise<void> {
  const key = run.keys[kind];
  if (key === undefined || reusedFrom !== null) return;
  const { environment, useCaseId } = run;
  const { organisationId } = tx.call.actor;
  const own = Object.fromEntries(
    Object.entries(made).filter(([name]) => leaves[kind].some((one) => one === name)),
  );
  await keepResult(tx, { organisationId, environment, useCaseId, kind, key }, run.id, own);
}

/** The ledger row of a move, with what it rests on. */
async function recordMove(tx: Transaction, run: StoredRun, event: string, detail: JsonObject): Promise<void> {
  const { id, pipeline, version, digest, environment, made } = run;
  await tx.record({
    event,
    subject: id,
    detail: { pipeline, version, digest, environment, ...detail, made },
  });
}
