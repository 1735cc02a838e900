import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { chmod, mkdir } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adoptPickle, openPickle, projectFiles } from "@portolan/adoption";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { findIsolation, runTrainer } from "@portolan/training";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { modelTrial } from "../../../apps/cli/src/adopt/model-trial.ts";
import { type PythonEnvironment, walledPython } from "../../../apps/cli/src/adopt/walled-python.ts";
import { pythonClient } from "../../../tools/python-client.ts";
import { runCommand } from "../../../tools/run-command.ts";

/** Pickles as scikit-learn writes them, and as attackers do, opened by the program that `portolan adopt` ships. */
const python = await pythonClient("adoption");
const { level } = await findIsolation();

describe.skipIf(python === undefined || level !== "namespaces")("a pickle", () => {
  const folder = mkdtempSync(join(tmpdir(), "adoption-"));
  const witness = join(folder, "witness");
  let reached = 0;
  const server = createServer((socket) => {
    reached++;
    socket.destroy();
  });
  let environment: PythonEnvironment;
  beforeAll(async () => {
    const port = await new Promise<number>((resolve) =>
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      }),
    );
    await chmod(folder, 0o777); // whoever runs it may write here, if only it gets here
    const program = join(import.meta.dirname, "pickles.py");
    const made = await runCommand(python ?? "", [program, folder, witness, String(port)], { cwd: folder });
    expect(made.exitCode, made.output).toBe(0);
    const base = await runCommand(python ?? "", ["-c", "import sys; print(sys.base_prefix)"], {
      cwd: folder,
    });
    environment = { interpreter: python ?? "", readable: [join(python ?? "", "../.."), base.output.trim()] };
  });
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const open = async (name: string, allowCode = false) => {
    const programs = walledPython({
      home: join(folder, "home"),
      locks: {},
      installEnvironment: {},
      onBuild: () => undefined,
      environment,
    });
    return openPickle({ programs, trial: modelTrial() }, join(folder, name), { allowCode });
  };

  test.each([
    ["pipeline.pkl", "LogisticRegression", "sklearn.pipeline.Pipeline"],
    ["forest.joblib", "RandomForestRegressor", "sklearn.ensemble._forest.RandomForestRegressor"],
  ])("%s becomes ONNX that says the same, and is measured", async (name, trainer, kind) => {
    const opened = await open(name);
    const adoption = adoptPickle(opened, 1000);
    expect(adoption.findings).toEqual([]);
    expect(adoption).toMatchObject({
      estimator: { name: trainer },
      model: { estimator: { kind, features: 4 } },
    });
    const { conversion } = opened;
    expect(conversion?.agreement).toMatchObject({ rows: 64, agrees: true });
    expect(conversion?.latency?.p50Micros).toBeGreaterThan(0);
    const { inputs } = signatureOf(readOnnxModel(conversion?.bytes ?? new Uint8Array()));
    expect(inputs).toMatchObject([{ name: "features", datatype: "FP32", shape: [-1, 4] }]);
  });

  test("of named columns, texts among them, gets an input for each and is compared as well", async () => {
    const { conversion } = await open("columns.pkl");
    expect(conversion).toMatchObject({ agreement: { rows: 64, agrees: true } });
    expect(signatureOf(readOnnxModel(conversion?.bytes ?? new Uint8Array())).inputs).toMatchObject([
      { name: "place", datatype: "BYTES", shape: [-1, 1] },
      { name: "wait", datatype: "FP32", shape: [-1, 1] },
    ]);
  });

  test.each([
    ["unfitted.pkl", "n_features_in_"],
    ["unconvertible.pkl", "FunctionTransformer"],
    ["noise.pkl", ""],
    ["memory.pkl", "MemoryError"],
  ])("%s is told as what it is, and does not become ONNX", async (name, why) => {
    const { facts, conversion } = await open(name, name.startsWith("memory"));
    expect([conversion, facts.failure?.message]).toEqual([undefined, expect.stringContaining(why)]);
  });

  test.each([
    ["system.pkl", "posix.system"],
    ["file.pkl", "io.open"],
    ["socket.pkl", "socket.create_connection"],
    ["link.pkl", "builtins.eval"],
    ["end.pkl", "posix._exit"],
  ])("%s is not opened: the name that it asks for is refused before it is imported", async (name, asked) => {
    const { facts, conversion } = await open(name);
    expect([facts.refused, facts.estimator, conversion]).toEqual([[asked], undefined, undefined]);
    expect(adoptPickle({ facts }, 1).findings[0]).toMatchObject({ rule: "pickle-code", severity: "blocker" });
  });

  test("that is opened all the same reaches neither files nor network of the machine", async () => {
    for (const name of ["system.pkl", "file.pkl", "socket.pkl", "link.pkl", "end.pkl"]) {
      const { facts, conversion } = await open(name, true);
      expect([name, facts.refused.length, conversion]).toEqual([name, 1, undefined]);
    }
    expect([existsSync(witness), reached]).toEqual([false, 0]);
  });

  test("gives a trainer that trains, by the trainers' own contract", async () => {
    const adoption = adoptPickle(await open("pipeline.pkl"), 1000);
    const files = projectFiles(adoption, { name: "late", charter: "", locks: {}, report: "" });
    const run = join(folder, "run");
    await mkdir(run);
    writeFileSync(join(run, "train.py"), files.get("training/train.py") ?? "");
    const params: unknown = JSON.parse(files.get("training/params.json") ?? "");
    const spec = { params, features: ["x0", "x1", "x2", "x3"], label: "late", seed: 7 };
    writeFileSync(join(run, "params.json"), JSON.stringify(spec));
    const { metrics, model } = await runTrainer({
      interpreter: environment.interpreter,
      code: join(run, "train.py"),
      trainingSet: join(folder, "rows.parquet"),
      paramsFile: join(run, "params.json"),
      folder: run,
      readable: environment.readable,
      hidden: [],
      threads: 1,
      memoryLimitBytes: 2 ** 33,
      diskLimitBytes: 2 ** 30,
      cpuSeconds: 120,
      timeoutMs: 240_000,
      signal: new AbortController().signal,
    });
    expect(metrics["validation_auc"]).toBeGreaterThan(0.95);
    expect(signatureOf(readOnnxModel(readFileSync(model))).inputs).toMatchObject([{ shape: [-1, 4] }]);
  });
});
