import { mean, pooledAway, sum, weightedMean } from "../arithmetic.ts";
import { of, percent, type SourceFigure } from "./figure.ts";
import { gpuMonthly } from "./prices-and-budgets.ts";

const large = 100 * gpuMonthly;
const cards = [20, 20, 10];
const busy = [0.3, 0.4, 0.15];
const pool = sum(cards) * gpuMonthly;
const weighted = weightedMean(busy, cards);
/** As the article has it: the unweighted mean, cut. */
const stated = 0.28;
const pooled = 0.7;
const team = 4 * 200_000;

/** What sharing is said to save. */
export const poolingFigures: readonly SourceFigure[] = [
  {
    articles: ["stack"],
    topic: "A pool of 100 GPUs, from 20 to 70 % busy",
    inputs: `$${large}, 1 - 20 / 70`,
    computed: [
      ...percent(pooledAway(0.2, 0.7)),
      ...of("$/month", pooledAway(0.2, 0.7) * large),
      ...of("x", 0.7 / 0.2),
    ],
    stated: "$183,000 saved (64.2 %), 3.5 times the work",
    verdict: "differs",
    note: "$183,000 belongs to a pool that is 56 % busy; and what is not bought is avoided, not returned.",
  },
  {
    articles: ["stack", "production"],
    topic: "Busy for 70 to 75 % in place of 20 %",
    inputs: "1 - 20 / 70, 1 - 20 / 75",
    computed: percent(pooledAway(0.2, 0.7), pooledAway(0.2, 0.75)),
    stated: "50 to 70 % less",
    verdict: "agrees",
    note: "Careful.",
  },
  {
    articles: ["stack"],
    topic: "Fifty GPUs",
    inputs: `50 x $${gpuMonthly}`,
    computed: of("$/month", pool),
    stated: "$142,500",
    verdict: "agrees",
  },
  {
    articles: ["stack"],
    topic: "How busy three teams' GPUs are",
    inputs: "30 % of 20, 40 % of 20, 15 % of 10: weighted, and not",
    computed: percent(weighted, mean(busy)),
    stated: "28 %",
    verdict: "differs",
    note: "It is the unweighted mean, cut: the smallest team counts as much as the largest.",
  },
  {
    articles: ["stack"],
    topic: "What of $142,500 is used",
    inputs: "31 % and 28 % of it",
    computed: [...percent(weighted, stated), ...of("$/month", weighted * pool, stated * pool)],
    stated: "$40,000",
    verdict: "differs",
    note: "It follows the wrong 28 %.",
  },
  {
    articles: ["stack"],
    topic: "What the same pool does at 70 %",
    inputs: "70 % of $142,500; 70 / 31 and 70 / 28",
    computed: [...of("$/month", pooled * pool), ...of("x", pooled / weighted, pooled / stated)],
    stated: "$100,000 and 2.5 times the work",
    verdict: "differs",
    note: "2.26 times, with the right mean.",
  },
  {
    articles: ["stack"],
    topic: 'The headline "$285K to $100K"',
    inputs: "the example below it",
    computed: of("$/month", pool),
    stated: "$285,000 becomes $100,000",
    verdict: "differs",
    note: "In the example the bill stays at $142,500; $100,000 is the part of it that is used.",
  },
  {
    articles: ["stack"],
    topic: "Three times the models, or 60 % less",
    inputs: "1 - 1 / 3, 1 - 1 / 2.5",
    computed: percent(1 - 1 / 3, 1 - 1 / 2.5),
    stated: "3 times more models or 60 % less cost",
    verdict: "differs",
    note: "Three times are 66.7 %; 60 % are 2.5 times.",
  },
  {
    articles: ["stack"],
    topic: "Platform teams that are not needed",
    inputs: "4 x $800,000; a team is 4 x $200,000",
    computed: of("$/year", 4 * team, team),
    stated: "$3.2 million; $800,000",
    verdict: "agrees",
  },
  {
    articles: ["stack"],
    topic: "Idle GPUs",
    inputs: `30 x $${gpuMonthly}`,
    computed: of("$/month", 30 * gpuMonthly),
    stated: "$85,500",
    verdict: "agrees",
  },
  {
    articles: ["operations"],
    topic: "GPUs that are 30 % busy",
    inputs: "1 - 30 %",
    computed: percent(1 - 0.3),
    stated: "70 % wasted",
    verdict: "agrees",
  },
];
