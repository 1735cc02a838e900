import { type Environment, environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { LifecycleObjective, lifecycleObjectives } from "./lifecycle.ts";

/** What is wanted of an endpoint, by the charter in force and by what is deployed. */
export interface ObjectiveTerms {
  /** Whose endpoint it is: others may have one of the same name. */
  readonly organisation: string;
  readonly environment: Environment;
  readonly endpoint: string;
  /** Between 0 and 1. */
  readonly availability: number;
  readonly latencyMsP95: number;
  /** Whether the charter bounds the age of features, and the deployment reads some. */
  readonly readsFeatures: boolean;
  /** Whether something answers in the model's place. */
  readonly hasFallback: boolean;
  /** Whether the charter bounds a metric that outcomes tell. */
  readonly hasOutcomes: boolean;
}

export const objectiveNames = ["availability", "latency", "freshness", "model-answers"] as const;

/** A service level objective over requests, in numbers for rules. */
export const Objective = Type.Object({
  name: Type.Enum([...objectiveNames]),
  description: Type.String(),
  target: Type.String({ description: "Share of good requests, an exact decimal below 1" }),
  wantedBy: Type.String({
    description: "Where in the charter it comes from, or that it is this product's own",
  }),
  latencyMicros: Type.Optional(
    Type.Integer({ description: "Of `latency`: requests that take no longer are good" }),
  ),
});
export type Objective = Static<typeof Objective>;

export const EndpointObjectives = Type.Object({
  organisation: Type.String({ description: "Its id, as in the labels of control's own metrics" }),
  environment: Type.Enum([...environments]),
  endpoint: Type.String(),
  objectives: Type.Array(Objective),
  lifecycle: Type.Array(LifecycleObjective, {
    description: "Objectives over what happens to the model: retrainings, drift, labels",
  }),
});
export type EndpointObjectives = Static<typeof EndpointObjectives>;

/** Charters name no share for these: one in a hundred may be otherwise. */
const ownTarget = "0.99";
const ownWord = "no word of the charter: 99 % is this product's own";

/** The objectives that follow from a charter. Pure. */
export function objectivesOf(terms: ObjectiveTerms): EndpointObjectives {
  const { organisation, environment, endpoint, availability, latencyMsP95, readsFeatures, hasFallback } =
    terms;
  const objectives: Objective[] = [
    {
      name: "latency",
      description: `Requests that are answered within ${latencyMsP95} ms, from the first byte to the answer`,
      target: "0.95",
      wantedBy: "/requirements/latency/p95",
      latencyMicros: Math.round(latencyMsP95 * 1000),
    },
  ];
  // Without an error budget there is nothing to burn.
  if (availability < 1)
    objectives.unshift({
      name: "availability",
      description: "Requests that are not answered with a status of 500 to 599",
      target: decimalOf(availability),
      wantedBy: "/requirements/availability",
    });
  if (readsFeatures)
    objectives.push({
      name: "freshness",
      description: "Requests whose features were all there, and no older than the charter allows",
      target: ownTarget,
      wantedBy: `/requirements/featureFreshness; of the share ${ownWord}`,
    });
  if (hasFallback)
    objectives.push({
      name: "model-answers",
      description: "Answers that the model gave itself, and no fallback",
      target: ownTarget,
      wantedBy: `/fallback; of the share ${ownWord}`,
    });
  return { organisation, environment, endpoint, objectives, lifecycle: lifecycleObjectives(terms) };
}

/** Charters write percents of at most ten digits behind the point. */
function decimalOf(share: number): string {
  return share.toFixed(12).replace(/\.?0+$/, "");
}
