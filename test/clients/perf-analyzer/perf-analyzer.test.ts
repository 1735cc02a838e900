import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { logisticModel } from "@portolan/onnx-format/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "../../../apps/gateway/test/installation.ts";
import { runCommand } from "../../../tools/run-command.ts";
import { analyzerCommand } from "./analyzer-command.ts";

/**
 * Triton's load generator, unmodified. It reads metadata, configuration and every block of the statistics with unchecked
 * getters, before and after it asks: what is missing or of another type ends it.
 */
const analyzer = await analyzerCommand();

describe.skipIf(analyzer === undefined)("perf_analyzer of Triton", () => {
  const folder = mkdtempSync(join(tmpdir(), "perf-analyzer-"));
  let installation: TestInstallation;
  let gateway: TestGateway;
  beforeAll(async () => {
    installation = new TestInstallation();
    const limits = { ratePerSecond: 100_000, burst: 100_000, timeoutMs: 20_000, bodyBytes: 1_000_000 };
    installation.add("score", logisticModel([0.5, -0.25], 0.1), { limits });
    await installation.publish(1);
    gateway = await installation.start();
  });
  afterAll(() => {
    installation.dispose();
    rmSync(folder, { recursive: true });
  });

  test.each([
    ["http", 1, []],
    ["http", 4, []],
    ["http", 1, ["--input-tensor-format", "json", "--output-tensor-format", "json"]],
    ["grpc", 4, []],
    ["grpc", 1, ["--streaming"]],
  ] as const)(
    "%s, %i rows a request, %j: it measures to its end and believes our statistics",
    async (protocol, rows, more) => {
      const [program = "", ...before] = analyzer ?? [];
      const report = join(folder, `${protocol}-${rows}-${more.length}.csv`);
      const address = protocol === "http" ? gateway.url.replace("http://", "") : gateway.grpcAddress;
      // A test machine is no place to measure: any spread is stable enough.
      const window = `--measurement-mode count_windows --measurement-request-count 50 --stability-percentage 999`;
      const asked = `-m score -i ${protocol} -u ${address} -b ${rows} --concurrency-range 2 --max-trials 3 --verbose-csv`;
      // No blank behind the colon: over gRPC it would be the first character of the value.
      const credential = `authorization:Bearer ${installation.apiKey}`;
      const args = [...before, ...`${asked} ${window}`.split(" "), "-f", report, "-H", credential, ...more];
      const { exitCode, output } = await runCommand(program, args, { cwd: folder });
      expect([exitCode, exitCode === 0 ? "" : output]).toEqual([0, ""]);
      const [header = "", line = ""] = readFileSync(report, "utf8").split("\n");
      const columns = header.split(",").map((name, at) => [name, Number(line.split(",")[at])] as const);
      const figures = Object.fromEntries(columns);
      expect(figures["Inferences/Second"]).toBeGreaterThan(0);
      // From our statistics extension, per request and in microseconds: it found the blocks, and they are not empty.
      expect(figures["Server Compute Infer"]).toBeGreaterThan(0);
      expect(figures["Server Queue"]).toBeGreaterThanOrEqual(0);
    },
  );
});
