import { execFile } from "node:child_process";
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import type { NumericColumn } from "@portolan/monitoring/contract";
import { DriftCounter, numericReference, SeriesJudge } from "@portolan/monitoring/policy";
import { randomOf } from "../test/chaos/random.ts";
import { pythonOf } from "./peers/servers.ts";

/**
 * A drift report on a million rows of fifty columns beside Evidently's: time and peak memory of both. Each is a process of its own. Ours counts
 * what it reads into the cells of a profile that was made before, as gateways do, and judges the counts; the profile is made of at most 250,000 rows of
 * the reference, as the product makes it, and its time is printed beside. Evidently has both sets in memory; its time is without reading them.
 *
 * Usage: node bench/drift-report.ts [--rows 1000000] [--columns 50]
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: "string", default: "1000000" },
    columns: { type: "string", default: "50" },
  },
});
const [rows, columns] = [Number(values.rows), Number(values.columns)];
const chunkRows = 8192;
const mostProfiled = 250_000;
const run = promisify(execFile);

interface Measured {
  readonly seconds: number;
  readonly drifted?: number;
  readonly peakBytes: number;
}

const [step, given] = positionals;
if (step === undefined) await compare();
else if (given !== undefined) await (step === "profile" ? makeProfile(given) : judge(given));

async function compare(): Promise<void> {
  console.log(
    `${rows} rows of ${columns} columns a side; ${cpus().length} × ${cpus()[0]?.model ?? "?"}, Node ${process.versions.node}, load ${loadavg()[0]?.toFixed(1) ?? "?"}`,
  );
  const folder = await mkdtemp(join(tmpdir(), "portolan-drift-"));
  try {
    await writeRows(join(folder, "reference.f32"), 1, 0);
    await writeRows(join(folder, "current.f32"), 2, 0.25);
    const profile = await ours("profile", folder);
    const judged = await ours("judge", folder);
    const python = await pythonOf("evidently");
    const script = join(import.meta.dirname, "peers/evidently_report.py");
    const { stdout } = await run(python, [script, folder, String(rows), String(columns)]);
    const peer = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Measured & {
      readonly loadSeconds: number;
    };
    row("ours: count and judge, reading included", judged);
    row("ours: reference profile, once per version", profile);
    row(`Evidently: report (after ${peer.loadSeconds.toFixed(1)} s of reading)`, peer);
    const ratio = (of: "seconds" | "peakBytes") => (peer[of] / judged[of]).toFixed(1);
    console.log(`ratio: ${ratio("seconds")} × the time, ${ratio("peakBytes")} × the memory`);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function row(name: string, { seconds, drifted, peakBytes }: Measured): void {
  const found = drifted === undefined ? "" : `, ${drifted} columns differ`;
  console.log(`${name}: ${seconds.toFixed(2)} s, peak ${Math.round(peakBytes / 2 ** 20)} MiB${found}`);
}

async function ours(name: string, folder: string): Promise<Measured> {
  const size = ["--rows", String(rows), "--columns", String(columns)];
  const { stdout } = await run(process.execPath, [import.meta.filename, name, folder, ...size]);
  return JSON.parse(stdout) as Measured;
}

/** Normal rows; the first column is moved by `shift` standard deviations. */
async function writeRows(file: string, seed: number, shift: number): Promise<void> {
  const uniform = randomOf(seed);
  await using handle = await open(file, "w");
  for (let done = 0; done < rows; done += chunkRows) {
    const data = new Float32Array(Math.min(chunkRows, rows - done) * columns);
    for (let at = 0; at < data.length; at++) {
      const normal = Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
      data[at] = normal + (at % columns === 0 ? shift : 0);
    }
    await handle.write(new Uint8Array(data.buffer));
  }
}

async function* readRows(file: string): AsyncGenerator<Float32Array> {
  await using handle = await open(file);
  const data = new Float32Array(chunkRows * columns);
  const bytes = new Uint8Array(data.buffer);
  for (;;) {
    let filled = 0;
    while (filled < bytes.length) {
      const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    if (filled === 0) return;
    yield data.subarray(0, filled / 4);
  }
}

async function makeProfile(folder: string): Promise<void> {
  const startedAt = performance.now();
  const every = Math.max(1, Math.ceil(rows / mostProfiled));
  const kept = Math.ceil(rows / every);
  const sets = Array.from({ length: columns }, () => new Float64Array(kept));
  let row = 0;
  for await (const data of readRows(join(folder, "reference.f32")))
    for (let from = 0; from < data.length; from += columns, row++)
      if (row % every === 0)
        for (let column = 0; column < columns; column++) {
          const set = sets[column];
          if (set) set[row / every] = data[from + column] ?? 0;
        }
  const inputs = sets.map((set, column) =>
    numericReference({ tensor: "x", column, name: `x${column}` }, set),
  );
  await writeFile(join(folder, "profile.json"), JSON.stringify(inputs));
  report({ seconds: (performance.now() - startedAt) / 1000 });
}

async function judge(folder: string): Promise<void> {
  const startedAt = performance.now();
  const inputs = JSON.parse(await readFile(join(folder, "profile.json"), "utf8")) as NumericColumn[];
  const counter = new DriftCounter({ inputs, outputs: [] });
  const counts = new Uint32Array(counter.cells);
  for await (const data of readRows(join(folder, "current.f32")))
    counter.count(counts, data.length / columns, [{ name: "x", data }], []);
  const series = new SeriesJudge({
    inputs,
    outputs: [],
    rows: Math.ceil(rows / Math.max(1, Math.ceil(rows / mostProfiled))),
    skipped: [],
  });
  series.add({ start: 0, lastStart: 0, rows, counts: [...counts] });
  // One window is suspected at most: two of them would be called drift.
  const drifted = series.judgement().inputs.filter(({ suspected }) => suspected).length;
  report({ seconds: (performance.now() - startedAt) / 1000, drifted });
}

function report(measured: { readonly seconds: number; readonly drifted?: number }): void {
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  console.log(JSON.stringify({ ...measured, peakBytes }));
}
