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
