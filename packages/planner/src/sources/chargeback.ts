import { sharesOf, sum } from "../arithmetic.ts";
import { of, percent, type SourceFigure } from "./figure.ts";
import { statedHourly } from "./prices-and-budgets.ts";

/** GPU-hours of a month: finance, marketing, research. */
const hours = [5760, 3840, 8640];
const [finance = 0, marketing = 0] = hours;
const used = sum(hours);
const poolHours = 50 * 720;
const inferenceHours = 4 * 24 * 30;
const costs = hours.map((one) => one * statedHourly);

/** The example report of the first article. */
export const chargebackFigures: readonly SourceFigure[] = [
  {
    articles: ["stack"],
    topic: "Finance's training",
    inputs: "48 hours x 4 weeks x 30 GPUs",
    computed: of("GPU-hours", 48 * 4 * 30),
    stated: "5,760",
    verdict: "agrees",
    note: "Its quota is 8 or 20 GPUs elsewhere in the article, and its training 32.",
  },
  {
    articles: ["stack"],
    topic: "Marketing's inference",
    inputs: "4 GPUs x 24 hours x 30 days, of 3,840",
    computed: [...of("GPU-hours", inferenceHours), ...percent(inferenceHours / marketing)],
    stated: "2,880; 70 % inference",
    verdict: "differs",
    note: "It is 75 %.",
  },
  {
    articles: ["stack"],
    topic: "What each team costs",
    inputs: `5,760, 3,840 and 8,640 GPU-hours x $${statedHourly}`,
    computed: of("$/month", ...costs, sum(costs)),
    stated: "$22,000, $14,800, $33,300",
    verdict: "agrees",
    note: "Rounded.",
  },
  {
    articles: ["stack"],
    topic: "Each team's share",
    inputs: `of ${used} GPU-hours`,
    computed: percent(...sharesOf(hours)),
    stated: "35 %, 23 %, 42 %",
    verdict: "differs",
    note: "They sum to 100 and are other shares.",
  },
  {
    articles: ["stack"],
    topic: "What nobody used",
    inputs: `${used} of 50 x 720 GPU-hours`,
    computed: [
      ...percent(used / poolHours),
      ...of("GPU-hours", poolHours - used),
      ...of("$/month", (poolHours - used) * statedHourly),
    ],
    stated: "not in the report",
    verdict: "differs",
    note: "As much again as all teams together. Whoever splits a bill has to say where idle hours go.",
  },
  {
    articles: ["stack"],
    topic: "What showing the costs saved",
    inputs: "$180,000 to $151,000: $11,000 + $18,000",
    computed: [...of("$/month", 180_000 - 151_000), ...percent((180_000 - 151_000) / 180_000)],
    stated: "16 %",
    verdict: "agrees",
  },
  {
    articles: ["stack"],
    topic: "Finance's quota",
    inputs: "8 GPUs in the configuration, 20 in the text, 30 in use at once",
    computed: of("GPUs", 8, 20, finance / (48 * 4)),
    stated: "all three",
    verdict: "differs",
    note: "A quota of 8 forbids the job of 30.",
  },
  {
    articles: ["production"],
    topic: "All teams' quotas",
    inputs: "16 + 4 + 8 + 16 GPUs, 128 + 64 + 64 + 128 CPUs",
    computed: [...of("GPUs", 16 + 4 + 8 + 16), ...of("CPUs", 128 + 64 + 64 + 128)],
    stated: "no sum",
    verdict: "differs",
    note: "44 GPUs, beside a pool of 50 in the first article.",
  },
  {
    articles: ["stack"],
    topic: "Quotas of a pool of fifty",
    inputs: "finance at most 20, marketing at least 15, research the rest",
    computed: [
      ...of("GPUs", 20, 15, 50 - 20 - 15, 20 + 15 + (50 - 20 - 15)),
      ...of("GPUs borrowed by finance", 0),
    ],
    stated: "in words",
    verdict: "agrees",
    note: "As nominal quotas 20, 15 and 15, finance borrowing nothing and marketing reclaiming what is its own.",
  },
];
