import {
  type CallContext,
  type Clock,
  type Id,
  isPortolanError,
  type JsonValue,
  type Logger,
  messageOf,
  newId,
  systemActor,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import { placeOf } from "./change-release.ts";
import type { ReleaseState } from "./contract.ts";
import { countsOf, forgetBlocks } from "./counts-store.ts";
import { type Decision, decide, type ReleaseStanding } from "./decide.ts";
import type { StepEvidence } from "./judge-guards.ts";
import {
  insertTakenStep,
  moveRelease,
  noteDeployment,
  noteStanding,
  type ReleaseMove,
} from "./moves-store.ts";
import { refreshOutcomes } from "./outcomes-store.ts";
import { permitted } from "./permitted.ts";
import type { Endpoints, ReleaseCharters, ReleasedEndpoint, ReleaseEnded } from "./ports.ts";
import { Retries } from "./retries.ts";
import { deploymentOf, sharesAlike } from "./step-deployment.ts";
import { evidenceOf } from "./step-evidence.ts";
import { releasesToSteer, type StoredRelease } from "./store.ts";

export interface ControllerDeps {
  readonly work: UnitOfWork;
  readonly clock: Clock;
  readonly endpoints: Endpoints;
  readonly charters: ReleaseCharters;
  readonly ended?: ReleaseEnded;
  readonly log: Logger;
  readonly organisations: () => Promise<readonly Id<"organisation">[]>;
  /** How often it looks by itself, milliseconds; default 1000. */
  readonly pollMs?: number;
}

export interface ReleaseController {
  /** To be called when there is news of a release. */
  wake(): void;
  /** Looks at every release once. */
  runOnce(): Promise<void>;
  /** Lets the look in hand finish, then stops. */
  stop(): Promise<void>;
}

/**
 * Moves releases on, or back, by what their candidates do. All that it knows is in the database: it goes on where a killed process stopped. A move
 * is a row and a ledger row first; the endpoint is then deployed as the row says, again after a crash, until it is.
 */
export function startReleaseController(given: ControllerDeps): ReleaseController {
  const deps: Steering = { ...given, retries: new Retries(), outcomesAt: new Map() };
  let tail: Promise<void> = Promise.resolve();
  let isQueued = false;
  let isStopped = false;
  const runOnce = (): Promise<void> => {
    tail = tail.then(async () => {
      isQueued = false;
      if (!isStopped) await steerAll(deps);
    });
    return tail;
  };
  const wake = (): void => {
    // One look is enough for any number of wakes that come before it begins.
    if (isQueued || isStopped) return;
    isQueued = true;
    void runOnce();
  };
  const timer = setInterval(wake, deps.pollMs ?? 1000);
  return {
    wake,
    runOnce,
    stop: async () => {
      isStopped = true;
      clearInterval(timer);
      await tail;
    },
  };
}

interface Steering extends ControllerDeps {
  readonly retries: Retries;
  /** When the outcomes of a release were counted last. */
  readonly outcomesAt: Map<string, number>;
}

/** Who deploys endpoints for releases, as deployments and ledger rows name it. */
export const controllerId = "release-controller";

/** Never rejects: a release that cannot be moved is no reason to leave the others. */
async function steerAll(deps: Steering): Promise<void> {
  const failed = (detail: object) => (error: unknown) =>
    deps.log.error({ ...detail, error: messageOf(error) }, "rollout.look_failed");
  const look = async (): Promise<void> => {
    for (const organisationId of await deps.organisations()) {
      const call = {
        actor: systemActor(controllerId, organisationId),
        requestId: newId("request", deps.clock.now()),
      };
      const releases = await deps.work.read(call, (sql) => releasesToSteer(sql, organisationId));
      for (const release of releases)
        await steer(deps, call, release).catch(failed({ release: release.id, organisationId }));
    }
  };
  await look().catch(failed({}));
}

async function steer(deps: Steering, call: CallContext, release: StoredRelease): Promise<void> {
  const found = await deps.endpoints.find(call, release.environment, release.endpoint);
  if (!found) return;
  if (release.deploymentId === null) {
    const isMade = await deployAs(deps, call, release, found);
    // Until it is, gateways answer by the step before: whoever that harms is helped all the same.
    if (!isMade) await judge(deps, call, release);
    return;
  }
  if (found.deploymentId !== release.deploymentId) return supersede(deps, call, release, found);
  await judge(deps, call, await withTakenStep(deps, call, release, found));
}

/** Makes the endpoint what the release says, unless somebody else has deployed it since. @returns false when it could not */
async function deployAs(
  deps: Steering,
  call: CallContext,
  release: StoredRelease,
  found: ReleasedEndpoint,
): Promise<boolean> {
  const tried = placeKey(release);
  if (!deps.retries.isDue(tried, deps.clock.now())) return false;
  const wanted = deploymentOf(release);
  const isBefore = found.deploymentId === release.beforeDeploymentId;
  // A crash, or somebody's rollback, between a deployment and its note leaves one that is ours and not noted.
  if (!isBefore && found.deployedBy !== controllerId) {
    await supersede(deps, call, release, found);
    return true;
  }
  const isMade = !isBefore && sharesAlike(found.request, wanted);
  try {
    const deploymentId = isMade
      ? found.deploymentId
      : await deps.endpoints.deploy(call, release.endpoint, wanted, found.deploymentId);
    await deps.work.write(call, async (tx) => {
      await noteDeployment(tx.sql, release, deploymentId);
      if (!isOpen(release)) await forgetBlocks(tx.sql, release.id);
    });
    deps.retries.succeeded(tried);
    return true;
  } catch (error) {
    // Somebody was quicker, or another control: the next look sees what is in force now.
    if (isPortolanError(error) && error.code === "kernel.conflict") return true;
    deps.retries.failed(tried, deps.clock.now());
    const problem = messageOf(error);
    // It is tried again and again: said once.
    if (problem === release.problem) return false;
    deps.log.warn({ release: release.id, error: problem }, "rollout.deployment_failed");
    await deps.work.write(call, (tx) => noteStanding(tx.sql, release, { problem }));
    return false;
  }
}

/** What is tried again is another thing at each place of a release: a rollback does not wait for a step that was refused. */
function placeKey({ id, state, step }: Pick<StoredRelease, "id" | "state" | "step">): string {
  return `${id} ${state} ${step}`;
}

/** Somebody deployed the endpoint by hand: the release must not undo that. */
async function supersede(
  { work, ended }: ControllerDeps,
  call: CallContext,
  release: StoredRelease,
  { deploymentId }: ReleasedEndpoint,
): Promise<void> {
  const reasons = [`the endpoint was deployed beside the release, as ${deploymentId}`];
  await work.write(call, async (tx) => {
    const state: ReleaseState = isOpen(release) ? "superseded" : release.state;
    const end = isOpen(release) ? { ended: { by: tx.call.actor.id, at: tx.now } } : {};
    if (!(await moveRelease(tx.sql, release, { state, reasons, deploymentId, ...end }))) return;
    await forgetBlocks(tx.sql, release.id);
    await tx.record({
      event: "rollout.release.superseded",
      subject: release.id,
      detail: { ...placeOf(release), reasons },
    });
    await ended?.(tx, release);
  });
}

function isOpen({ state }: Pick<StoredRelease, "state">): boolean {
  return state === "running" || state === "paused";
}

/** Notes from which snapshot on requests are answered by the present step. */
async function withTakenStep(
  { work, clock }: ControllerDeps,
  call: CallContext,
  release: StoredRelease,
  { deploymentId, snapshotVersion }: ReleasedEndpoint,
): Promise<StoredRelease> {
  const { step, taken } = release;
  const isKnown = step < 0 || taken.some((one) => one.step === step);
  if (isKnown || snapshotVersion === null) return release;
  const present = { step, snapshotVersion, since: clock.now() };
  await work.write(call, (tx) => insertTakenStep(tx.sql, release.id, { ...present, deploymentId }));
  return { ...release, taken: [...taken, present] };
}

async function judge(deps: Steering, call: CallContext, release: StoredRelease): Promise<void> {
  const { step, taken } = release;
  if (!isOpen(release)) return;
  await countOutcomesOf(deps, call, release);
  const counted = await deps.work.read(call, (sql) => countsOf(sql, release.id));
  const evidence = evidenceOf(step, taken, counted);
  const decided = decide(standingOf(release), evidence, deps.clock.now());
  const decision = await underCharter(deps, call, release, decided);
  if (decision.kind === "hold") {
    const { reasons } = decision;
    if (reasons.join() !== release.reasons.join())
      await deps.work.write(call, (tx) => noteStanding(tx.sql, release, { reasons }));
    return;
  }
  const isMoved = await deps.work.write(call, async (tx) => {
    const moved = await move(tx, release, decision, evidence);
    if (moved && decision.kind !== "advance") await deps.ended?.(tx, release);
    return moved;
  });
  if (!isMoved) return;
  deps.log.info({ release: release.id, decision: decision.kind }, "rollout.release.moved");
  // At once: whoever is harmed does not wait for the next look.
  const found = await deps.endpoints.find(call, release.environment, release.endpoint);
  const moved = { ...release, ...placeAfter(release, decision), deploymentId: null, problem: null };
  const beforeDeploymentId = release.deploymentId ?? release.beforeDeploymentId;
  if (found) await deployAs(deps, call, { ...moved, beforeDeploymentId }, found);
}

/** All labels are looked at each time: seldom enough to be nobody's load. */
const outcomesEveryMicros = 5_000_000;

async function countOutcomesOf(deps: Steering, call: CallContext, release: StoredRelease): Promise<void> {
  const { work, clock, outcomesAt } = deps;
  const now = clock.now();
  if (!release.plan.wrong || now - (outcomesAt.get(release.id) ?? 0) < outcomesEveryMicros) return;
  outcomesAt.set(release.id, now);
  await refreshOutcomes(work, call, release);
}

/** The decision as the charter of today lets it be. */
async function underCharter(
  deps: Steering,
  call: CallContext,
  release: StoredRelease,
  decided: Decision,
): Promise<Decision> {
  const tried = `${placeKey(release)} ${decided.kind}`;
  // It was refused a moment ago.
  if (!deps.retries.isDue(tried, deps.clock.now())) return { kind: "hold", reasons: release.reasons };
  const { decision, approvalsNeeded, isRefused } = await permitted(deps, call, release, decided);
  if (isRefused) deps.retries.failed(tried, deps.clock.now());
  else deps.retries.succeeded(tried);
  if (approvalsNeeded > release.approvalsNeeded)
    await deps.work.write(call, (tx) => noteStanding(tx.sql, release, { approvalsNeeded }));
  return decision;
}

function standingOf({
  plan,
  step,
  taken,
  startedAt,
  state,
  approvals,
  approvalsNeeded,
}: StoredRelease): ReleaseStanding {
  return {
    plan,
    step,
    stepSince: taken.find((one) => one.step === step)?.since,
    startedAt,
    isPaused: state === "paused",
    approvalsLacking: Math.max(0, approvalsNeeded - approvals.length),
  };
}

type Move = Exclude<Decision, { readonly kind: "hold" }>;

const eventOf: Readonly<Record<Move["kind"], string>> = {
  advance: "rollout.release.advanced",
  promote: "rollout.release.promoted",
  roll_back: "rollout.release.rolled_back",
  inconclusive: "rollout.release.ended_inconclusive",
};

function placeAfter(
  { state, step }: StoredRelease,
  decision: Move,
): { readonly state: ReleaseState; readonly step: number } {
  switch (decision.kind) {
    case "advance":
      return { state, step: decision.to };
    case "promote":
      return { state: "promoted", step };
    case "roll_back":
      return { state: "rolled_back", step };
    case "inconclusive":
      return { state: "inconclusive", step };
  }
}

/** The row and its ledger row, with the evidence that decided. @returns false when the release was moved meanwhile */
async function move(
  tx: Transaction,
  release: StoredRelease,
  decision: Move,
  evidence: readonly StepEvidence[],
): Promise<boolean> {
  const { reasons } = decision;
  const change: ReleaseMove = {
    ...placeAfter(release, decision),
    reasons,
    ...(decision.kind === "advance" ? {} : { ended: { by: tx.call.actor.id, at: tx.now } }),
  };
  if (!(await moveRelease(tx.sql, release, change))) return false;
  const counts: JsonValue = evidence.map(({ candidate, control }) => ({
    candidate: { ...candidate, ...(candidate.cells ? { cells: [...candidate.cells] } : {}) },
    control: { ...control, ...(control.cells ? { cells: [...control.cells] } : {}) },
  }));
  await tx.record({
    event: eventOf[decision.kind],
    subject: release.id,
    detail: {
      ...placeOf(release),
      ...(decision.kind === "advance" ? { to: decision.to } : {}),
      reasons: [...reasons],
      evidence: counts,
      requestedBy: release.requestedBy,
    },
  });
  return true;
}
