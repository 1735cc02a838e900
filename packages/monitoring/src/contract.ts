/** What others may see of monitoring: reference profiles, the counts that gateways deliver, and how both are shown. */
import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { ProfiledColumn } from "./profile-schema.ts";

export { Alert, AlertDelivery, AlertRoute, AlertSilence, AlertView } from "./alerts/alert-schema.ts";
export {
  Calibration,
  EstimateDoubt,
  EstimatedMetric,
  PerformanceEstimate,
} from "./estimate/estimate-schema.ts";
export {
  IncidentEntry,
  IncidentStep,
  IncidentSummary,
  IncidentView,
  incidentStates,
  ResponseTimes,
} from "./incidents/incident-schema.ts";
export {
  type Playbook,
  type PlaybookName,
  type PlaybookStep,
  playbookNames,
  playbooks,
  stepsOf,
} from "./incidents/playbooks.ts";
export { LifecycleObjective, LifecycleStatus } from "./objectives/lifecycle.ts";
export { EndpointObjectives, Objective, type ObjectiveTerms } from "./objectives/objective.ts";
export { EndpointStatus, ObjectiveStatus } from "./objectives/objective-status.ts";
export { ConceptReference, ConceptStanding } from "./performance/concept-schema.ts";
export {
  PerformanceBound,
  PerformanceMetric,
  PerformanceReport,
  PerformanceSegment,
  PerformanceSeries,
  PerformanceVerdict,
  PerformanceWindow,
} from "./performance/performance-schema.ts";
export { LevelsColumn, NumericColumn, ProfiledColumn, ReferenceProfile } from "./profile-schema.ts";
export {
  ColumnMeasures,
  DriftReport,
  DriftReports,
  DriftVerdict,
  JudgedColumnReport,
  QualityCheck,
} from "./report-schema.ts";
export {
  Timeline,
  TimelineEvent,
  TimelineLayer,
  TimelineMove,
  TimelineSeries,
  timelineLayers,
} from "./timeline/timeline-schema.ts";

const closed = { additionalProperties: false } as const;
const Sha256 = Type.String({ pattern: "^sha256:[0-9a-f]{64}$" });
const Name = Type.String({ minLength: 1, maxLength: 200 });
const Count = Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1 });
const EnvironmentName = Type.Enum([...environments]);
const VariantKind = Type.Enum(["champion", "canary", "shadow", "fallback"]);
const Micros = Type.Integer({ description: "Epoch microseconds" });
const OneIn = Type.Integer({ minimum: 1, maximum: 64, description: "One of so many requests was counted" });

/** Most columns' cells of one profile: 2,000 numeric columns. */
export const mostCells = 52_000;

/** Counts of one model version at one endpoint in one window of event time. */
export const DriftPart = Type.Object(
  {
    environment: EnvironmentName,
    useCaseId: Name,
    endpointId: Name,
    endpoint: Name,
    variant: VariantKind,
    model: Name,
    version: Type.Integer({ minimum: 1 }),
    profile: Sha256,
    windowStart: Micros,
    oneIn: OneIn,
    rows: Count,
    counts: Type.Array(Count, {
      maxItems: mostCells,
      description: "Rows per cell, inputs first, in the profile's order",
    }),
  },
  closed,
);
export type DriftPart = Static<typeof DriftPart>;

/** What one gateway process counted since its last delivery. Sent again under the same numbers until it is acknowledged. */
export const DriftDelivery = Type.Object(
  {
    writer: Type.String({ pattern: "^wr_[0-9a-z]{26}$", description: "The gateway's log writer" }),
    epoch: Type.Integer({ minimum: 0, description: "Start of that writer" }),
    sequence: Type.Integer({ minimum: 1, description: "Grows with each delivery of an epoch" }),
    parts: Type.Array(DriftPart, { minItems: 1, maxItems: 1000 }),
  },
  closed,
);
export type DriftDelivery = Static<typeof DriftDelivery>;

export const DriftReceipt = Type.Object({
  kind: Type.Union([Type.Literal("accepted"), Type.Literal("duplicate")]),
});
export type DriftReceipt = Static<typeof DriftReceipt>;

const CountedColumn = Type.Object({
  reference: ProfiledColumn,
  cells: Type.Array(Type.String(), { description: "What each cell holds" }),
  counts: Type.Array(Type.Integer(), { description: "Rows counted, per cell" }),
});

/** The counts of one version at an endpoint over a stretch of event time, beside its reference. */
export const DriftCounts = Type.Object({
  environment: EnvironmentName,
  endpoint: Name,
  variant: VariantKind,
  model: Name,
  version: Type.Integer(),
  profile: Sha256,
  rows: Type.Integer({ description: "Rows counted" }),
  estimatedRows: Type.Integer({ description: "Rows that came, where only some were counted" }),
  windows: Type.Array(Type.Object({ start: Micros, rows: Type.Integer(), oneIn: OneIn })),
  inputs: Type.Array(CountedColumn),
  outputs: Type.Array(CountedColumn),
});
export type DriftCounts = Static<typeof DriftCounts>;

/** What was counted at an endpoint. Of a long stretch only the newest part is added up, and that is said. */
export const DriftReading = Type.Object({
  counts: Type.Array(DriftCounts),
  truncated: Type.Boolean({
    description: "Older windows of the stretch are left out: ask for them with `to` before `coveredFrom`",
  }),
  coveredFrom: Type.Optional(
    Type.Integer({
      description: "Start of the oldest window added up, epoch microseconds; absent without any",
    }),
  ),
});
export type DriftReading = Static<typeof DriftReading>;
