import { type CallContext, type Clock, isPortolanError } from "@portolan/kernel";
import { readDriftReport, reportOfOrganisation } from "@portolan/monitoring";
import type { Champion, Signals } from "@portolan/retraining";
import type { RetrainingParts } from "./retraining.ts";
import { accuracyWindow, conceptOf, driftOf, isOf } from "./retraining-evidence.ts";

/** Windows of counts are five minutes, and those of labels a day: before, hardly anything is new, and both take seconds to judge. */
const restMicros = 300_000_000;

/** What monitoring knows of a champion, asked for at most every five minutes. */
export function retrainingSignals(
  { performance, monitoring }: Pick<RetrainingParts, "performance" | "monitoring">,
  clock: Clock,
): Signals {
  const series = remembered(clock, (call: CallContext, { endpoint }: Champion) =>
    reportOfOrganisation(performance, call, endpoint),
  );
  const reports = remembered(clock, async (call: CallContext, { endpoint }: Champion) => {
    try {
      return (await readDriftReport(monitoring, call, { endpoint })).reports;
    } catch (error) {
      if (isPortolanError(error) && error.code === "monitoring.nothing_counted") return [];
      throw error;
    }
  });
  const ownSeries = async (call: CallContext, champion: Champion) =>
    (await series(call, champion)).find((one) => isOf(champion, { ...one, version: Number(one.version) }));
  return {
    concept: async (call, champion) => conceptOf((await ownSeries(call, champion))?.concept ?? null),
    accuracy: async (call, champion, metric) => {
      const own = await ownSeries(call, champion);
      return (own?.windows ?? []).flatMap((window) => accuracyWindow(window, metric));
    },
    drift: async (call, champion) => {
      const own = (await reports(call, champion)).find((one) => isOf(champion, one));
      return own ? driftOf(own) : { finding: "unclear", evidence: {} };
    },
  };
}

/** The answers of each endpoint and version, for a while. */
function remembered<T>(
  clock: Clock,
  ask: (call: CallContext, champion: Champion) => Promise<T>,
): (call: CallContext, champion: Champion) => Promise<T> {
  const known = new Map<string, { readonly at: number; readonly answer: T }>();
  return async (call, champion) => {
    const { environment, endpoint, model, version } = champion;
    const key = JSON.stringify([call.actor.organisationId, environment, endpoint, model, version]);
    const last = known.get(key);
    const now = clock.now();
    if (last && now - last.at < restMicros) return last.answer;
    for (const [old, { at }] of known) if (now - at >= restMicros) known.delete(old);
    const answer = await ask(call, champion);
    known.set(key, { at: now, answer });
    return answer;
  };
}
