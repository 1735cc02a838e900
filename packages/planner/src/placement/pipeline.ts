import type { CharterDocument } from "@portolan/charter/contract";
import { parseDurationMs } from "@portolan/kernel";

export interface PipelineChoice {
  /** What brings the data; `none` where nothing is looked up. */
  readonly ingest: "none" | "batch" | "streaming";
  /** Whether values are looked up while somebody waits, from an online store. */
  readonly serving: boolean;
  readonly reasons: readonly string[];
}

/** An hourly batch is the fastest that the articles call one. */
export const pipelineThresholds = { batchFromFreshnessMs: 3_600_000 } as const;

/** The least pipeline that gives the freshness asked for: more is built when a constraint asks for it. Pure. */
export function choosePipeline(document: CharterDocument): PipelineChoice {
  const { featureFreshness } = document.requirements;
  const views = document.data.featureViews ?? [];
  if (views.length === 0 && featureFreshness === undefined)
    return { ingest: "none", serving: false, reasons: ["the request brings all that the model reads"] };
  const isWaitedFor = document.nonNegotiables.latencyClass !== "batch";
  const serving = isWaitedFor
    ? "somebody waits for the answer: values are served from an online store"
    : "nobody waits: values are read where they are kept";
  if (featureFreshness === undefined)
    return { ingest: "batch", serving: isWaitedFor, reasons: ["no freshness is asked for", serving] };
  const isFast = parseDurationMs(featureFreshness) < pipelineThresholds.batchFromFreshnessMs;
  return {
    ingest: isFast ? "streaming" : "batch",
    serving: isWaitedFor,
    reasons: [
      isFast
        ? `values no older than ${featureFreshness} take a stream`
        : `values may be ${featureFreshness} old: hourly batches do`,
      serving,
    ],
  };
}
