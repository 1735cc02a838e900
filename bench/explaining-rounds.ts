import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ExplanationBackground } from "@portolan/evaluation/contract";
import { countCovers } from "@portolan/explanations";
import { systemClock } from "@portolan/kernel";
import { openFolderObjectStore } from "@portolan/objectstore";
import { createSession } from "@portolan/onnx/session";
import { readOnnxModel, readTreeEnsemble, signatureOf } from "@portolan/onnx-format";
import { treesModel } from "@portolan/onnx-format/testing";
import type {
  ExplainChildJob,
  ExplainChildNews,
  ExplainChildReply,
} from "../apps/control/src/explaining/explain-messages.ts";

/**
 * CPU time of an explanation, of all processes: in a process of its own, as on request, and in rounds of one process, as where a charter has predictions explained. 100 trees of depth 6
 * over 30 columns.
 *
 * Usage: node bench/explaining-rounds.ts [alone] [together]
 */
const [alone = 5, together = 200] = process.argv.slice(2).map(Number);
const [trees, columns, depth] = [100, 30, 6];
const names = Array.from({ length: columns }, (_, at) => `c${at}`);
const bytes = treesModel(trees, columns, depth);
const ensemble = readTreeEnsemble(bytes);
if (!ensemble) throw new Error("no trees");
const table = Float32Array.from({ length: 20_000 * columns }, () => Math.random());
const entry = fileURLToPath(new URL("../apps/control/src/explaining/explain-child.ts", import.meta.url));
const folder = await mkdtemp(join(tmpdir(), "rounds-"));
const objects = await openFolderObjectStore(folder, systemClock);
const model = await objects.put(bytes);
const covers = countCovers(ensemble, table, columns).map((counts) => [...counts]);
const data = { trainingSetId: "ts_1", digest: model, rows: 20_000, sampledEvery: 1 };
const stored: ExplanationBackground = { format: 1, model, data, columns: names, covers };
const background = await objects.put(Buffer.from(JSON.stringify(stored)));
const session = await createSession(bytes, signatureOf(readOnnxModel(bytes)));

async function aPrediction(at: number) {
  const row = table.subarray(at * columns, (at + 1) * columns);
  const input = { name: "x", datatype: "FP32" as const, shape: [1, columns] };
  const outputs = (await session.run([{ ...input, data: row }])).map(({ name, data: said }) => ({
    name,
    data: Array.from(said as Float32Array, Number),
  }));
  const text = JSON.stringify({ inputs: [{ ...input, data: [...row] }] });
  return {
    recorded: { kind: "body" as const, text },
    answer: JSON.stringify({ outputs }),
    top: 5,
    fixed: [],
  };
}

/** Of this process and of those that it started and that have ended, in milliseconds; the kernel counts in hundredths of a second. */
function cpuMs(): number {
  const fields = readFileSync("/proc/self/stat", "utf8").split(") ")[1]?.split(" ") ?? [];
  return [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) * 10;
}

/** Without its walls: what ends behind them is not counted. Resolves once it is gone, to how many it told of before its reply. */
async function askChild(job: ExplainChildJob): Promise<number> {
  const child = fork(entry, { serialization: "advanced", env: { TZ: "UTC" } });
  const gone = once(child, "exit");
  let told = 0;
  child.on("message", (message: ExplainChildNews | ExplainChildReply) => {
    if (message.kind === "refused") throw new Error(message.reason);
    if (message.kind !== "one") return;
    if (message.result.kind === "refused") throw new Error(message.result.reason);
    told += 1;
    child.send({});
  });
  child.send(job);
  await gone;
  return told;
}

async function measured(what: string, count: number, work: () => Promise<void>): Promise<void> {
  const cpu = cpuMs();
  await work();
  console.log(`${what}: ${((cpuMs() - cpu) / count).toFixed(1)} ms of CPU an explanation, of ${count}`);
}

const [modelPath, backgroundPath] = [await objects.localPath(model), await objects.localPath(background)];
const predictions = await Promise.all(Array.from({ length: together }, (_, at) => aPrediction(at)));
const load = loadavg().map((value) => value.toFixed(1));
console.log(
  `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "cpu"}, load ${load.join(" ")}`,
);
try {
  await measured("alone", alone, async () => {
    for (const asked of predictions.slice(0, alone))
      await askChild({ kind: "explain", modelPath, backgroundPath, row: 0, ...asked });
  });
  for (const count of [10, together])
    await measured(`round of ${count}`, count, async () => {
      const asked = predictions.slice(0, count);
      const paths = { modelPath, backgroundPath };
      const told = await askChild({ kind: "explain_many", ...paths, asked, mostRows: 20, workMs: 600_000 });
      if (told !== count) throw new Error(`${told} of ${count} were told of`);
    });
} finally {
  await rm(folder, { recursive: true });
}
