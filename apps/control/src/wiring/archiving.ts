import { type Id, type JobHandler, type Logger, messageOf } from "@portolan/kernel";
import {
  applyRetention,
  archivePredictions,
  type DataClasses,
  type PredictionsDeps,
  type RetentionTerms,
  removeLeftovers,
} from "@portolan/predictions";

export interface Archiving {
  /** The same job; while it runs nothing moves into archives. A backup copies files after the rows that name them. */
  pausing(handler: JobHandler): JobHandler;
  stop(): Promise<void>;
}

const everyMs = 60_000;

/** From time to time lays accepted predictions into Parquet files and erases what its charter keeps no longer. */
export async function startArchiving(
  deps: PredictionsDeps,
  terms: RetentionTerms & DataClasses,
  organisations: () => Promise<readonly Id<"organisation">[]>,
  log: Logger,
): Promise<Archiving> {
  for (const organisationId of await organisations()) {
    const removed = await removeLeftovers(deps, organisationId);
    if (removed > 0) log.info({ organisationId, removed }, "predictions.leftovers.removed");
  }
  let pauses = 0;
  let round: Promise<void> = Promise.resolve();
  const once = async (): Promise<void> => {
    try {
      const { archives, records } = await archivePredictions(deps, {
        classes: terms,
        isStopped: () => pauses > 0,
      });
      if (archives > 0) log.info({ archives, records }, "predictions.archived");
      if (pauses > 0) return;
      const expired = await applyRetention({ ...deps, terms }, await organisations());
      if (expired > 0) log.info({ expired }, "predictions.expired");
    } catch (error) {
      log.error({ error: messageOf(error) }, "predictions.archiving_failed");
    }
  };
  let isRunning = false;
  const timer = setInterval(() => {
    if (isRunning || pauses > 0) return;
    isRunning = true;
    round = once().finally(() => {
      isRunning = false;
    });
  }, everyMs);
  return {
    pausing: (handler) => ({
      ...handler,
      run: async (job) => {
        pauses += 1;
        try {
          await round;
          return await handler.run(job);
        } finally {
          pauses -= 1;
        }
      },
    }),
    stop: async () => {
      clearInterval(timer);
      pauses += 1;
      await round;
    },
  };
}
