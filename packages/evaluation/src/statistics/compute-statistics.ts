import { Worker } from "node:worker_threads";
import { messageOf, PortolanError } from "@portolan/kernel";
import type { RowMetrics } from "../contract.ts";
import type { EvaluationErrorCode } from "../errors.ts";
import type {
  AnyCompareTask,
  AnyMeasureTask,
  Compared,
  StatisticsAnswer,
  StatisticsTask,
} from "./statistics-task.ts";

/** Beside the rows' own arrays, which lie outside of it. */
const memoryMib = 1024;

/**
 * Metrics, intervals, slices and groups of a version's scores, in a thread of their own.
 * @throws PortolanError `evaluation.not_scorable` for scores that statistics refuse; the signal's reason
 */
export async function measureScores(task: AnyMeasureTask, signal: AbortSignal): Promise<RowMetrics> {
  const answer = await inThread(task, signal);
  if (answer.kind !== "measured") throw refusal(answer);
  return answer.metrics;
}

/** What two versions differ by, in a thread of its own. @throws as `measureScores` */
export async function compareInThread(task: AnyCompareTask, signal: AbortSignal): Promise<Compared> {
  const answer = await inThread(task, signal);
  if (answer.kind !== "compared") throw refusal(answer);
  const { kind: _, ...compared } = answer;
  return compared;
}

/** Statistics of a million rows take seconds, and the thread that calls this answers the API. */
async function inThread(task: StatisticsTask, signal: AbortSignal): Promise<StatisticsAnswer> {
  signal.throwIfAborted();
  const worker = new Worker(new URL("./statistics-worker.ts", import.meta.url), {
    workerData: task,
    // Nothing of the process's own: neither secrets in the environment nor loaders of its command line.
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: memoryMib },
  });
  const { promise, resolve, reject } = Promise.withResolvers<StatisticsAnswer>();
  worker.once("message", resolve);
  worker.once("error", (error) => reject(ended(messageOf(error))));
  worker.once("exit", () => reject(ended("it ended without an answer")));
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
    await worker.terminate();
  }
}

function refusal(answer: StatisticsAnswer): PortolanError {
  if (answer.kind !== "refused")
    return ended("detail" in answer ? answer.detail : `it answered that it had ${answer.kind}`);
  return new PortolanError<EvaluationErrorCode>("evaluation.not_scorable", {
    detail: answer.detail,
    mend: "Give held-out rows with labels as the charter's model.task has them (both classes, numbers of classes, or quantities), and the model's own feature columns.",
  });
}

function ended(reason: string): PortolanError {
  return new PortolanError("kernel.internal", { detail: `the statistics' thread failed: ${reason}` });
}
