import { setTimeout as delay } from "node:timers/promises";
import { messageOf, PortolanError } from "@portolan/kernel";
import type { CliErrorCode } from "../errors.ts";

export interface Awaited {
  readonly name: string;
  readonly url: string;
  readonly limitMs: number;
  /** Why waiting has become pointless, once it has. */
  readonly gaveUp: () => string | undefined;
  /** Ends the wait with the signal's reason. */
  readonly signal: AbortSignal;
}

/**
 * Polls a readiness address until it answers 200.
 *
 * @throws PortolanError `cli.process_failed` after the time limit, or when the process gave up
 */
export async function waitReady({ name, url, limitMs, gaveUp, signal }: Awaited): Promise<void> {
  const deadline = performance.now() + limitMs;
  let last = "no answer";
  while (performance.now() < deadline) {
    signal.throwIfAborted();
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
      if (response.ok) return;
      last = `status ${response.status}: ${(await response.text()).slice(0, 200)}`;
    } catch (error) {
      last = messageOf(error instanceof Error ? (error.cause ?? error) : error);
    }
    const reason = gaveUp();
    if (reason !== undefined) throw notReady(`${name} cannot start: ${reason}`, name);
    await delay(50);
  }
  throw notReady(`${name} is not ready after ${limitMs / 1000} s (${last})`, name);
}

function notReady(detail: string, name: string): PortolanError<CliErrorCode> {
  return new PortolanError("cli.process_failed", { detail, mend: `See its log: portolan logs ${name}` });
}
