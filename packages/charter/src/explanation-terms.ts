import { type Static, Type } from "@portolan/typebox";
import { type Fact, fact } from "./fact.ts";
import type { Finding } from "./schema-findings.ts";
import { closed, OneOf } from "./schema-parts.ts";
import { PercentText, parsePercent } from "./unit-texts.ts";

/** Contributions that a kept explanation lists, where the charter is silent. */
const usualTop = 5;

/** Which answers are explained without anybody asking. */
export const Explanations = Type.Object(
  {
    when: OneOf(
      ["on_request", "always", "sampled"],
      "on_request: when somebody asks. always, sampled: after the answer, and kept with the prediction.",
    ),
    sample: Type.Optional(
      PercentText("Of sampled: the share of predictions, chosen by a hash of their ids."),
    ),
    fixed: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 200 }), {
        maxItems: 200,
        uniqueItems: true,
        description: "Columns that nobody can change: a kept counterfactual leaves them alone.",
      }),
    ),
    top: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 100,
        // No default in the schema: answers would state it, and what was signed does not.
        description: "Contributions that are listed, the largest first; absent: five.",
      }),
    ),
  },
  {
    ...closed,
    description:
      "Which predictions are explained without anybody asking; absent: none, on request all can be.",
  },
);

/** What is explained without anybody asking. */
export interface ExplanationTerms {
  /** In (0, 1]; 1: always. */
  readonly share: number;
  /** Contributions that are listed. */
  readonly top: number;
  /** Columns that a kept counterfactual leaves alone. */
  readonly fixed: readonly string[];
}

interface Explained {
  readonly explainability: "none" | "model" | "per_prediction";
  readonly explanations?: Static<typeof Explanations>;
  readonly model: { readonly task: string };
}

/** Undefined: nothing is explained before somebody asks. */
export function explanationTerms({ explanations }: Explained): ExplanationTerms | undefined {
  if (!explanations || explanations.when === "on_request") return undefined;
  const { when, sample = "0%", top = usualTop, fixed = [] } = explanations;
  return { share: when === "always" ? 1 : parsePercent(sample), top, fixed };
}

export function explanationFindings({ explainability, explanations, model }: Explained): Finding[] {
  if (!explanations) return [];
  const { when, sample } = explanations;
  const findings: Finding[] = [];
  if (when !== "on_request" && explainability !== "per_prediction")
    findings.push({
      pointer: "/explanations/when",
      detail: `explainability is ${explainability}, and explanations of predictions are asked for`,
      mend: "Write explainability: per_prediction, or when: on_request.",
    });
  if (when !== "on_request" && model.task === "generation")
    findings.push({
      pointer: "/explanations/when",
      detail: "a text is no score that could be split over columns",
      mend: "Write when: on_request.",
    });
  if ((when === "sampled") !== (sample !== undefined))
    findings.push({
      pointer: "/explanations/sample",
      detail: when === "sampled" ? "no share is stated" : `a share is stated, and when is ${when}`,
      mend: when === "sampled" ? "Add sample, e.g. 5%." : "Remove sample, or write when: sampled.",
    });
  if (sample !== undefined && !(parsePercent(sample) > 0 && parsePercent(sample) <= 1))
    findings.push({
      pointer: "/explanations/sample",
      detail: `${sample} is no share of predictions`,
      mend: "Write more than 0%, and 100% at most.",
    });
  return findings;
}

export function explanationFacts(document: Explained): Fact[] {
  const { explainability } = document;
  if (explainability === "none") return [];
  const terms = explanationTerms(document);
  if (!terms) {
    const what =
      explainability === "model"
        ? "The model is explained as a whole."
        : "Every prediction can be explained.";
    return [fact("explainability", "obligation", "/explainability", what, explainability)];
  }
  const which =
    terms.share === 1
      ? "Every prediction that a model makes is"
      : `${Number((terms.share * 100).toFixed(6))} % of the predictions, chosen by their ids, are`;
  const fixed = terms.fixed.length > 0 ? `; its counterfactual leaves ${terms.fixed.join(", ")} alone` : "";
  const statement = `${which} explained after the answer, and what was found is kept with the record${fixed}.`;
  return [
    fact("explainability", "obligation", ["/explainability", "/explanations"], statement, {
      ...terms,
      fixed: [...terms.fixed],
    }),
  ];
}
