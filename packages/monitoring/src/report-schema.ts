import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { ProfiledColumn } from "./profile-schema.ts";

const Share = Type.Number({ minimum: 0, maximum: 1 });
const Micros = (description: string) => Type.Integer({ description: `${description}, epoch microseconds` });

/** `insufficient`: some rows, and in no window enough of them; `not_counted`: none at all. */
export const DriftVerdict = Type.Enum(["drift", "no_drift", "insufficient", "not_counted"]);
export type DriftVerdict = Static<typeof DriftVerdict>;

const judged = {
  verdict: DriftVerdict,
  suspected: Type.Boolean({
    description: "It differs in the newest judged window, and not yet in enough of them in a row",
  }),
  since: Type.Optional(Micros("Start of the first window in a row in which it differs")),
};

/** The share of a column's rows that are not the reference's values, as a verdict of its own. */
export const QualityCheck = Type.Object({
  kind: Type.Enum(["absent", "outside", "unseen"], {
    description:
      "absent: null or NaN; outside: beyond the reference's ends, or infinite; unseen: a level that has no cell",
  }),
  ...judged,
  reference: Type.Optional(Share),
  now: Type.Optional(Share),
  p: Type.Optional(
    Type.Number({
      description:
        "An exact test that the share did not grow, in the newest judged window: Fisher's, or for values outside that of a range",
    }),
  ),
  adjusted: Type.Optional(
    Type.Number({ description: "p after Benjamini and Hochberg over the window's shares" }),
  ),
});
export type QualityCheck = Static<typeof QualityCheck>;

/** The newest judged window of a column in numbers. */
export const ColumnMeasures = Type.Object({
  rows: Type.Integer(),
  chiSquared: Type.Number({
    description:
      "Two-sample χ² over the cells, those with few expected cases joined; what the verdict follows",
  }),
  dof: Type.Integer(),
  p: Type.Number(),
  adjusted: Type.Number({ description: "p after Benjamini and Hochberg over the window's columns" }),
  psi: Type.Number({ description: "Population stability index, ½ added to each count" }),
  psiDebiased: Type.Number({ description: "psi less its mean under equal distributions" }),
  psiP: Type.Number({ description: "Of an index at least as large under equal distributions" }),
  jensenShannon: Type.Number({ description: "Distance, natural logarithm: 0 to 0.833" }),
  ks: Type.Optional(
    Type.Object({ statistic: Share, p: Type.Number() }, { description: "Over ordered cells; conservative" }),
  ),
  wasserstein: Type.Optional(
    Type.Object({
      distance: Type.Number({
        description:
          "In the column's unit, within the reference's ends; rows of a range are taken as spread evenly over it",
      }),
      perIqr: Type.Optional(Type.Number({ description: "Over the reference's interquartile range" })),
    }),
  ),
});
export type ColumnMeasures = Static<typeof ColumnMeasures>;

export const JudgedColumnReport = Type.Object({
  reference: ProfiledColumn,
  cells: Type.Array(Type.String(), { description: "What each cell holds" }),
  counts: Type.Array(Type.Integer(), {
    description: "Rows of the newest judged window per cell; of the newest window where none is judged",
  }),
  ...judged,
  trend: Type.Array(Type.Union([Type.Number(), Type.Null()]), {
    description: "psiDebiased by window; null where the column has too few rows",
  }),
  newest: Type.Optional(ColumnMeasures),
  quality: Type.Array(QualityCheck),
});
export type JudgedColumnReport = Static<typeof JudgedColumnReport>;

/** What one version at an endpoint comes to, window by window. */
export const DriftReport = Type.Object({
  environment: Type.Enum([...environments]),
  endpoint: Type.String(),
  variant: Type.Enum(["champion", "canary", "shadow", "fallback"]),
  model: Type.String(),
  version: Type.Integer(),
  profile: Type.String(),
  verdict: DriftVerdict,
  verdicts: Type.Object({
    inputs: DriftVerdict,
    outputs: DriftVerdict,
    quality: DriftVerdict,
  }),
  referenceRows: Type.Integer(),
  windows: Type.Array(
    Type.Object({
      start: Micros("Start"),
      end: Micros("End, exclusive"),
      rows: Type.Integer({ description: "Rows counted" }),
    }),
    { description: "Oldest first" },
  ),
  inputs: Type.Array(JudgedColumnReport),
  outputs: Type.Array(JudgedColumnReport),
  skipped: Type.Array(Type.String(), { description: "What the profile has no counts of, and why" }),
});
export type DriftReport = Static<typeof DriftReport>;

export const DriftReports = Type.Object({
  reports: Type.Array(DriftReport),
  truncated: Type.Boolean({ description: "Older windows of the stretch are left out" }),
  coveredFrom: Micros("Start of the oldest stored window that was judged"),
});
export type DriftReports = Static<typeof DriftReports>;
