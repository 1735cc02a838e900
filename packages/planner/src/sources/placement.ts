import {
  breakEvenMonths,
  hoursPerWeek,
  mean,
  straightLine,
  weeklyRunsMonthly,
  yearlyVolumeCost,
} from "../arithmetic.ts";
import { of, percent, type SourceFigure } from "./figure.ts";
import { gpuMonthly, statedHourly } from "./prices-and-budgets.ts";

const trainingGpus = 32;
const hoursPerRun = 48;
const statedRun = 12_000;
const rented = trainingGpus * gpuMonthly;
const inferenceGpus = 8;
const purchase = inferenceGpus * gpuMonthly * 12;
const bankYearly = yearlyVolumeCost(5_000_000, 0.1);
const gpuYearly = yearlyVolumeCost(1_000_000, 0.1);
const cpuYearly = yearlyVolumeCost(1_000_000, 0.01);
const tenMillionMonthly = yearlyVolumeCost(10_000_000, 0.1) / 12;

/** The bank's hybrid architecture, and what answers cost on GPU and CPU. */
export const placementFigures: readonly SourceFigure[] = [
  {
    articles: ["stack"],
    topic: "One training run",
    inputs: `${trainingGpus} GPUs x ${hoursPerRun} hours = 1,536 GPU-hours, at the stated price and at the mean`,
    computed: of(
      "$/run",
      trainingGpus * hoursPerRun * statedHourly,
      trainingGpus * hoursPerRun * mean([4.1, 4.1, 3.67]),
    ),
    stated: "about $12,000 a run",
    verdict: "differs",
    note: "It implies $7.81 for a GPU-hour, twice the article's price.",
  },
  {
    articles: ["stack"],
    topic: "Weekly runs for a month",
    inputs: `$${statedRun} x 4 weeks, and x 52 / 12`,
    computed: of("$/month", weeklyRunsMonthly(statedRun, 4), weeklyRunsMonthly(statedRun)),
    stated: "about $48,000",
    verdict: "differs",
    note: "A month has 4.33 weeks on average.",
  },
  {
    articles: ["stack"],
    topic: "The same GPUs all month",
    inputs: `${trainingGpus} x $${gpuMonthly}`,
    computed: of("$/month", rented),
    stated: "$91,200, called the on-premises equivalent",
    verdict: "mislabelled",
    note: "It is what renting them costs: owning them is a purchase, power, hosting and people.",
  },
  {
    articles: ["stack"],
    topic: "Saved by training in the cloud",
    inputs: "$91,200 less $48,000; less $52,000",
    computed: of("$/month", rented - weeklyRunsMonthly(statedRun, 4), rented - weeklyRunsMonthly(statedRun)),
    stated: "$43,200",
    verdict: "agrees",
    note: "With four weeks to a month.",
  },
  {
    articles: ["stack"],
    topic: "How busy they would be",
    inputs: `${hoursPerRun} of ${hoursPerWeek} hours`,
    computed: percent(hoursPerRun / hoursPerWeek),
    stated: "29 %",
    verdict: "agrees",
  },
  {
    articles: ["stack"],
    topic: "The bank's answers from the cloud",
    inputs: "5 million a day, $0.10 a thousand, 365 days",
    computed: [...of("answers/year", 5_000_000 * 365), ...of("$/year", bankYearly)],
    stated: "1.825 billion, $182,500",
    verdict: "agrees",
  },
  {
    articles: ["stack"],
    topic: "The bank's own inference hardware",
    inputs: `${inferenceGpus} x $${gpuMonthly} x 12`,
    computed: of("$", purchase),
    stated: "$273,600, called on-premises hardware",
    verdict: "mislabelled",
    note: "A year's rent in the cloud is taken for a purchase.",
  },
  {
    articles: ["stack"],
    topic: "Written off over three to four years",
    inputs: "$273,600 / 4 and / 3",
    computed: of("$/year", straightLine(purchase, 4), straightLine(purchase, 3)),
    stated: "$68,400 to $91,200",
    verdict: "agrees",
    note: "Of a wrong base.",
  },
  {
    articles: ["stack"],
    topic: "Paid back after",
    inputs: "$273,600 at $182,500 a year",
    computed: of("months", breakEvenMonths(purchase, bankYearly / 12)),
    stated: "18 months",
    verdict: "agrees",
    note: "Without power and people, of a wrong base.",
  },
  {
    articles: ["stack", "production"],
    topic: "A million answers a day on GPU and on CPU",
    inputs: "$0.10 and $0.01 a thousand, 365 days",
    computed: of("$/year", gpuYearly, cpuYearly, gpuYearly - cpuYearly),
    stated: "$36,000, $3,600, $32,000 saved",
    verdict: "agrees",
    note: "Rounded.",
  },
  {
    articles: ["stack"],
    topic: "Ten million answers a day",
    inputs: "$0.10 a thousand, a twelfth of a year",
    computed: of("$/month", tenMillionMonthly),
    stated: "$11,400 for the same volume elsewhere",
    verdict: "differs",
    note: "That is $0.0375 a thousand: two prices for one thing.",
  },
  {
    articles: ["operations"],
    topic: "Eight A100 in London",
    inputs: "£25 an hour x 720 hours; £180,000 / £18,000",
    computed: [...of("£/month", 25 * 720), ...of("instances", 180_000 / (25 * 720)), ...of("GPUs", 8 * 10)],
    stated: "£25 an hour, more than £180,000 a month",
    verdict: "agrees",
    note: "At prices of before June 2025.",
  },
  {
    articles: ["operations", "stack"],
    topic: "What spot saves",
    inputs: "60 to 70 % in one article, with a checkpoint every 15 to 30 minutes, 50 to 70 % in another",
    computed: [...percent(0.6, 0.7, 0.5, 0.7), ...of("minutes", 15, 30)],
    stated: "60 to 70 %; 50 to 70 %",
    verdict: "differs",
    note: "Both are ranges, and neither says of which market.",
  },
  {
    articles: ["stack"],
    topic: "The round trip to the cloud",
    inputs:
      "20 to 30 ms where fraud is spoken of; 200 ms and more where a factory is, which needs 50 to 100 ms",
    computed: of("ms", 20, 30, 200, 50, 100),
    stated: "both, with 50 to 100 ms needed",
    verdict: "differs",
    note: "20 to 30 ms would do for the factory: there the edge follows from disconnection and data volume.",
  },
];
