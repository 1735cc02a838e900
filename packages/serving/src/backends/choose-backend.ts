import { compareMoney, type Money, money } from "@portolan/kernel";
import type { Backend, Backends } from "./backend-schema.ts";

/** The own version is the one that the deployment names; it is the first of what is given. */
export type OfferedBackend = Omit<Backend, "keepsLatency">;

/**
 * In which order the places where a model runs are asked: the cheapest that keeps the promised latency first, then the dearer ones that
 * do, then those that are too slow, the fastest of them first: late is better than nothing, and a circuit opens where late becomes the rule.
 * While the own version is not measured it goes first, as nothing says that another one is better. Pure.
 *
 * @param latencyMsP95 the charter's; absent: whatever a place takes is in time
 */
export function chooseBackends(
  own: OfferedBackend,
  others: readonly OfferedBackend[],
  latencyMsP95: number | undefined,
): Pick<Backends, "order" | "why"> {
  const judged = (one: OfferedBackend): Backend => ({
    ...one,
    keepsLatency:
      one.latencyMicrosP95 !== undefined && one.latencyMicrosP95 <= (latencyMsP95 ?? Infinity) * 1000,
  });
  if (own.latencyMicrosP95 === undefined || own.costPerThousand === undefined)
    return { order: [judged(own), ...others.map(judged).toSorted(byWorth)], why: "unmeasured" };
  const order = [own, ...others].map(judged).toSorted(byWorth);
  return { order, why: order[0]?.keepsLatency ? "cheapest" : "fastest" };
}

/** Ties go to the faster one. */
function byWorth(a: Backend, b: Backend): number {
  if (a.keepsLatency !== b.keepsLatency) return a.keepsLatency ? -1 : 1;
  const cost = a.keepsLatency ? byCost(a, b) : 0;
  return cost === 0 ? (a.latencyMicrosP95 ?? Infinity) - (b.latencyMicrosP95 ?? Infinity) : cost;
}

/** What states no cost counts as the dearest. */
function byCost({ costPerThousand: a }: Backend, { costPerThousand: b }: Backend): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  return compareMoney(costOf(a), costOf(b));
}

/** `0.02 EUR` */
function costOf(text: string): Money {
  const [amount = "", currency = ""] = text.split(" ");
  return money(amount, currency);
}

/** A sentence where requests go to other hardware than the charter's plan took for granted. Pure. */
export function unplannedHardware({ order, planned, why }: Backends): string | undefined {
  const [first] = order;
  if (!first || planned === null || first.hardware === planned) return undefined;
  return `requests go to ${first.model.name}/${first.model.version} on ${named[first.hardware]} (${reasons[why]}), and the plan takes ${named[planned]}`;
}

const named = { cpu: "a CPU", gpu: "a GPU", edge: "an edge device" } as const;
const reasons: Readonly<Record<Backends["why"], string>> = {
  cheapest: "the cheapest that keeps the latency",
  fastest: "the fastest, as none keeps the latency",
  unmeasured: "the deployment's own version, which is not measured yet",
};
