import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ObjectStore, PortolanError } from "@portolan/kernel";
import type { ChunkScorer, ScoringErrorCode } from "@portolan/scoring";
import { askWalledChild } from "../scoring/walled-child.ts";
import type { ChunkJob, ChunkReply } from "./chunk-messages.ts";

const entry = fileURLToPath(new URL("./chunk-child.ts", import.meta.url));
/** Fifty thousand rows of a slow model, on a machine whose live traffic comes first. */
const limitMs = 60 * 60_000;
const memoryBytes = 4 * 2 ** 30;
/** It takes what the machine's other work leaves. */
const niceness = 19;

/** Scores chunks in a child process that sees the model, the rows and its own folder, and nothing else. */
export function createChunkScorer(objects: ObjectStore, workFolder: string): ChunkScorer {
  return {
    async score({ model, dataset, plan, keys, from, rows, label }, signal) {
      await mkdir(workFolder, { recursive: true });
      const folder = await mkdtemp(join(workFolder, "chunk-"));
      try {
        const output = join(folder, "chunk.parquet");
        const job: ChunkJob = {
          modelPath: await objects.localPath(model),
          datasetPath: await objects.localPath(dataset),
          output,
          plan,
          keys,
          from,
          rows,
          label,
        };
        const readable = [job.modelPath, job.datasetPath];
        const walled = { entry, readable, writable: [folder], memoryBytes, limitMs, niceness };
        const reply = await askWalledChild<ChunkReply>(walled, job, signal, failed);
        if (reply.kind === "refused") throw failed(reply.reason);
        const { digest } = await objects.putFile(output);
        const { rows: scored, refused, rowsPerRun, columns, cpuSeconds } = reply;
        return { object: digest, rows: scored, refused, rowsPerRun, columns, cpuSeconds };
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

function failed(detail: string): PortolanError<ScoringErrorCode> {
  return new PortolanError("scoring.chunk_failed", {
    detail,
    mend: "Check the columns against the model's inputs: portolan score --dry-run shows which fill which.",
  });
}
