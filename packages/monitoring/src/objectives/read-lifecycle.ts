import type { CallContext, Clock, Environment, Sql, UnitOfWork } from "@portolan/kernel";
import { budgetDays } from "./burn-rates.ts";
import {
  type LifecycleName,
  type LifecycleObjective,
  type LifecycleStatus,
  lifecyclePolicy,
  lifecycleStatus,
} from "./lifecycle.ts";
import {
  detectedWithin,
  type EndpointEvents,
  type LifecycleFilter,
  labelledWithin,
} from "./lifecycle-store.ts";

export interface LifecycleDeps {
  readonly work: UnitOfWork;
  readonly clock: Clock;
  readonly retrainings: {
    /** Retrainings that began in that time and are due, with those that ended in time. Implemented by `retraining`. */
    completedWithin(sql: Sql, filter: LifecycleFilter): Promise<readonly EndpointEvents[]>;
  };
}

const hourMicros = 3_600_000_000;
const budgetMicros = budgetDays * 24 * hourMicros;

/** Events of the last thirty days, by objective; without a place those of all organisations. */
export async function lifecycleEvents(
  { work, clock, retrainings }: LifecycleDeps,
  call: CallContext,
  place?: LifecycleFilter["place"],
): Promise<ReadonlyMap<LifecycleName, readonly EndpointEvents[]>> {
  const now = clock.now();
  const since = { from: now - budgetMicros, to: now + 1, ...(place === undefined ? {} : { place }) };
  const { retrainingMicros, detectionMicros, labelMicros } = lifecyclePolicy;
  // Predictions are counted by whole hours.
  const hour = (at: number): number => Math.floor(at / hourMicros) * hourMicros;
  const due = { ...since, from: hour(since.from), to: hour(now - labelMicros) };
  return work.read(call, async (sql) => {
    const completed = await retrainings.completedWithin(sql, { ...since, withinMicros: retrainingMicros });
    const detected = await detectedWithin(sql, { ...since, withinMicros: detectionMicros });
    const labelled = await labelledWithin(sql, { ...due, withinMicros: labelMicros });
    return new Map<LifecycleName, readonly EndpointEvents[]>([
      ["retraining-completion", completed],
      ["drift-detection", detected],
      ["label-maturity", labelled],
    ]);
  });
}

/** How objectives of one endpoint stand. */
export async function readLifecycle(
  deps: LifecycleDeps,
  call: CallContext,
  { environment, endpoint }: { readonly environment: Environment; readonly endpoint: string },
  objectives: readonly LifecycleObjective[],
): Promise<LifecycleStatus[]> {
  const { organisationId } = call.actor;
  const events = await lifecycleEvents(deps, call, { organisationId, environment, endpoint });
  return objectives.map((objective) =>
    lifecycleStatus(objective, events.get(objective.name)?.[0] ?? { good: 0, total: 0 }),
  );
}
