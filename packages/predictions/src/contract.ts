import type { EpochMicros, Id } from "@portolan/kernel";
import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";
import { BodyBytes } from "./body-bytes.ts";

export { Outcome } from "./outcome-contract.ts";
export { BodyBytes };

declare const predictionIdOf: unique symbol;

/**
 * `prd_<writer, 26 characters>_<epoch>_<block>_<index>`, the last three in base 32 without leading zeros.
 * It names the block that holds the record, so that a lookup opens one file (docs/spec/prediction-log.md, P1).
 */
export type PredictionId = string & { readonly [predictionIdOf]: true };

/** The four parts of a prediction id. */
export interface PredictionPosition {
  readonly writerId: Id<"writer">;
  /** Counts the starts of the writer, from 1. */
  readonly epoch: number;
  /** Counts the blocks of the epoch, from 0. */
  readonly block: number;
  /** Counts the records of the block, from 0; numbers of refused appends stay unused. */
  readonly index: number;
}

export const variants = ["champion", "canary", "shadow", "fallback"] as const;

const text = (maxLength: number, description: string) => Type.String({ maxLength, description });
const micros = (description: string) => Type.Integer({ minimum: 0, description });

/**
 * What all requests of one route to one model version have in common. Build it once per snapshot and reuse
 * the object: its encoding is cached by identity.
 */
export const PredictionContext = Type.Object({
  organisationId: text(64, "Organisation that owns the endpoint (`org_…`)"),
  useCaseId: text(64, "Use case of the charter (`uc_…`)"),
  endpoint: text(200, "Endpoint name or id"),
  environment: Type.Enum([...environments]),
  model: Type.Optional(
    Type.Object({
      name: text(200, "Model name"),
      version: text(64, "Model version"),
      digest: text(80, "Content address of the model, `sha256:…`"),
    }),
  ),
  variant: Type.Enum([...variants]),
  insteadOf: Type.Optional(
    Type.Object(
      { name: text(200, "Model name"), version: text(64, "Model version") },
      { description: "Of a fallback: the version that should have answered" },
    ),
  ),
  backend: Type.Optional(
    Type.Object({
      hardware: text(20, "What the model ran on: cpu, gpu or edge"),
      why: text(20, "Why there: cheapest, fastest, unmeasured, or failover from the places before"),
    }),
  ),
  charter: Type.Optional(
    Type.Object({ version: Type.Integer({ minimum: 0 }), digest: text(80, "Digest of the charter") }),
  ),
  snapshotVersion: Type.Integer({ minimum: 0, description: "Route snapshot that the gateway served from" }),
  costTags: Type.Record(Type.String({ maxLength: 64 }), Type.String({ maxLength: 200 }), {
    description: "Tags that metering allocates cost by, e.g. team, business unit",
  }),
});
export type PredictionContext = Static<typeof PredictionContext>;

/** Microseconds spent, by part; parts that did not happen are absent. */
export const LatencyBreakdown = Type.Object({
  authMicros: Type.Optional(micros("Authentication, limits")),
  featuresMicros: Type.Optional(micros("Feature lookup")),
  queueMicros: Type.Optional(micros("Waiting for the runtime")),
  runMicros: Type.Optional(micros("Inference")),
  totalMicros: micros("From the request's first byte to the answer, without the log itself"),
});
export type LatencyBreakdown = Static<typeof LatencyBreakdown>;

/** Views that a record of reads names. */
export const mostReadViews = 100;

/** How the request ended. Refusals are records too, and so are reads of features. */
export const PredictionStatus = Type.Union([
  Type.Object({ kind: Type.Literal("ok") }),
  Type.Object({
    kind: Type.Literal("refused"),
    httpStatus: Type.Integer({ minimum: 400, maximum: 599 }),
    reason: text(200, "Error code, e.g. `serving.rate_limited`"),
    count: Type.Integer({
      minimum: 1,
      description: "Refusals that this record stands for (a flood is counted)",
    }),
  }),
  Type.Object({
    kind: Type.Literal("error"),
    httpStatus: Type.Integer({ minimum: 400, maximum: 599 }),
    reason: text(200, "Error code"),
  }),
  Type.Object(
    {
      kind: Type.Literal("read"),
      views: Type.Array(text(200, "`name@version`"), { maxItems: mostReadViews }),
      requests: Type.Integer({ minimum: 1, description: "Reads that this record stands for" }),
      entities: Type.Integer({ minimum: 1, description: "Entities that they asked for, in all" }),
      until: micros("Arrival of the last of them, epoch microseconds"),
    },
    {
      description:
        "Features were asked for without a prediction, and may be read: noted before they are; no word of whose",
    },
  ),
]);
export type PredictionStatus = Static<typeof PredictionStatus>;

