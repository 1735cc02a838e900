import { mean, yearlyDowntimeHours } from "../arithmetic.ts";
import { hoursPerMonth } from "../assumptions.ts";
import { of, percent, type SourceFigure } from "./figure.ts";

const aws = 4.1;
const azure = 4.1;
const google = 3.67;
/** Dollars for a GPU and month, on which most figures of the first two articles rest. */
export const gpuMonthly = 2850;
/** Dollars for a GPU and hour, as the first article has it. */
export const statedHourly = 3.85;
const approved = 5000;
const training = 16;
const inference = 4;
const monthly = (training + inference) * gpuMonthly;
const models = 5;

/** What GPUs are said to cost, and what proofs of concept are said to become. */
export const pricesAndBudgets: readonly SourceFigure[] = [
  {
    articles: ["stack"],
    topic: "An A100 for a month",
    inputs: `$${google} to $${aws} an hour, around the clock, ${hoursPerMonth} hours`,
    computed: of("$/GPU-month", google * hoursPerMonth, aws * hoursPerMonth),
    stated: "about $2,700 to $3,000",
    verdict: "agrees",
  },
  {
    articles: ["stack"],
    topic: "The mean price of an A100",
    inputs: `AWS $${aws}, Azure $${azure}, Google $${google} an hour`,
    computed: of("$/GPU-hour", mean([aws, azure, google])),
    stated: `$${statedHourly}, "the mean" of these`,
    verdict: "differs",
    note: "No mean of the three is 3.85. Plans use dated prices of a book, never this figure.",
  },
  {
    articles: ["stack"],
    topic: "The hours in a month at that price",
    inputs: `$${gpuMonthly} a month, by the mean and by the stated price`,
    computed: of("hours", gpuMonthly / mean([aws, azure, google]), gpuMonthly / statedHourly),
    stated: `$${gpuMonthly} on average`,
    verdict: "differs",
    note: "It is 720 hours of the mean, and no month of the stated price. Plans count 730 hours.",
  },
  {
    articles: ["stack", "production"],
    topic: "Training GPUs of one model",
    inputs: `${training} x $${gpuMonthly}`,
    computed: of("$/month", training * gpuMonthly),
    stated: "$45,600",
    verdict: "agrees",
  },
  {
    articles: ["stack", "production"],
    topic: "Inference GPUs of one model",
    inputs: `${inference} x $${gpuMonthly}`,
    computed: of("$/month", inference * gpuMonthly),
    stated: "$11,400",
    verdict: "agrees",
  },
  {
    articles: ["stack", "production"],
    topic: "One model in production",
    inputs: `${training} + ${inference} GPUs x $${gpuMonthly}`,
    computed: of("$/month", monthly),
    stated: "$57,000",
    verdict: "agrees",
  },
  {
    articles: ["stack"],
    topic: "Production beside the proof of concept",
    inputs: `$57,000 beside $${approved}`,
    computed: of("x", monthly / approved),
    stated: "11x",
    verdict: "agrees",
    note: "Rounded down.",
  },
  {
    articles: ["stack", "production"],
    topic: "Five models",
    inputs: `${models} x $57,000, and twelve months of it`,
    computed: [...of("$/month", models * monthly), ...of("$/year", 12 * models * monthly)],
    stated: "$285,000 a month, $3.4 million a year",
    verdict: "agrees",
  },
  {
    articles: ["stack"],
    topic: "What was approved beside what it became",
    inputs: "$3,420,000 a year beside $60,000 approved",
    computed: of("x", (12 * models * monthly) / (12 * approved)),
    stated: "budgets 5 to 10 times too small; those that succeed plan for 6 to 7 times",
    verdict: "differs",
    note: "The article's own example is 57 times, and 11.4 for one model.",
  },
  {
    articles: ["stack"],
    topic: "The healthcare example",
    inputs: "$5,000 to $200,000; three months to eighteen",
    computed: of("x", 200_000 / 5000, 18 / 3),
    stated: "40 times, implied",
    verdict: "agrees",
  },
  {
    articles: ["stack"],
    topic: "Uptime of 99.9 %",
    inputs: "8,760 hours x 0.1 %",
    computed: of("hours/year", yearlyDowntimeHours(0.999)),
    stated: "less than 9 hours",
    verdict: "agrees",
  },
  {
    articles: ["stack"],
    topic: "Why projects fail",
    inputs: "42 % + 31 % + 28 % + 26 %",
    computed: percent(0.42 + 0.31 + 0.28 + 0.26),
    stated: "four causes in percent",
    verdict: "mislabelled",
    note: "Several answers were possible: they are no parts of a whole, and no pie shows them.",
  },
  {
    articles: ["stack"],
    topic: "Compliance, redundancy and other modifiers",
    inputs: "HIPAA +20 to 30 %, redundancy x 2, on $57,000",
    computed: of("$/month", 1.2 * monthly, 1.3 * monthly, 2 * monthly),
    stated: "ranges",
    verdict: "agrees",
  },
];
