/** Pure decisions and formats: what gateways run on, without database or HTTP framework. */

export {
  type BatchPlan,
  type BatchTerms,
  noBatching,
  type ProfiledRows,
  planBatches,
} from "./batching/batch-plan.ts";
export { Batcher } from "./batching/batcher.ts";
export { type RunPriority, runPriorities } from "./batching/job-queue.ts";
export { hasRowDimension, joinRows, splitRows } from "./batching/row-batch.ts";
export { cacheKey, ResponseCache } from "./cache/response-cache.ts";
export { type ScaleTerms, scaleTermsOf } from "./elastic/scale-parameters.ts";
export {
  decideScale,
  noScaleMemory,
  type ScaleMemory,
  type ScaleParameters,
} from "./elastic/scale-policy.ts";
export { type ServingErrorCode, servingErrors } from "./errors.ts";
export { type BenignQuery, type Calibration, calibrate } from "./extraction/calibration.ts";
export {
  ExtractionMonitor,
  type ExtractionMonitorOptions,
  type Finding,
} from "./extraction/extraction-monitor.ts";
export { type Query, type QuerySketch, QuerySpace } from "./extraction/query-space.ts";
export { QueryWindow, type WindowScores, type WindowStatistic } from "./extraction/query-window.ts";
export { readAnswer, readRow } from "./extraction/read-query.ts";
export { type Draws, seededDraws } from "./extraction/seeded-draws.ts";
export {
  assembleInputs,
  elementOf,
  eventTimeOf,
  eventTimeParameter,
  type FeatureScalar,
  type FeatureStatus,
  FeaturesMissing,
  filledInputs,
  findPlanProblems,
  type OnlineQuestion,
  type OnlineRow,
  type ReadOnline,
  requestSignatureOf,
  standInFor,
  type UsedFeature,
} from "./feature-plan.ts";
export {
  evaluateFlag,
  type FlagEvaluation,
  type FlagReason,
  type FlagTraits,
} from "./flags/evaluate-flag.ts";
export { findFlagProblems } from "./flags/flag-problems.ts";
export { Bucket, type RateLimitSpec } from "./limits/bucket.ts";
export { LayeredLimit, type LimitLayer, type Taken } from "./limits/layered-limit.ts";
export { callerLimit, callerTokens, type LimitHolder, longestTurnMs } from "./limits/limit-layers.ts";
export type { TakeRequest } from "./limits/news-queue.ts";
export { rateLimitPolicy, rateLimitStanding, retryAfterSeconds } from "./limits/rate-limit-headers.ts";
export { RateLimiter, type RateLimiterOptions } from "./limits/rate-limiter.ts";
export type { CountAnswer, CountedBucket, SharedCounts, TakeAnswer } from "./limits/shared-counts.ts";
export { SharedLimits, type SharedLimitsOptions, type SharedLimitsStatus } from "./limits/shared-limits.ts";
export {
  reservationOf,
  type TokenEstimate,
  type TokenReservation,
  tokenCost,
} from "./limits/token-budget.ts";
export { badRequest } from "./protocol/bad-request.ts";
export { type BytesForm, packedElements, withText } from "./protocol/binary-tensor.ts";
export { readInferResponse } from "./protocol/client/read-infer-response.ts";
export { type WrittenRequest, writeInferRequest } from "./protocol/client/write-infer-request.ts";
export {
  type FeatureQuestion,
  type FeaturesAnswer,
  featureQuestions,
  type ReadFeatureColumns,
  writeFeatures,
} from "./protocol/features/features-answer.ts";
export {
  type AskedView,
  askedViews,
  type FeaturesRequest,
  readFeaturesRequest,
} from "./protocol/features/features-request.ts";
export { readGrpcAnswer, writeGrpcInfer } from "./protocol/grpc/client-codec.ts";
export { inferResponseMessage, readGrpcInfer, readInferTarget } from "./protocol/grpc/infer-codec.ts";
export {
  bigintOf,
  type InferRequestMessage,
  type InferResponseMessage,
  type MessageCodec,
  type ModelTarget,
  messages,
  protoFields,
} from "./protocol/grpc/messages.ts";
export { halfBits, halfNumber } from "./protocol/half.ts";
export {
  type InferRequest,
  type Parameter,
  type RequestedOutput,
  readInferRequest,
} from "./protocol/infer-request.ts";
export { type InferAnswer, type WrittenResponse, writeInferResponse } from "./protocol/infer-response.ts";
export { modelConfig, modelMetadata, serverMetadata } from "./protocol/metadata.ts";
export {
  type FlagContext,
  flagName,
  mostFlagContextBytes,
  type OfrepErrorCode,
  readFlagContext,
  readFlagName,
  writeEvaluation,
  writeFailure,
} from "./protocol/ofrep/ofrep.ts";
export { EventSplitter, type StreamEvent } from "./protocol/openai/event-stream.ts";
export {
  promptVariablesField,
  readTextRequest,
  type TextOperation,
  type TextRequest,
  textRequestOf,
  tokensToReserve,
  writeTextRequest,
} from "./protocol/openai/text-request.ts";
export { TextMeter, type TextUsage } from "./protocol/openai/text-usage.ts";
export { gatewayOpenApi } from "./protocol/openapi/document.ts";
export {
  type FlagOperation,
  type ModelOperation,
  type ModelsOperation,
  type Operation,
  readPath,
} from "./protocol/paths.ts";
export { readRawRequest } from "./protocol/raw-request.ts";
export { ModelStatistics } from "./protocol/statistics.ts";
export { elementsOf, numericKinds, rowsOf, type Tensor, type TensorData } from "./protocol/tensor.ts";
export { readV1Predict, writeV1Answer } from "./protocol/v1/predict.ts";
export { AdaptiveLimit } from "./resilience/adaptive-limit.ts";
export {
  type BreakerReason,
  type BreakerState,
  CircuitBreaker,
  defaultBreaker,
} from "./resilience/circuit-breaker.ts";
export { RetryBudget } from "./resilience/retry-budget.ts";
export { champion, chooseVariant, fraction } from "./routing/choose-variant.ts";
export { ruleColumns } from "./routing/routing-problems.ts";
export type {
  LoadedModel,
  ModelRuntime,
  ModelUsage,
  RunOptions,
  RunOutcome,
  RuntimeState,
  RuntimeTier,
  TextModel,
  TextOutcome,
  TraceHeaders,
  VerifiedModel,
} from "./runtime.ts";
export { buildSnapshot, type SnapshotContent } from "./snapshot/build-snapshot.ts";
export { fetchableOf, mayServe } from "./snapshot/placed-parts.ts";
export {
  isSupplement,
  readSupplement,
  type Supplement,
  supplementsOf,
  withSupplements,
} from "./snapshot/supplements.ts";
export {
  checkedJson,
  judgeSnapshotAge,
  type PartVerdict,
  partReader,
  readKeysPart,
  readRoutesPart,
  type SnapshotRefusal,
  type SnapshotVerdict,
  verifySnapshot,
} from "./snapshot/verify-snapshot.ts";
