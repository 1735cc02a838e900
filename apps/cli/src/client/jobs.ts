import { setTimeout as delay } from "node:timers/promises";
import { PortolanError } from "@portolan/kernel";
import type { CliErrorCode } from "../errors.ts";
import type { ApiClient } from "./api-client.ts";

/** A durable job as `/v1/jobs/:id` shows it. */
export interface JobView {
  readonly id: string;
  readonly queue: string;
  readonly state: string;
  readonly progress: number;
  readonly note?: string;
  readonly result?: unknown;
  readonly error?: string;
}

const pollMs = 200;

/**
 * Waits for a job to end and resolves to its result; the job itself goes on when the waiting stops.
 *
 * @throws PortolanError with the job's own code, or `cli.job_failed` when it was cancelled
 */
export async function waitForJob<T>(
  api: ApiClient,
  id: string,
  onProgress?: (job: JobView) => void,
): Promise<T> {
  for (;;) {
    const job = await api.json<JobView>({ path: `/v1/jobs/${id}` });
    onProgress?.(job);
    if (job.state === "done") return job.result as T;
    if (job.state === "failed" || job.state === "cancelled") throw failure(job);
    await delay(pollMs);
  }
}

function failure(job: JobView): PortolanError {
  return new PortolanError<CliErrorCode>("cli.job_failed", {
    detail: `job ${job.id} (${job.queue}) ${job.state}: ${job.error ?? job.note ?? "no reason given"}`,
    mend: `See its log: portolan logs ${job.id}`,
  });
}
