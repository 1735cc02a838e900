import { type Logger, messageOf } from "@portolan/kernel";

/** Runs it at every tick, and leaves out those that come while it still runs. */
export function repeating(
  everyMs: number,
  work: () => Promise<void>,
  log: Logger,
  failure: string,
): NodeJS.Timeout {
  let running = false;
  return setInterval(() => {
    if (running) return;
    running = true;
    work()
      .catch((error: unknown) => log.error({ error: messageOf(error) }, failure))
      .finally(() => {
        running = false;
      });
  }, everyMs);
}

/** Runs it a while after the start, for what a first tick would come too late to. */
export function once(
  afterMs: number,
  work: () => Promise<void>,
  log: Logger,
  failure: string,
): NodeJS.Timeout {
  return setTimeout(() => {
    work().catch((error: unknown) => log.error({ error: messageOf(error) }, failure));
  }, afterMs);
}
