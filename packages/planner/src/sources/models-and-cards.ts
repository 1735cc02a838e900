import { migModels, standing } from "@portolan/capacity/policy";
import { of, percent, type SourceFigure } from "./figure.ts";

/** How many instances of a profile stand on one card. */
function mostOf(card: string, profile: string): number {
  const model = migModels.find(({ name }) => name === card);
  let most = 0;
  if (!model) return most;
  const counts = (count: number) => model.profiles.map(({ name }) => (name === profile ? count : 0));
  while (standing(model, counts(most + 1))) most++;
  return most;
}

/** Quantised models, and cards that are cut. */
export const modelFigures: readonly SourceFigure[] = [
  {
    articles: ["stack"],
    topic: "Quantised to INT8",
    inputs: "4 GB to 1 GB, 200 ms to 50 ms, $11,400 to $2,900",
    computed: [
      ...of("x", 4 / 1, 200 / 50),
      ...of("$/month", 11_400 - 2900),
      ...percent((11_400 - 2900) / 11_400),
    ],
    stated: "4 times, 4 times, 75 %",
    verdict: "agrees",
    note: "How many T4 $2,900 are is not said: 7.55 at $0.526 an hour.",
  },
  {
    articles: ["stack"],
    topic: "What quantising loses",
    inputs: "94.2 % to 93.9 %",
    computed: [...of("percentage points", 94.2 - 93.9), ...percent((94.2 - 93.9) / 94.2)],
    stated: "0.3 %",
    verdict: "agrees",
    note: "As percentage points.",
  },
  {
    articles: ["operations", "stack"],
    topic: "What quantising gains",
    inputs: "2 to 3 times in one article (half the memory, FP16), 4 times in another (INT8)",
    computed: of("x", 2, 3, 4),
    stated: "2 to 3 times; 4 times",
    verdict: "differs",
    note: "Neither is taken: `portolan model quantize` measures.",
  },
  {
    articles: ["production"],
    topic: "An A100 of 80 GB, cut",
    inputs: "7 x 10 GB, 4 x 20 GB, 2 x 40 GB",
    computed: of(
      "instances",
      mostOf("A100-80GB", "1g.10gb"),
      mostOf("A100-80GB", "1g.20gb"),
      mostOf("A100-80GB", "2g.20gb"),
      mostOf("A100-80GB", "3g.40gb"),
    ),
    stated: "7, 4 and 2",
    verdict: "differs",
    note: "Four of 20 GB are only 1g.20gb, with a seventh of the processors each; of 2g.20gb three stand. An A100 of 40 GB has half of all sizes.",
  },
];
