import type { CardFacts } from "../facts.ts";
import { priced, shareOf } from "../savings.ts";
import { type Finding, ruleOf } from "./rule.ts";
import { dayAfter, saving } from "./texts.ts";

/** A card for a day: less is a try. */
const leastHours = 24;
/** A card that waits for its notebook shows a percent or two. */
const idleBelow = 0.05;

/** A pod of which nothing was counted for so long has gone. */
const goneAfterMicros = 2 * 86_400_000_000;
/** More than somebody looks through are no evidence. */
const mostPods = 5;

const inMonth = ({ heldHours, days }: CardFacts): number => (heldHours / Math.max(1, days)) * 30;
const nameOf = ({ useCase, team }: CardFacts): string => useCase || team || "nobody";

export const idleCards = ruleOf<CardFacts>({
  kind: "idle_cards",
  subjectKind: "cards",
  looksAt: ({ cards }) => cards,
  nameOf,
  costOf: (cards, { gpuHour }) => priced(gpuHour, inMonth(cards)),
  find: (cards, { prices, facts }) => {
    const { heldHours, busyHours, days, team } = cards;
    const busy = heldHours > 0 ? busyHours / heldHours : 1;
    if (heldHours < leastHours || busy >= idleBelow) return undefined;
    const percent = (100 * busy).toFixed(1);
    return {
      what: `Graphics cards of ${nameOf(cards)} do next to nothing: ${percent} % of the hours that they are held.`,
      evidence: [
        {
          what: `hours of cards in ${days} days`,
          value: `${heldHours.toFixed(1)}, busy ${busyHours.toFixed(1)}`,
          from: "metered usage (gpu_hours, gpu_busy_hours)",
        },
        { what: "team", value: team || "none", from: "metered usage" },
        ...idlePods(cards, facts.now).map(({ namespace, pod, heldHours, busyHours }) => ({
          what: `pod ${pod} in ${namespace}`,
          value: `held ${heldHours.toFixed(1)} h, busy ${busyHours.toFixed(1)}`,
          from: "metered usage of the cluster",
        })),
        { what: "busy below which cards count as idle", value: `${idleBelow * 100} %`, from: "assumed" },
      ],
      ...saving(shareOf(priced(prices.gpuHour, inMonth(cards)), 1 - busy), "price of a card's hour"),
      ...endingOf(cards, facts.now),
    };
  },
});

function idlePods({ pods }: CardFacts, now: number): CardFacts["pods"] {
  return pods
    .filter(
      ({ heldHours, busyHours, lastAt }) =>
        heldHours > 0 && busyHours < heldHours * idleBelow && lastAt >= now - goneAfterMicros,
    )
    .slice(0, mostPods);
}

/** Pods are the cluster's: its own command ends them. Without one that is named, where to look. */
function endingOf(cards: CardFacts, now: number): Pick<Finding, "command" | "changes"> {
  const [first, ...others] = idlePods(cards, now);
  const team = cards.team || "its team";
  const byJob = `have ${team} ask for cards by the job: portolan job submit.`;
  if (!first)
    return {
      command: `portolan usage show --period ${dayAfter(now, 0).slice(0, 7)} --by model --resource gpu_hours`,
      changes: `It shows whose models hold them. End what nobody watches, and ${byJob}`,
    };
  const beside = others.filter(({ namespace }) => namespace === first.namespace);
  const names = [...new Set([first, ...beside].map(({ pod }) => pod))];
  return {
    command: `kubectl --namespace ${first.namespace} delete pod ${names.join(" ")}`,
    changes: `Their cards are free at once. What a Deployment or StatefulSet starts anew is scaled to 0 instead, and ${byJob}`,
  };
}
