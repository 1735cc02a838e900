import { type AdviceDeps, followRecommendations } from "@portolan/advice";
import { applyRetentionRound } from "@portolan/data";
import { type Id, newId, systemActor } from "@portolan/kernel";
import { machineSampler } from "./machine/sample-machine.ts";
import { once, repeating } from "./repeating.ts";
import type { AlertWiring } from "./wiring/alerts.ts";
import type { CapacityWiring } from "./wiring/capacity.ts";
import type { DataWiring } from "./wiring/data.ts";
import type { ErasureWiring } from "./wiring/erasure.ts";
import type { Foundation } from "./wiring/foundation.ts";
import type { IdentityWiring } from "./wiring/identity.ts";
import type { LineageWiring } from "./wiring/lineage.ts";
import type { MeteringWiring } from "./wiring/metering.ts";
import type { PipelineWiring } from "./wiring/pipelines.ts";
import type { RetrainingWiring } from "./wiring/retraining.ts";
import type { ServingWiring } from "./wiring/serving.ts";

/** What control looks at by itself. */
export interface RoundWiring {
  readonly base: Foundation;
  readonly identity: IdentityWiring;
  readonly serving: ServingWiring;
  readonly lineage: LineageWiring;
  readonly data: DataWiring;
  readonly alerting: AlertWiring;
  readonly retraining: RetrainingWiring;
  readonly pipelines: PipelineWiring;
  readonly erasure: ErasureWiring;
  readonly advice: AdviceDeps;
  readonly metering: MeteringWiring;
  readonly capacity: Pick<CapacityWiring, "cards">;
}

const refreshEveryMs = 2000;
/** Views that come online, and batches that end, are noticed after so long. */
const lookEarlyMs = 1000;
/** The ledger's rows have their order within a second; lineage is read by people. */
const followEveryMs = 1000;
/** How often labels that arrived are looked for; an endpoint that takes long to judge rests longer. */
const watchEveryMs = 15_000;
/** Retrainings and pipeline runs take minutes. */
const steerEveryMs = 1000;
/** Labels and counts are judged anew every five minutes at most; schedules are of hours. */
const retrainEveryMs = 60_000;
/** Contracts keep data for days and years. */
const retainEveryMs = 3_600_000;
/** Processors and networks are looked at by the second; a row is kept by the minute. */
const sampleEveryMs = 1000;
/** What is found has to be kept before somebody follows it: else nobody knows what it cost before. */
const adviseEveryMs = 300_000;
const adviseFirstMs = 30_000;
/** Usage of control's own is read by people, and by budgets every five minutes. */
const meterEveryMs = 60_000;
/** How often removals of bytes that were cut off are finished. */
const finishEveryMs = 60_000;

/** Side by side: a provider that does not answer must not keep a revocation from its gateways. */
export function startRounds(wiring: RoundWiring): NodeJS.Timeout[] {
  const { base, identity, serving, lineage, data, alerting, retraining, pipelines } = wiring;
  const { log, work, clock } = base;
  const call = () => ({
    actor: systemActor("control", "" as Id<"organisation">),
    requestId: newId("request", clock.now()),
  });
  return [
    repeating(
      sampleEveryMs,
      machineSampler({ work, clock, call, cards: wiring.capacity.cards }),
      log,
      "monitoring.machine.sample_failed",
    ),
    repeating(refreshEveryMs, () => identity.refreshIssuerKeys(), log, "identity.issuer_keys.refresh_failed"),
    repeating(refreshEveryMs, () => serving.refresh(), log, "serving.snapshot.refresh_failed"),
    repeating(followEveryMs, () => lineage.follow(), log, "lineage.following.failed"),
    repeating(lookEarlyMs, () => data.early.look(), log, "features.early.look_failed"),
    repeating(watchEveryMs, () => alerting.watch(), log, "monitoring.watch.failed"),
    repeating(steerEveryMs, retraining.steer, log, "retraining.look_failed"),
    repeating(steerEveryMs, pipelines.steer, log, "pipelines.look_failed"),
    repeating(steerEveryMs, pipelines.startDue, log, "pipelines.schedule_failed"),
    repeating(retrainEveryMs, retraining.watch, log, "retraining.watch_failed"),
    repeating(meterEveryMs, () => wiring.metering.meter(), log, "metering.round_failed"),
    repeating(retainEveryMs, () => retainData(wiring), log, "data.retention.failed"),
    repeating(adviseEveryMs, () => followAdvice(wiring), log, "advice.following.failed"),
    once(adviseFirstMs, () => followAdvice(wiring), log, "advice.following.failed"),
    repeating(finishEveryMs, () => finishRemovals(wiring), log, "registry.removal.failed"),
  ];
}

async function retainData({ base, identity, data }: RoundWiring): Promise<void> {
  const gone = await applyRetentionRound(data.data, await identity.directory.organisations());
  if (gone > 0) base.log.info({ gone }, "data.expired");
}

async function finishRemovals({ base, erasure }: RoundWiring): Promise<void> {
  const finished = await erasure.finishRemovals();
  if (finished > 0) base.log.info({ finished }, "registry.removals.finished");
}

async function followAdvice({ base, identity, advice }: RoundWiring): Promise<void> {
  for (const organisation of await identity.directory.organisations()) {
    const now = base.clock.now();
    const call = { actor: systemActor("control", organisation), requestId: newId("request", now) };
    const { open, followed } = await followRecommendations(advice, call);
    if (followed > 0) base.log.info({ organisation, open, followed }, "advice.followed");
  }
}
