import { PortolanError } from "@portolan/kernel";
import type { RunPriority, ServingErrorCode } from "@portolan/serving/policy";
import type { ActiveRoute } from "../snapshot/serving-state.ts";
import type { HealthBook } from "./health-book.ts";

/**
 * Turns a request away before its body is read, where that is what would become of it: as many are under way as may be, and the charter names
 * no answer that needs no model. What refusing costs is taken from those that are answered, so it must be little.
 * @throws PortolanError `serving.overloaded`
 */
export function shedEarly(
  health: HealthBook,
  chosen: ActiveRoute,
  champion: ActiveRoute,
  priority: RunPriority,
): void {
  if (champion.route.fallbacks.some(({ kind }) => kind === "rule" || kind === "fixed")) return;
  const { breaker, limit } = health.of(chosen);
  // Where the circuit is not closed, the chain says who answers.
  if (breaker.state === "closed" && !limit.hasRoom(priority)) throw overloaded();
}

export function overloaded(): PortolanError<ServingErrorCode> {
  return new PortolanError<ServingErrorCode>("serving.overloaded", {
    detail: "As many requests are under way as can be answered in time.",
    mend: "Try again after the time in Retry-After, or send fewer at once.",
  });
}
