import { type CallContext, digestJson, type RecordBatch, systemActor } from "@portolan/kernel";
import type { EventReceipt, EventReport } from "./contract.ts";
import { countedOf, countRecords } from "./count-records.ts";
import { addEvents, type PostedEvent } from "./counts-store.ts";
import type { Predictions } from "./ports.ts";
import { requireRelease } from "./read-releases.ts";
import { type RolloutDeps, refused } from "./start-release.ts";
import type { StoredRelease } from "./store.ts";

export interface ReportDeps extends RolloutDeps {
  readonly predictions: Predictions;
  readonly recordBatch: RecordBatch;
}

/**
 * Takes harmful events that are known elsewhere (a support ticket, a correction, an order that did not come) as evidence of a release: each is
 * the version's that was to answer its prediction, at the step that answered it. Reported again they change nothing.
 *
 * @throws PortolanError `rollout.event_unknown`, `rollout.wrong_state`, `kernel.not_found`, and what `Authorizer.require` throws
 */
export async function reportEvents(
  deps: ReportDeps,
  call: CallContext,
  id: string,
  { event, predictionIds }: EventReport,
): Promise<EventReceipt> {
  const release = await requireRelease(deps, call, id, "outcomes:write");
  requireGuard(release, event);
  const asked = [...new Set(predictionIds)];
  const events: PostedEvent[] = [];
  const unknown: string[] = [];
  for (const predictionId of asked) {
    const found = await eventOf(deps, call, release, predictionId);
    if (found) events.push({ event, prediction: digestJson({ id, predictionId }), ...found });
    else unknown.push(predictionId);
  }
  if (events.length === 0) return { added: 0, duplicates: 0, unknown };
  const added = await deps.work.write(call, async (tx) => {
    const fresh = await addEvents(tx, id, events);
    if (fresh.length > 0)
      await deps.recordBatch(tx, {
        event: "rollout.events.reported",
        subject: id,
        digest: digestJson({ event, predictions: fresh.toSorted() }),
        count: fresh.length,
        key: call.requestId,
        detail: { event },
      });
    return fresh.length;
  });
  deps.wake();
  return { added, duplicates: events.length - added, unknown };
}

function requireGuard({ id, state, plan }: StoredRelease, event: string): void {
  if (!plan.events.includes(event))
    throw refused(
      "rollout.event_unknown",
      `${event} is no guard of the release ${id}.`,
      plan.events.length > 0
        ? `It has: ${plan.events.join(", ")}.`
        : "Name events in the plan when a release is started: what counts is fixed before anything is seen.",
    );
  if (state !== "running" && state !== "paused")
    throw refused(
      "rollout.wrong_state",
      `The release ${id} has ended.`,
      "Take it back by hand where it must be: portolan release rollback.",
    );
}

/** Whose event it is; undefined for a prediction that is not there, or that is none of the release's. */
async function eventOf(
  { predictions }: ReportDeps,
  { actor, requestId }: CallContext,
  release: StoredRelease,
  predictionId: string,
): Promise<Pick<PostedEvent, "snapshotVersion" | "arm"> | undefined> {
  // Who reports events need not be allowed to read predictions: they learn of it only that it is known.
  const asControl: CallContext = { actor: systemActor("control", actor.organisationId), requestId };
  const header = await predictions.find(asControl, predictionId);
  const [counted] = header ? countRecords([header], countedOf(release)) : [];
  return counted && { snapshotVersion: counted.snapshotVersion, arm: counted.arm };
}
