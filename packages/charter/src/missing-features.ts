import { type Static, Type } from "@portolan/typebox";
import { closed, OneOf } from "./schema-parts.ts";

const policies = ["default", "refuse", "fallback"] as const;
/** What becomes of a feature that is missing; `default`: the deployment's stand-in, or a refusal where it has none. */
export type MissingFeaturePolicy = (typeof policies)[number];

export const MissingFeatures = Type.Object(
  {
    otherwise: Type.Optional(
      OneOf(
        policies,
        "Of views that are not named: the deployment's stand-in (the default), refuse the request, or answer by the fallback.",
      ),
    ),
    views: Type.Optional(
      Type.Record(
        Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,62}$" }),
        OneOf(policies, "Of one view, in all its versions."),
        { maxProperties: 100, description: "The same by the names of feature views." },
      ),
    ),
  },
  {
    ...closed,
    description: "What becomes of online features that are not found, too old, or not to be had in time.",
  },
);

/** The same where nothing is left open. */
export interface MissingFeatureTerms {
  readonly otherwise: MissingFeaturePolicy;
  /** By the names of views, without their versions. */
  readonly views: Readonly<Record<string, MissingFeaturePolicy>>;
}

export function missingFeatureTerms(stated: Static<typeof MissingFeatures> | undefined): MissingFeatureTerms {
  return { otherwise: stated?.otherwise ?? "default", views: stated?.views ?? {} };
}

const statements = {
  default: "the deployment's stand-in goes in",
  refuse: "the request is refused",
  fallback: "the fallback answers",
} as const;

/** For people. */
export function missingFeatureStatement({ otherwise, views }: MissingFeatureTerms): string {
  const named = Object.entries(views).map(([view, then]) => `${view}: ${statements[then]}`);
  return `${[`Features that are missing or too old: ${statements[otherwise]}`, ...named].join("; ")}.`;
}
