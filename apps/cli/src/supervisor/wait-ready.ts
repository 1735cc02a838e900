import { setTimeout as delay } from "node:timers/promises";
import { messageOf, PortolanError } from "@portolan/kernel";
import type { CliErrorCode } from "../errors.ts";

export interface Readiness {
  readonly name: string;
  readonly url: string;
  readonly limitMs: number;
  readonly hint: string;
  /** Ends the wait with the signal's reason. */
  readonly signal: AbortSignal;
}

/** Polls a readiness address until it answers 200. @throws PortolanError `cli.process_failed` after the time limit. */
export async function waitReady({ name, url, limitMs, hint, signal }: Readiness): Promise<void> {
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
    await delay(50);
  }
  throw new PortolanError<CliErrorCode>("cli.process_failed", {
    detail: `${name} is not ready after ${limitMs / 1000} s (${last})`,
    mend: hint,
  });
}
