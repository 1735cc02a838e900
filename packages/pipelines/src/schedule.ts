import {
  asEpochMicros,
  type CallContext,
  type Id,
  type Logger,
  messageOf,
  newId,
  systemActor,
} from "@portolan/kernel";
import { listDue, moveSchedule, type StoredDefinition } from "./definition-store.ts";
import type { PipelineDeps } from "./pipeline-deps.ts";
import { nextRunAfter } from "./publish-pipeline.ts";
import { beginRun, prepareRun } from "./start-run.ts";
import { hasOpenRun, type RunBeginning } from "./store.ts";

export interface ScheduleDeps extends PipelineDeps {
  readonly log: Logger;
  readonly organisations: () => Promise<readonly Id<"organisation">[]>;
}

/**
 * Begins the runs whose time has come, each once; times that passed while nothing looked are one. While a run of the pipeline is under way, its
 * time is passed over.
 */
export async function startDueRuns(deps: ScheduleDeps): Promise<void> {
  const { organisations, work, clock, log } = deps;
  for (const organisationId of await organisations()) {
    const now = clock.now();
    const call = {
      actor: systemActor("pipeline-schedule", organisationId),
      requestId: newId("request", now),
    };
    const due = await work.look(call, (sql) => listDue(sql, organisationId, now));
    for (const one of due)
      await startDue(deps, one).catch((error: unknown) =>
        log.error({ pipeline: one.name, error: messageOf(error) }, "pipelines.schedule_failed"),
      );
  }
}

async function startDue(deps: ScheduleDeps, due: StoredDefinition): Promise<void> {
  const { name, environment, definition } = due;
  const now = deps.clock.now();
  const call: CallContext = { ...due.call, requestId: newId("request", now) };
  const { organisationId } = call.actor;
  const next = nextRunAfter(definition, asEpochMicros(now));
  const prepared = await whatToBegin(deps, call, due);
  await deps.work.write(call, async (tx) => {
    if (!(await moveSchedule(tx, due, next))) return;
    const detail = { at: due.nextRunAt, version: due.version };
    const subject = `${environment}/${name}`;
    if ("because" in prepared) {
      const because = prepared.because.slice(0, 500);
      await tx.record({ event: "pipelines.schedule.refused", subject, detail: { ...detail, because } });
    } else if (await hasOpenRun(tx.sql, { organisationId, environment, pipeline: name }))
      await tx.record({ event: "pipelines.schedule.passed_over", subject, detail });
    else await beginRun(tx, prepared);
  });
}

/** What may not be begun is told, and is tried again at its next time. */
async function whatToBegin(
  deps: ScheduleDeps,
  call: CallContext,
  due: StoredDefinition,
): Promise<Omit<RunBeginning, "id"> | { readonly because: string }> {
  try {
    return await prepareRun(deps, call, due, { cause: "schedule" });
  } catch (error) {
    deps.log.warn({ pipeline: due.name, error: messageOf(error) }, "pipelines.schedule_refused");
    return { because: messageOf(error) };
  }
}
