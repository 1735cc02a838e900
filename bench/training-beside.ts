import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { mlpModel } from "@portolan/onnx-format/testing";
import { TestInstallation } from "../apps/gateway/test/installation.ts";
import { requirePython, trial } from "../packages/training/test/trainer-fixture.ts";
import { live, printStretches } from "./gateway/steady.ts";

/**
 * What a training that takes every processor does to live traffic: one gateway process answers at a steady rate; in every other stretch a trainer
 * computes beside it without a pause, in as many processes as are asked for, behind its walls and as nice as trainers are.
 *
 * Usage: node bench/training-beside.ts [processes of the trainer]
 */
const processes = Number(process.argv[2] ?? 2);
const stretchMs = 6000;
const pairs = 4;

const folder = mkdtempSync(join(tmpdir(), "training-bench-"));
const code = join(folder, "busy.py");
writeFileSync(
  code,
  `import os\nfor _ in range(${processes - 1}):\n    if os.fork() == 0:\n        break\nwhile True:\n    sum(range(10000))\n`,
);
const installation = new TestInstallation();
try {
  const python = await requirePython();
  if (!python) throw new Error("needs Python 3 with venv");
  installation.add("bench", mlpModel([30, 64, 32, 2]));
  await installation.publish(1);
  const gateway = await installation.start();
  const body = JSON.stringify({
    inputs: [
      { name: "x", shape: [1, 30], datatype: "FP32", data: Array.from({ length: 30 }, (_, i) => i / 30) },
    ],
  });
  await live(gateway, body, performance.now() + 2000);
  const seen = { alone: [] as number[][], beside: [] as number[][] };
  for (let pair = 0; pair < pairs; pair++) {
    seen.alone.push(await live(gateway, body, performance.now() + stretchMs));
    const one = await trial(
      python,
      join(folder, `run-${pair}`),
      {},
      { code, threads: processes, graceMs: 100 },
    );
    let isStopped = false;
    const running = one.run().then(
      () => new Error("the trainer ended by itself"),
      (error: unknown) => (isStopped ? undefined : error),
    );
    seen.beside.push(await live(gateway, body, performance.now() + stretchMs));
    isStopped = true;
    one.stop.abort();
    // Beside a trainer that does not compute nothing is measured.
    const fault = await running;
    if (fault !== undefined) throw fault;
  }
  printStretches(seen);
  console.log(
    `a trainer of ${processes} processes, load ${loadavg()[0]?.toFixed(1)}, Node ${process.version}`,
  );
} finally {
  installation.dispose();
  rmSync(folder, { recursive: true, force: true });
}