/** What a text model used and how it ended; no word of it. */
export const TextGeneration = Type.Object({
  operation: Type.Enum(["chat", "completions", "embeddings"]),
  promptTokens: Type.Integer({ minimum: 0 }),
  completionTokens: Type.Integer({ minimum: 0 }),
  estimated: Type.Boolean({ description: "The upstream did not say how many tokens; they were guessed" }),
  streamed: Type.Boolean(),
  firstTokenMicros: Type.Optional(micros("From the request's first byte to the first of a stream's")),
  finishReason: Type.Optional(text(60, "As the upstream gave it, e.g. `stop`, `length`")),
  truncated: Type.Optional(
    Type.Boolean({
      description: "The stream was longer than what is kept of one: the outputs are its beginning",
    }),
  ),
});
export type TextGeneration = Static<typeof TextGeneration>;

/** The part of a record that is kept for as long as the log: no personal data, no inputs, no outputs. */
export const PredictionHeader = Type.Object({
  id: text(120, "Prediction id"),
  context: PredictionContext,
  principal: text(200, "Caller (`usr_…`, `sa_…`), or the source of an unauthenticated refusal"),
  purpose: Type.Optional(text(200, "Declared purpose of use")),
  requestId: text(200, "Request id"),
  receivedAt: micros("Arrival in epoch microseconds"),
  eventTime: Type.Optional(
    micros("Instant that the caller stated for the event, epoch microseconds: the prediction is a replay"),
  ),
  replayOf: Type.Optional(
    text(120, "The prediction whose recorded inputs were asked again; not a case of its own"),
  ),
  namesVersion: Type.Optional(
    Type.Boolean({
      description: "The caller chose the version that was to answer, instead of rules and shares",
    }),
  ),
  flag: Type.Optional(
    Type.Object(
      {
        key: text(63, "Of the endpoint's flags"),
        value: text(100, "What it said: the variant that was to answer"),
      },
      { description: "The flag that decided which version was to answer, instead of rules and shares" },
    ),
  ),
  latency: LatencyBreakdown,
  status: PredictionStatus,
  fallbackReason: Type.Optional(text(200, "Why a fallback, or the next place of the same model, answered")),
  text: Type.Optional(TextGeneration),
  bytes: Type.Optional(BodyBytes),
  inputsType: Type.Optional(text(200, "Media type of the inputs")),
  outputsType: Type.Optional(text(200, "Media type of the outputs")),
});
export type PredictionHeader = Static<typeof PredictionHeader>;

/** One enriched feature: its value, the time that the value is true for, and how it was obtained. */
export const FeatureValue = Type.Object({
  name: text(200, "Feature name"),
  value: Type.Union([Type.Null(), Type.Number(), Type.String(), Type.Boolean()]),
  /** Event time of the value, epoch microseconds. */
  at: Type.Optional(micros("Event time of the value in epoch microseconds")),
  source: Type.Union([
    Type.Literal("request"),
    Type.Literal("online"),
    Type.Literal("stale"),
    Type.Literal("default"),
    Type.Literal("missing"),
  ]),
  /** Why there was no value online. */
  status: Type.Optional(
    Type.Enum(["null", "not_found", "outside_max_age", "unavailable"], {
      description: "Why there was no value online, where one was looked for and another stands in",
    }),
  ),
});
export type FeatureValue = Static<typeof FeatureValue>;

