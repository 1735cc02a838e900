import { isPortolanError, PortolanError } from "@portolan/kernel";
import type {
  Durability,
  PredictionContext,
  PredictionRecord,
  PredictionWriter,
  Submitted,
} from "@portolan/predictions/contract";
import type { ServingErrorCode } from "@portolan/serving/policy";
import type { ChainAnswer } from "./answer-chain.ts";
import { inPlaceOf } from "./fallback-context.ts";
import type { InferCall, WrittenAnswer } from "./infer-call.ts";
import { bytesOf, latencyOf, type Progress } from "./progress.ts";
import { replayedId } from "./replayed-id.ts";

type Ending = Pick<PredictionRecord, "latency" | "status"> & Partial<PredictionRecord>;

/**
 * Puts a prediction on the record.
 * @returns its id, once the record is as safe as the charter asks
 * @throws PortolanError `serving.log_unavailable`, `serving.record_too_large`: what cannot be recorded is not answered
 */
export async function appendRecord(
  writer: PredictionWriter,
  progress: Progress,
  { context, durability }: { readonly context: PredictionContext; readonly durability: Durability },
  ending: Ending,
): Promise<string> {
  const { purpose, onBehalfOf } = progress.admission ?? {};
  try {
    const { id, written } = writer.submit(
      {
        context,
        principal: progress.principal,
        requestId: progress.requestId,
        receivedAt: progress.receivedAt,
        ...(purpose === undefined ? {} : { purpose }),
        ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
        ...(progress.subject === undefined ? {} : { subject: progress.subject }),
        ...(progress.namesVersion === true ? { namesVersion: true } : {}),
        ...(progress.flag ? { flag: progress.flag } : {}),
        ...ending,
      },
      { durability },
    );
    await written;
    return id;
  } catch (cause) {
    throw notRecorded(cause);
  }
}

/** What the caller is told when a record could not be written. */
export function notRecorded(cause: unknown): PortolanError<ServingErrorCode> {
  if (isPortolanError(cause) && cause.code === "predictions.record_too_large")
    return new PortolanError<ServingErrorCode>("serving.record_too_large", {
      detail:
        "Request and answer together are larger than a record takes, so the prediction is not answered.",
      mend: "Send fewer rows at a time.",
      cause,
    });
  return new PortolanError<ServingErrorCode>("serving.log_unavailable", {
    detail: `The prediction cannot be recorded${isPortolanError(cause) ? ` (${cause.code})` : ""}, so it is not answered.`,
    mend: "Make room on the gateway's disk.",
    cause,
  });
}

/**
 * Hands over the record of an answer: by which version, from what, and what it said.
 * @returns its id, and when it is as safe as the charter asks; whoever waits for that says `notRecorded` when it fails
 * @throws what `PredictionWriter.submit` throws
 */
export function submitAnswer(
  writer: PredictionWriter,
  progress: Progress,
  call: Pick<InferCall, "mediaType" | "headers">,
  { answer, written }: { readonly answer: ChainAnswer; readonly written: WrittenAnswer },
): Submitted {
  const { by, fallback } = answer;
  const record: Writable<PredictionRecord> = {
    context: contextOf(answer),
    principal: progress.principal,
    requestId: progress.requestId,
    receivedAt: progress.receivedAt,
    inputs: { mediaType: call.mediaType, bytes: progress.body ?? new Uint8Array() },
    outputs: { mediaType: written.contentType, bytes: written.body },
    latency: latencyOf(progress, answer),
    status: answered,
    bytes: bytesOf(progress, written.body.length),
  };
  // Set one by one: putting it together by spreading takes several times as long, and every answer has a record.
  const { purpose, onBehalfOf } = progress.admission ?? {};
  if (purpose !== undefined) record.purpose = purpose;
  if (onBehalfOf !== undefined) record.onBehalfOf = onBehalfOf;
  if (progress.subject !== undefined) record.subject = progress.subject;
  if (answer.used.length > 0) record.features = answer.used;
  const whyNotFirst = fallback?.reason ?? answer.failover;
  if (whyNotFirst !== undefined) record.fallbackReason = whyNotFirst;
  if (answer.statedTime !== undefined) record.eventTime = answer.statedTime;
  const replayOf = replayedId(call);
  if (replayOf !== undefined) record.replayOf = replayOf;
  if (progress.namesVersion === true) record.namesVersion = true;
  if (progress.flag) record.flag = progress.flag;
  return writer.submit(record, { durability: by.route.durability });
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

const answered = { kind: "ok" } as const;

function contextOf({ by, fallback, failover }: ChainAnswer): PredictionContext {
  if (!fallback) return failover && by.backend ? by.backend.failoverContext : by.context;
  const isLocal = fallback.answeredBy === "rule" || fallback.answeredBy === "fixed";
  return inPlaceOf(isLocal ? by.ruleContext : by.fallbackContext, fallback.insteadOf);
}
