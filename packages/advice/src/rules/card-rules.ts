import type { CardFacts } from "../facts.ts";
import { priced, shareOf } from "../savings.ts";
import { ruleOf } from "./rule.ts";
import { saving } from "./texts.ts";

/** A card for a day: less is a try. */
const leastHours = 24;
/** A card that waits for its notebook shows a percent or two. */
const idleBelow = 0.05;

const inMonth = ({ heldHours, days }: CardFacts): number => (heldHours / Math.max(1, days)) * 30;
const nameOf = ({ useCase, team }: CardFacts): string => useCase || team || "nobody";

export const idleCards = ruleOf<CardFacts>({
  kind: "idle_cards",
  subjectKind: "cards",
  looksAt: ({ cards }) => cards,
  nameOf,
  costOf: (cards, { gpuHour }) => priced(gpuHour, inMonth(cards)),
  find: (cards, { prices }) => {
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
        { what: "busy below which cards count as idle", value: `${idleBelow * 100} %`, from: "assumed" },
      ],
      ...saving(shareOf(priced(prices.gpuHour, inMonth(cards)), 1 - busy), "price of a card's hour"),
      command: "portolan usage show --by model --resource gpu_hours",
      changes: `It shows whose models hold them. End what nobody watches, and have ${team || "its team"} ask for cards by the job: portolan job submit.`,
    };
  },
});