/** Bytes exactly as they came in or went out. */
export interface LoggedBody {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** The erasable part: everything that may be personal. Destroyed together with its salt. */
export interface PredictionPayload {
  /** The request body as received. */
  readonly inputs?: LoggedBody;
  readonly features?: readonly FeatureValue[];
  /** The answer's body as sent. */
  readonly outputs?: LoggedBody;
  readonly onBehalfOf?: string;
  /** The data subject's key as the caller names it, for erasure by subject. */
  readonly subject?: string;
}

/** One prediction, as the gateway hands it over. */
export interface PredictionRecord extends PredictionPayload {
  readonly context: PredictionContext;
  readonly principal: string;
  readonly purpose?: string;
  readonly requestId: string;
  readonly receivedAt: EpochMicros;
  /** What the caller stated as the instant of the event; absent for live requests. */
  readonly eventTime?: EpochMicros;
  /** The prediction whose recorded inputs were asked again. */
  readonly replayOf?: PredictionId;
  /** The caller chose the version that was to answer. */
  readonly namesVersion?: boolean;
  /** The flag that decided which version was to answer, and what it said. */
  readonly flag?: { readonly key: string; readonly value: string };
  readonly latency: LatencyBreakdown;
  readonly status: PredictionStatus;
  readonly fallbackReason?: string;
  readonly text?: TextGeneration;
  /** Absent where nobody counted them: that is unknown, not nothing. */
  readonly bytes?: BodyBytes;
}

/**
 * `buffered`: write() returned before the promise resolves; survives `kill -9` of the process, not a power loss.
 * `durable`: fdatasync returned before the promise resolves.
 */
export type Durability = "buffered" | "durable";

export interface AppendOptions {
  readonly durability: Durability;
  /**
   * Whether inputs, features or outputs may be values of persons, by the charter's data classification. Default true: what is not known to
   * be free of them is sealed at rest, where the log has keys.
   */
  readonly isPersonal?: boolean;
}

/** A record that the log has taken and not yet written. */
export interface Submitted {
  /** Final: no other record will carry it, also when this one is refused. */
  readonly id: PredictionId;
  /**
   * Settles when the record is as durable as asked; one promise for all records of a frame. A rejection that nobody
   * awaits is no fault of the process.
   * @throws PortolanError `predictions.log_full` (507), `predictions.log_failed` (500)
   */
  readonly written: Promise<void>;
}

/** A refusal to count: the record without inputs and outputs. Its `count` is the writer's. */
export interface RefusalRecord {
  readonly context: PredictionContext;
  /** Caller, or the source (address) of an unauthenticated one. */
  readonly principal: string;
  readonly requestId: string;
  readonly receivedAt: EpochMicros;
  readonly httpStatus: number;
  readonly reason: string;
  readonly purpose?: string;
}

/** Features that were read without a prediction, to count. */
export interface FeatureRead {
  readonly context: PredictionContext;
  readonly principal: string;
  readonly requestId: string;
  readonly receivedAt: EpochMicros;
  readonly purpose?: string;
  /** Views of which features were asked for, `name@version`. */
  readonly views: readonly string[];
  readonly entities: number;
}

export interface WriterStatus {
  readonly state: "open" | "degraded" | "failed" | "closed";
  readonly epoch: number;
  /** Block that takes the next record. */
  readonly block: number;
  readonly appendedRecords: number;
  /** Records whose payload was dropped for want of space. */
  readonly droppedPayloads: number;
  /** Bytes handed over and not yet written. */
  readonly pendingBytes: number;
  /** While failed: why, and why it could not go on yet. */
  readonly problem?: string;
}

/**
 * The gateway's side of the log. One per process; holds the folder's lock until closed. `failed` passes: the writer opens a new
 * epoch by itself once it can.
 */
export interface PredictionWriter {
  readonly writerId: Id<"writer">;
  readonly epoch: number;
  /**
   * Takes a record and says at once under which id; the way for callers that put the id into an answer while the log writes. The
   * bytes of inputs and outputs are copied before it returns.
   * @throws PortolanError `predictions.log_overloaded` (503), `predictions.record_too_large` (413), `predictions.log_failed` (500)
   */
  submit(record: PredictionRecord, options: AppendOptions): Submitted;
  /**
   * Resolves when the record is as durable as asked.
   * @throws PortolanError `predictions.log_full` (507), `predictions.log_overloaded` (503),
   * `predictions.record_too_large` (413), `predictions.log_failed` (500).
   */
  append(record: PredictionRecord, options: AppendOptions): Promise<PredictionId>;
  /**
   * Logs a refusal: the first few per client, endpoint, reason and second as records of their own (resolves to the
   * id once written), the rest counted into one record at the second's end (resolves to `undefined` at once). While the log
   * takes nothing, all are counted, and written once it does again.
   */
  refuse(refusal: RefusalRecord): Promise<PredictionId | undefined>;
  /**
   * Puts a read of features on the record before it is answered. The first of a caller, purpose, endpoint and set of views within a minute is a record of its own: resolves once
   * that is written. Those after it are counted into one record at the minute's end; they wait for the first one's record and fail with it. `undefined`: that is written, there is nothing to wait for.
   * @throws PortolanError as `append`: then the read is not on the record, and is not to be answered
   */
  noteRead(read: FeatureRead): Promise<unknown> | undefined;
  status(): WriterStatus;
  /** Writes what is pending, closes and syncs the block, releases the lock. */
  close(): Promise<void>;
}

/** One organisation's subtree in a block. */
export const OrganisationRoot = Type.Object({
  id: text(64, "Organisation"),
  count: Type.Integer({ minimum: 1 }),
  /** RFC 6962 root, 64 hex digits. */
  root: Type.String({ pattern: "^[0-9a-f]{64}$" }),
});
export type OrganisationRoot = Static<typeof OrganisationRoot>;

/** What closes a block. The block's root is the leaf hash of its bytes (P12). */
export const BlockEnd = Type.Object({
  version: Type.Literal(1),
  writer: Type.String({ maxLength: 40 }),
  epoch: Type.Integer({ minimum: 1 }),
  block: Type.Integer({ minimum: 0 }),
  /** Root of the writer's previous block; 64 zeros before its first. */
  previousRoot: Type.String({ pattern: "^[0-9a-f]{64}$" }),
  closedAt: micros("When the block was closed"),
  /** True when a successor closed it for a dead writer. */
  sealed: Type.Boolean(),
  count: Type.Integer({ minimum: 1 }),
  /** Sorted by id. */
  organisations: Type.Array(OrganisationRoot, { minItems: 1, maxItems: 10_000 }),
});
export type BlockEnd = Static<typeof BlockEnd>;

/** A closed block as it travels from a gateway to control: frames exactly as they lie in the segment. */
export interface BlockAddress {
  readonly writerId: Id<"writer">;
  readonly epoch: number;
  readonly block: number;
}

/** A block that control has accepted, as those see it who count what it says. */
export interface AcceptedBlock extends BlockAddress {
  readonly headers: readonly PredictionHeader[];
}

/** A prediction as control reads it back. */
export interface StoredPrediction {
  readonly header: PredictionHeader;
  /** Absent once erased, or when it was dropped on a full disk. */
  readonly payload?: PredictionPayload;
  readonly withheld?: "erased" | "no_space";
}

/**
 * View for metering and exports: outcomes that count now, with the prediction they belong to; none that is retracted.
 * Columns: organisation_id, prediction_id, endpoint, environment, model_name, model_version, variant,
 * received_at (epoch µs), outcome (jsonb), observed_at (epoch µs), outputs (text, null when erased).
 */
export const labelledView = "predictions.labelled_v1";

/**
 * View for monitoring: every revision of every joined label. The columns of `labelledView`, and use_case_id (null where it was not kept
 * yet), revision, retracted (its outcome is null), reported_at (epoch µs), source (`reported`, `review` or `feedback`).
 */
export const labelsView = "predictions.labels_v1";

/**
 * View for monitoring: answered predictions by hour of arrival, replays left out. Columns: organisation_id, use_case_id, endpoint,
 * environment, model_name, model_version (both empty without a model), variant, hour (its start, epoch µs), predictions.
 */
export const answeredView = "predictions.answered_v1";
