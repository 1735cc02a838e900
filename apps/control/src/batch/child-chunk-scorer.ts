import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ObjectStore, PortolanError } from "@portolan/kernel";
import { leastPriority } from "@portolan/sandbox";
import type { ChunkRequest, ChunkScorer, ScoredChunk, ScoringErrorCode } from "@portolan/scoring";
import type { LoadedModel, ModelRuntime } from "@portolan/serving/policy";
import { loadUpstream, upstreamOf } from "../scoring/upstream-rows.ts";
import { askWalledChild } from "../scoring/walled-child.ts";
import type { ChunkJob, ChunkReply, RowsAsked } from "./chunk-messages.ts";
import { away, UpstreamCaller, type UpstreamCallerOptions } from "./upstream-caller.ts";

const entry = fileURLToPath(new URL("./chunk-child.ts", import.meta.url));
/** Fifty thousand rows of a slow model, on a machine whose live traffic comes first; where another server runs it, the time between two of its answers. */
const defaultLimitMs = 60 * 60_000;
const memoryBytes = 4 * 2 ** 30;

export interface ChunkScorerDeps extends UpstreamCallerOptions {
  readonly objects: ObjectStore;
  readonly workFolder: string;
  /** Loads versions that other servers run, as gateways do: with their addresses, credentials and checks. */
  readonly upstreams: ModelRuntime;
  /** Milliseconds that a chunk may take, or where another server runs the version that may pass without an answer. Default: an hour. */
  readonly limitMs?: number;
}

/**
 * Scores chunks in a child process that sees the model, the rows and its own folder, and nothing else. Where another server runs the
 * version the child has no network either: it asks this process, which asks the server.
 */
export function createChunkScorer(deps: ChunkScorerDeps): ChunkScorer {
  return {
    async score(request, signal, onUsed) {
      if (!request.upstream) return scoreChunk(deps, request, signal, { onUsed });
      const model = await openUpstream(deps, request);
      try {
        const caller = new UpstreamCaller(model, request.upstream, signal, deps);
        return { ...(await scoreChunk(deps, request, signal, { caller })), upstream: caller.use };
      } finally {
        await model.close();
      }
    },
  };
}

/** @throws PortolanError `scoring.upstream_away`, `upstream.*` */
async function openUpstream(
  { objects, upstreams }: ChunkScorerDeps,
  { model, label }: ChunkRequest,
): Promise<LoadedModel> {
  const description = await upstreamOf(objects, model);
  if (!description || description.protocol === "openai") throw failed(`${label} takes no rows elsewhere`);
  const loaded = await loadUpstream(upstreams, objects, model, description);
  const state = loaded.state();
  if (state.kind === "ready") return loaded;
  await loaded.close();
  throw away(state.kind === "unavailable" ? state.detail : "it has not answered yet");
}

async function scoreChunk(
  { objects, workFolder, limitMs = defaultLimitMs }: ChunkScorerDeps,
  { model, dataset, plan, keys, from, rows, label }: ChunkRequest,
  signal: AbortSignal,
  {
    caller,
    onUsed,
  }: { readonly caller?: UpstreamCaller; readonly onUsed?: Parameters<ChunkScorer["score"]>[2] },
): Promise<ScoredChunk> {
  await mkdir(workFolder, { recursive: true });
  const folder = await mkdtemp(join(workFolder, "chunk-"));
  try {
    const output = join(folder, "chunk.parquet");
    const job: ChunkJob = {
      ...(caller ? {} : { modelPath: await objects.localPath(model) }),
      datasetPath: await objects.localPath(dataset),
      output,
      plan,
      keys,
      from,
      rows,
      label,
    };
    const walled = {
      entry,
      readable: [...(job.modelPath === undefined ? [] : [job.modelPath]), job.datasetPath],
      writable: [folder],
      memoryBytes,
      limitMs,
      // It takes what the machine's other work leaves.
      niceness: leastPriority,
      ...(onUsed ? { onDemand: (cpuMicros: number) => onUsed({ cpuMicros }) } : {}),
      answer: (message: unknown) => {
        const asked = message as ChunkReply | RowsAsked;
        return asked.kind === "run" ? caller?.answer(asked) : undefined;
      },
    };
    const reply = await askWalledChild<ChunkReply>(walled, job, signal, failed);
    if (reply.kind === "refused") throw failed(reply.reason);
    const { digest } = await objects.putFile(output);
    const { rows: scored, refused, rowsPerRun, columns, cpuSeconds, bytes } = reply;
    return { object: digest, rows: scored, refused, rowsPerRun, columns, cpuSeconds, bytes };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function failed(detail: string): PortolanError<ScoringErrorCode> {
  return new PortolanError("scoring.chunk_failed", {
    detail,
    mend: "Check the columns against the model's inputs: portolan score --dry-run shows which fill which.",
  });
}
