import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { digestBytes } from "@portolan/kernel";
import { type PrivacyLoss, privacyLossOf } from "@portolan/numerics";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { runTrainer } from "@portolan/training";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { modelTrial } from "../../../apps/cli/src/adopt/model-trial.ts";
import { pythonClient } from "../../../tools/python-client.ts";
import { runCommand } from "../../../tools/run-command.ts";

/** The accountant against Google's dp-accounting, and the shipped DP-SGD program behind the trainers' walls. */
const python = await pythonClient("adoption");
const program = fileURLToPath(new URL("../../../packages/training/programs/dp_sgd.py", import.meta.url));

describe.skipIf(python === undefined)("differential privacy", () => {
  const folder = mkdtempSync(join(tmpdir(), "dp-"));
  let prefix = "";
  beforeAll(async () => {
    const made = `import sys, numpy, pyarrow, pyarrow.parquet
rows = numpy.random.default_rng(1).normal(size=(4000, 2))
rows[::50, 1] = numpy.nan
late = numpy.nan_to_num(rows[:, 0] + rows[:, 1]) > 0.3
pyarrow.parquet.write_table(pyarrow.table({"a": rows[:, 0], "b": rows[:, 1], "late": late}), "rows.parquet")
print(sys.base_prefix)`;
    const { exitCode, output } = await runCommand(python ?? "", ["-c", made], { cwd: folder });
    expect(exitCode, output).toBe(0);
    prefix = output.trim();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const params = {
    noise_multiplier: 1.1,
    sampling_rate: 0.02,
    steps: 400,
    clipping_norm: 1,
    learning_rate: 4,
    ranges: "a=-3:3, b=-3:3",
  };
  const train = async (name: string, given: Readonly<Record<string, number | string | boolean>>) => {
    const run = join(folder, name);
    await mkdir(run);
    const paramsFile = join(run, "params.json");
    writeFileSync(
      paramsFile,
      JSON.stringify({ params: given, features: ["a", "b"], label: "late", seed: 7 }),
    );
    writeFileSync(join(run, "train.py"), readFileSync(program));
    const { model, metrics } = await runTrainer({
      interpreter: python ?? "",
      code: join(run, "train.py"),
      trainingSet: join(folder, "rows.parquet"),
      paramsFile,
      folder: run,
      readable: [join(python ?? "", "../.."), prefix],
      hidden: [],
      threads: 1,
      memoryLimitBytes: 2 ** 33,
      diskLimitBytes: 2 ** 30,
      cpuSeconds: 120,
      timeoutMs: 240_000,
      signal: new AbortController().signal,
    });
    return { bytes: readFileSync(model), metrics };
  };

  test("the accountant says what dp-accounting says, on cases that no file keeps", async () => {
    const random = (
      (state: number) => () =>
        (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
    )(1127);
    const cases = Array.from({ length: 40 }, () => ({
      noiseMultiplier: 0.4 + 4 * random(),
      samplingRate: 10 ** (-4 * random()),
      steps: Math.ceil(10 ** (4 * random())),
      delta: 10 ** -(3 + 6 * random()),
    }));
    const oracle = join(import.meta.dirname, "accountant.py");
    const { exitCode, output } = await runCommand(python ?? "", [oracle, JSON.stringify(cases)], {
      cwd: folder,
    });
    expect(exitCode, output).toBe(0);
    const theirs = JSON.parse(output.trim().split("\n").at(-1) ?? "") as PrivacyLoss[];
    const wrong = cases.filter((one, at) => {
      const theirEpsilon = theirs[at]?.epsilon ?? Number.NaN;
      return !(Math.abs(privacyLossOf(one).epsilon - theirEpsilon) <= 1e-7 * Math.max(1, theirEpsilon));
    });
    expect([theirs.length, wrong]).toEqual([40, []]);
  });

  test("the shipped program learns, and leaves a model that the gateway's runner takes, holes included", async () => {
    const { bytes, metrics } = await train("plain", params);
    expect(metrics).toEqual({ rows: 4000, steps: 400, expected_rows_of_a_step: 80 });
    expect(signatureOf(readOnnxModel(bytes))).toMatchObject({
      inputs: [{ name: "features", shape: [-1, 2] }],
      outputs: [
        { name: "label", shape: [-1] },
        { name: "probabilities", shape: [-1, 2] },
      ],
    });
    const values = [2, 2, -2, -2, 1000, Number.NaN];
    const { label, probabilities } = await modelTrial().try({ bytes, digest: digestBytes(bytes) }, (probe) =>
      probe.run(3, [{ name: "features", columns: 2, values }]),
    );
    expect(label).toEqual([[1], [0], [1]]);
    expect(probabilities?.[0]?.[1]).toBeGreaterThan(0.8);
    expect(probabilities?.[1]?.[1]).toBeLessThan(0.2);
  });

  test("its noise is another one each time, unless somebody asks for one that can be made again", async () => {
    const short = { ...params, steps: 5 };
    const models = await Promise.all([train("one", short), train("two", short)]);
    expect(models[0].bytes.equals(models[1].bytes)).toBe(false);
    const same = { ...short, reproducible: true };
    const again = await Promise.all([train("three", same), train("four", same)]);
    expect(again[0].bytes.equals(again[1].bytes)).toBe(true);
  });

  test.each([
    ["no noise", { noise_multiplier: 0 }, "params.noise_multiplier"],
    ["half a step", { steps: 2.5 }, "params.steps"],
    ["a feature without a range", { ranges: "a=0:1" }, "params.ranges lacks b"],
    ["a range of what was seen", { ranges: "a=min:max, b=0:1" }, "name=low:high"],
  ])("it refuses %s", async (name, wrong, why) => {
    await expect(train(name.replaceAll(" ", "-"), { ...params, ...wrong })).rejects.toThrow(why);
  });
});
