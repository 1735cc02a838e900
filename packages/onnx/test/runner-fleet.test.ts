import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mlpModel } from "@portolan/onnx-format/testing";
import type { LoadedModel, Tensor } from "@portolan/serving/policy";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createOnnxRuntime } from "../src/index.ts";
import { optionsWith, tier, until, verified } from "./onnx-fixture.ts";

let folder = "";
let model: LoadedModel;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "fleet-"));
  const runtime = createOnnxRuntime(optionsWith(join(folder, "quarantine.json")));
  model = await runtime.load(verified(mlpModel([30, 1024, 1024, 2]), "imported"));
});
afterEach(async () => {
  await model.close();
  rmSync(folder, { recursive: true });
});

const row: Tensor = {
  name: "x",
  datatype: "FP32",
  shape: [1, 30],
  data: Float32Array.from({ length: 30 }, (_, i) => Math.sin(i)),
};
const ask = () => model.run([row], { timeoutMs: 60_000 });

/** Processes of this one that run a model; those that stand as walls before them are not counted. */
function runners(): number[] {
  const parents = new Map<number, { readonly parent: number; readonly isRunner: boolean }>();
  for (const name of readdirSync("/proc").filter((one) => /^\d+$/.test(one)))
    try {
      const status = readFileSync(`/proc/${name}/status`, "utf8");
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8");
      const parent = Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]);
      const isNode = /^(\S*\/)?node\0/.test(command) || command.startsWith(process.execPath);
      parents.set(Number(name), { parent, isRunner: isNode && command.includes("runner-main") });
    } catch {
      // It ended between the listing and the look.
    }
  const isOurs = (pid: number): boolean =>
    pid === process.pid || (pid > 1 && isOurs(parents.get(pid)?.parent ?? 0));
  const walls = new Set([...parents.values()].flatMap(({ parent, isRunner }) => (isRunner ? [parent] : [])));
  return [...parents]
    .filter(([pid, { isRunner }]) => isRunner && isOurs(pid) && !walls.has(pid))
    .map(([pid]) => pid);
}

test.skipIf(process.platform !== "linux")(
  "runners come and go with the number that is asked for, and each answers alike",
  async () => {
    expect(tier(model)).toBe("runner");
    const first = await ask();
    const expected = first.kind === "ok" ? first.outputs : [];
    await model.scale?.(3);
    expect([model.usage().lanes, runners().length]).toEqual([3, 3]);
    const outcomes = await Promise.all(Array.from({ length: 30 }, ask));
    for (const outcome of outcomes)
      expect(outcome.kind === "ok" ? outcome.outputs[0]?.data[0] : outcome).toBeCloseTo(
        Number(expected[0]?.data[0]),
        5,
      );
    await model.scale?.(1);
    expect([model.usage().lanes, (await ask()).kind]).toEqual([1, "ok"]);
    await until(() => runners().length === 1);
  },
);

test.skipIf(process.platform !== "linux")(
  "one that is killed from outside leaves the others at work, and comes back",
  async () => {
    await model.scale?.(3);
    const [victim = 0] = runners();
    let isOver = false;
    const kinds = new Set<string>();
    const clients = Array.from({ length: 6 }, async () => {
      while (!isOver) kinds.add((await ask()).kind);
    });
    process.kill(victim, "SIGKILL");
    await until(() => model.usage().lanes === 2);
    await until(() => model.usage().lanes === 3);
    isOver = true;
    await Promise.all(clients);
    expect([...kinds]).toEqual(["ok"]);
  },
);

test.skipIf(process.platform !== "linux")(
  "fewer runners are those that are ready, whichever died; more come in the place of the dead",
  async () => {
    await model.scale?.(3);
    const [first = 0] = runners();
    process.kill(first, "SIGKILL");
    await until(() => model.usage().lanes === 2);
    await model.scale?.(1);
    // At once, without a wait for the one that is starting again.
    expect([model.usage().lanes, model.state().kind, (await ask()).kind]).toEqual([1, "ready", "ok"]);
    await model.scale?.(3);
    expect(model.usage().lanes).toBe(3);
    await until(() => runners().length === 3);
  },
);
