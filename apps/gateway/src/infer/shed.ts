import { PortolanError } from "@portolan/kernel";
import type { RunPriority, ServingErrorCode } from "@portolan/serving/policy";
import { type Answer, errorAnswer } from "../http/answers.ts";
import { type ActiveRoute, watchedModel } from "../snapshot/serving-state.ts";
import type { HealthBook } from "./health-book.ts";

interface Versions {
  readonly chosen: ActiveRoute;
  readonly champion: ActiveRoute;
}

/** Why a request is turned away before its body is read. */
export type ShedReason = "overloaded" | "circuit_open";

/**
 * Whether a request is turned away before its body is read: as many are under way as may be, or fewer, where it has spent part of its time waiting for this
 * process alone; or the model's circuit is open; and the charter names no answer that does without. What refusing costs is taken from those that are
 * answered, so it must be little.
 * @param waitedMs for the event loop, so far
 */
export function shedReason(
  health: HealthBook,
  { chosen, champion }: Versions,
  priority: RunPriority,
  waitedMs: number,
): ShedReason | undefined {
  if (champion.route.fallbacks.some(({ kind }) => kind === "rule" || kind === "fixed")) return undefined;
  const { breaker, limit } = health.of(chosen);
  if (breaker.state !== "closed") {
    // Where somebody may stand in, the chain says who.
    return standsAlone({ chosen, champion }) && !breaker.wouldAdmit(performance.now())
      ? "circuit_open"
      : undefined;
  }
  // In a long turn the last ones still find a model that has something to do, and no longer queue before it than they can bear.
  const leftShare = 1 - waitedMs / chosen.route.limits.timeoutMs;
  return leftShare <= 0 || !limit.hasRoom(priority, leftShare) ? "overloaded" : undefined;
}

/** Whether nothing but this version may answer: the chain after it is empty. */
export function standsAlone({ chosen, champion }: Versions): boolean {
  return chosen === champion && champion.route.fallbacks.length === 0;
}

/** Whether an alert has this version's place taken by its fallback chain, wherever the version runs. */
export function isDisplaced(version: ActiveRoute): boolean {
  const { displaced: taken } = version.route;
  if (!taken) return false;
  const { name, version: number } = watchedModel(version);
  return taken.model === name && taken.version === number;
}

export function displaced({ route }: ActiveRoute): PortolanError<ServingErrorCode> {
  return new PortolanError<ServingErrorCode>("serving.model_displaced", {
    detail: `Outcomes show ${route.model.name}/${route.model.version} to be worse than its charter allows, and nothing of the fallback chain can answer.`,
    mend: `See alert ${route.displaced?.alert ?? ""}. Deploy a version that keeps the bound; who may let this one answer all the same does so with: portolan endpoint resume.`,
  });
}

export function overloaded(): PortolanError<ServingErrorCode> {
  return new PortolanError<ServingErrorCode>("serving.overloaded", {
    detail: "As many requests are under way as can be answered in time.",
    mend: "Try again after the time in Retry-After, or send fewer at once.",
  });
}

export function circuitOpen(): PortolanError<ServingErrorCode> {
  return new PortolanError<ServingErrorCode>("serving.model_unavailable", {
    detail: "The model failed again and again, and is not asked for a moment.",
    mend: "Try again: every second or so a few requests are let through to see whether it is back.",
  });
}

const placeholder = "(request)";
const templates = {
  overloaded: templateOf(overloaded()),
  circuit_open: templateOf(circuitOpen()),
} as const;

function templateOf(error: PortolanError<ServingErrorCode>) {
  const answer = errorAnswer(error, placeholder);
  const [before = "", after = ""] = String(answer.body).split(placeholder);
  return { answer, before, after };
}

/** The answer to a request that is turned away, put together once and not for each. */
export function shedAnswer(
  reason: ShedReason,
  requestId: string,
  headers: Readonly<Record<string, string>>,
): Answer {
  const { answer, before, after } = templates[reason];
  return { ...answer, body: before + requestId + after, headers: { ...headers, ...answer.headers } };
}
