import { fork } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { runAnalysis } from "@portolan/duckdb";
import { createLogger, systemClock } from "@portolan/kernel";
import { openFolderObjectStore } from "@portolan/objectstore";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { mlpModel } from "@portolan/onnx-format/testing";
import { createUpstreamRuntime, openUpstreamAccess } from "@portolan/upstream";
import { createChunkScorer } from "../apps/control/src/batch/child-chunk-scorer.ts";
import { TestInstallation } from "../apps/gateway/test/installation.ts";
import { live, printStretches } from "./gateway/steady.ts";

/**
 * What a batch does to live traffic: `node bench/batch-scoring.ts`. One gateway process answers at a steady rate; in every other stretch chunks
 * are scored beside it. Medians over the stretches of p50 and p99, and what a row costs.
 */
const stretchMs = 6000;
const pairs = 4;
const rows = 50_000;

const folder = mkdtempSync(join(tmpdir(), "batch-bench-"));
const bytes = mlpModel([30, 64, 32, 2]);
const signature = signatureOf(readOnnxModel(bytes));
const [input] = signature.inputs;
if (!input) throw new Error("the model has no input");
const columns = Array.from({ length: 30 }, (_, i) => `f${i}`);

/** Nobody runs the model elsewhere here. */
const upstreams = createUpstreamRuntime({
  access: openUpstreamAccess(undefined, undefined),
  log: createLogger({ name: "bench", level: "error" }),
});

async function prepare() {
  const file = join(folder, "work/rows.parquet");
  const values = columns.map((name, at) => `sin(i * ${at + 1} * 0.7) as ${name}`);
  const sql = `copy (select i as id, ${values.join(", ")} from range(${rows}) t(i)) to '${file}' (format parquet)`;
  await runAnalysis({ statements: [{ sql }], readable: [], workFolder: join(folder, "work") });
  const objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
  const chunk = {
    model: await objects.put(bytes),
    dataset: await objects.put(readFileSync(file)),
    plan: {
      signature,
      inputs: [
        {
          spec: input as NonNullable<typeof input>,
          columns: columns.map((column) => ({ column, standIn: null })),
        },
      ],
      nonFinite: "refuse",
      nonFiniteOutputs: "refuse",
    },
    keys: ["id"],
    from: 0,
    rows,
    label: "bench/1",
  } as const;
  return { scorer: createChunkScorer({ objects, workFolder: join(folder, "scoring"), upstreams }), chunk };
}

/** Chunk after chunk, as control's job does it: in a process of its own, so that the client's clock is not held up by it. */
async function scoreUntilStopped(): Promise<void> {
  const { scorer, chunk } = await prepare();
  process.send?.({ kind: "ready" });
  let isWanted = false;
  process.on("message", (message: { score: boolean }) => void (isWanted = message.score));
  process.on("disconnect", () => process.exit(0));
  for (;;) {
    if (!isWanted) await sleep(20);
    else {
      const { rows: scored, cpuSeconds } = await scorer.score(chunk, new AbortController().signal);
      process.send?.({ kind: "scored", scored, cpuSeconds });
    }
  }
}

async function measure(): Promise<void> {
  const installation = new TestInstallation();
  const batch = fork(fileURLToPath(import.meta.url), ["batch"]);
  let scoredRows = 0;
  let cpu = 0;
  const ready = new Promise<void>((resolve) =>
    batch.on("message", (message: { kind: string; scored?: number; cpuSeconds?: number }) => {
      if (message.kind === "ready") resolve();
      scoredRows += message.scored ?? 0;
      cpu += message.cpuSeconds ?? 0;
    }),
  );
  try {
    installation.add("bench", bytes);
    await installation.publish(1);
    const gateway = await installation.start();
    await ready;
    const body = JSON.stringify({
      inputs: [{ name: input?.name, shape: [1, 30], datatype: "FP32", data: columns.map((_, i) => i / 30) }],
    });
    await live(gateway, body, performance.now() + 2000);
    const seen = { alone: [] as number[][], beside: [] as number[][] };
    for (let pair = 0; pair < pairs; pair++) {
      seen.alone.push(await live(gateway, body, performance.now() + stretchMs));
      batch.send({ score: true });
      seen.beside.push(await live(gateway, body, performance.now() + stretchMs));
      const before = scoredRows;
      batch.send({ score: false });
      // The chunk that is under way ends first: it must not run into the next stretch.
      for (let waited = 0; scoredRows === before && waited < 200; waited++) await sleep(50);
    }
    printStretches(seen);
    console.log(`${scoredRows} rows scored beside, ${((cpu / scoredRows) * 1e6).toFixed(1)} µs of CPU a row`);
  } finally {
    batch.kill();
    installation.dispose();
  }
}

try {
  await (process.argv[2] === "batch" ? scoreUntilStopped() : measure());
} finally {
  rmSync(folder, { recursive: true, force: true });
}
