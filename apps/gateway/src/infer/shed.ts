import { PortolanError } from "@portolan/kernel";
import type { RunPriority, ServingErrorCode } from "@portolan/serving/policy";
import { type Answer, errorAnswer } from "../http/answers.ts";
import type { ActiveRoute } from "../snapshot/serving-state.ts";
import type { HealthBook } from "./health-book.ts";

/**
 * Whether a request is turned away before its body is read: as many are under way as may be, or fewer, where it has spent part of its time waiting for this
 * process alone; and the charter names no answer that needs no model. What refusing costs is taken from those that are answered, so it must be little.
 * @param waitedMs for the event loop, so far
 */
export function isShed(
  health: HealthBook,
  { chosen, champion }: { readonly chosen: ActiveRoute; readonly champion: ActiveRoute },
  priority: RunPriority,
  waitedMs: number,
): boolean {
  if (champion.route.fallbacks.some(({ kind }) => kind === "rule" || kind === "fixed")) return false;
  const { breaker, limit } = health.of(chosen);
  // Where the circuit is not closed, the chain says who answers.
  if (breaker.state !== "closed") return false;
  // In a long turn the last ones still find a model that has something to do, and no longer queue before it than they can bear.
  const leftShare = 1 - waitedMs / chosen.route.limits.timeoutMs;
  return leftShare <= 0 || !limit.hasRoom(priority, leftShare);
}

export function overloaded(): PortolanError<ServingErrorCode> {
  return new PortolanError<ServingErrorCode>("serving.overloaded", {
    detail: "As many requests are under way as can be answered in time.",
    mend: "Try again after the time in Retry-After, or send fewer at once.",
  });
}

const placeholder = "(request)";
const template = errorAnswer(overloaded(), placeholder);
const [before = "", after = ""] = String(template.body).split(placeholder);

/** The answer to `overloaded()`, put together once and not for each. */
export function shedAnswer(requestId: string, headers: Readonly<Record<string, string>>): Answer {
  return { ...template, body: before + requestId + after, headers: { ...headers, ...template.headers } };
}
