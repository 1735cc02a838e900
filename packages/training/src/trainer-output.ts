import { lstat, readFile } from "node:fs/promises";
import { join } from "node:path";
import { PortolanError } from "@portolan/kernel";
import type { TrainingErrorCode } from "./errors.ts";

/** Of `metrics.json`. */
export const mostMetricsBytes = 2 ** 20;

/**
 * What a trainer that ended by itself has left.
 *
 * @param log path of what it wrote: its last lines say why there is no model.
 * @returns the path of the model, and its metrics.
 * @throws PortolanError `training.trainer_failed`
 */
export async function readOutput(
  output: string,
  log: string,
): Promise<{ readonly model: string; readonly metrics: Readonly<Record<string, number>> }> {
  const model = join(output, "model.onnx");
  if (!(await isPlainFile(model))) throw failed(`the trainer left no model.onnx: ${await lastLines(log)}`);
  return { model, metrics: await readMetrics(join(output, "metrics.json")) };
}

async function readMetrics(path: string): Promise<Record<string, number>> {
  if (!(await isPlainFile(path))) throw failed("the trainer left no metrics.json");
  if ((await lstat(path)).size > mostMetricsBytes) throw failed("metrics.json is larger than a mebibyte");
  return metricsOf(await readFile(path, "utf8"));
}

/**
 * The metrics that a trainer left, of the text of its `metrics.json`. Pure.
 *
 * @throws PortolanError `training.trainer_failed`
 */
export function metricsOf(text: string): Record<string, number> {
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found === "object" && found !== null && !Array.isArray(found)) {
      const entries = Object.entries(found);
      if (entries.every(([, value]) => typeof value === "number" && Number.isFinite(value)))
        return Object.fromEntries(entries) as Record<string, number>;
    }
  } catch {
    // NaN and Infinity, which Python writes, are no JSON: the answer below says what is wanted.
  }
  throw failed("metrics.json is not an object of finite numbers");
}

/** What it said last, for whoever asks why it failed. */
export async function lastLines(log: string): Promise<string> {
  const text = await readFile(log, "utf8").catch(() => "");
  return text.trim().split("\n").slice(-3).join(" | ").slice(-600);
}

export function failed(detail: string): PortolanError<TrainingErrorCode> {
  return new PortolanError("training.trainer_failed", {
    detail,
    mend: "Read its log with GET /v1/training-runs/<id>/logs.",
  });
}

/** A link would let the trainer have files published that it was never given. */
async function isPlainFile(path: string): Promise<boolean> {
  return lstat(path).then(
    (found) => found.isFile() && found.size > 0,
    () => false,
  );
}
