import { Worker } from "node:worker_threads";
import { PortolanError } from "@portolan/kernel";
import { corrupt } from "../format/payload-codec.ts";
import type { ArchiveAnswers, ArchiveWork } from "./archive-work.ts";

interface Told {
  readonly answer?: unknown;
  readonly failure?: string;
  readonly isCorrupt?: boolean;
}

/**
 * Runs archive work in a thread that ends with it.
 * @throws PortolanError `predictions.corrupt` when what it reads is damaged, `kernel.internal` when the thread dies
 */
export async function runArchiveWork<K extends ArchiveWork["kind"]>(
  work: Extract<ArchiveWork, { readonly kind: K }>,
): Promise<ArchiveAnswers[K]> {
  const thread = new Worker(new URL("./archive-thread.ts", import.meta.url), { workerData: work });
  try {
    const told = await new Promise<Told>((resolve, reject) => {
      thread.once("message", resolve);
      thread.once("error", reject);
      thread.once("exit", () => reject(failed("the archive thread ended without an answer")));
    });
    if (told.failure !== undefined) throw told.isCorrupt ? corrupt(told.failure) : failed(told.failure);
    return told.answer as ArchiveAnswers[K];
  } finally {
    await thread.terminate();
  }
}

function failed(detail: string): PortolanError {
  return new PortolanError("kernel.internal", { detail });
}
