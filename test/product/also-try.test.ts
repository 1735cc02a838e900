import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  floatTensor,
  graph,
  logisticModel,
  model,
  node,
  onnxType,
  valueInfo,
  WireWriter,
} from "@portolan/onnx-format/testing";
import { messages } from "@portolan/serving/policy";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../apps/cli/src/supervisor/ports.ts";
import {
  type CommandResult,
  type Product,
  runAs,
  runPortolan,
  startProduct,
} from "../../apps/cli/test/product.ts";
import { GrpcClient } from "../../apps/gateway/test/grpc-client.ts";

const folder = mkdtempSync(join(tmpdir(), "portolan-also-try-"));
const home = join(folder, "home");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** What happened and where, then how to mend it, then the code: no stack trace, nothing on standard output. */
function expectSentence(result: CommandResult, code: string, says: RegExp): void {
  expect(result.code, result.err).toBe(1);
  expect(result.out).toBe("");
  expect(result.err).toMatch(/^portolan: \S/);
  expect(result.err).not.toMatch(/\n\s+at /);
  const lines = result.err.trimEnd().split("\n");
  expect(lines.at(-1)).toBe(`  (${code})`);
  expect(lines.length, "a sentence and its mend").toBeGreaterThanOrEqual(3);
  expect(lines.length).toBeLessThanOrEqual(6);
  expect(result.err).toMatch(says);
}

/** A place that nobody may write, root neither; `undefined` where this system has none. */
function readOnlyPlace(): string | undefined {
  if (process.getuid?.() !== 0) {
    const place = join(folder, "read-only");
    mkdirSync(place, { mode: 0o555 });
    return place;
  }
  return process.platform === "linux" ? "/sys/portolan-test" : undefined;
}

describe("before anything runs", () => {
  test.each(["--port", "--gateway-port"])(
    "a taken port is named, and the option %s that mends it",
    async (option) => {
      const server = createServer();
      const port = await new Promise<number>((resolve) =>
        server.listen(0, "127.0.0.1", () => {
          const address = server.address();
          resolve(typeof address === "object" && address ? address.port : 0);
        }),
      );
      const other = option === "--port" ? "--gateway-port" : "--port";
      const result = await runPortolan(["--home", home, "up", option, String(port), other, "17499"]);
      server.close();
      expectSentence(result, "cli.port_in_use", new RegExp(`port ${port} .*taken[^]*${option}`));
    },
  );

  test.each(["seven", "0", "70000", "80.5", "-1"])("`%s` is no port", async (text) => {
    const result = await runPortolan(["--home", home, "up", `--port=${text}`]);
    expectSentence(result, "cli.bad_usage", /--port[^]*65535/);
  });

  const place = readOnlyPlace();
  test.skipIf(place === undefined)("a read-only folder is named, for up and for init", async () => {
    const up = await runPortolan(["--home", join(place ?? "", "home"), "up", "--port", "17497"]);
    expectSentence(up, "cli.folder_not_writable", /read-only|home[^]*--home/);
    const init = await runPortolan(["init", join(place ?? "", "project")]);
    expectSentence(init, "cli.folder_not_writable", /read-only|portolan-test/);
  });

  test("a database that does not answer is said so after three tries, not after a minute", async () => {
    const env = { ...process.env, DATABASE_URL: "postgresql://nobody@127.0.0.1:9/none" };
    const ports = ["--port", String(await freePort()), "--gateway-port", String(await freePort())];
    const place = join(folder, "no-database");
    const detached = await runPortolan(["--home", place, "up", "--detach", ...ports], env);
    expectSentence(
      detached,
      "cli.process_failed",
      /control cannot start: it ended 3 times; database\.unreachable: connect ECONNREFUSED 127\.0\.0\.1:9/,
    );
    const scripted = await runPortolan(["--json", "--home", place, "up", ...ports], env);
    expect(JSON.parse(scripted.out), "nothing but the document").toMatchObject({
      error: { code: "cli.process_failed" },
    });
  });

  test.skipIf(process.getuid?.() !== 0)(
    "a uid that no account has is said so, by up and by the doctor",
    async () => {
      const place = join(folder, "of-nobody-known");
      chmodSync(folder, 0o755);
      mkdirSync(place);
      chownSync(place, 54_321, 54_321);
      const asUnknown = async (...args: string[]) =>
        runAs(54_321, ["--home", place, ...args], { PATH: process.env["PATH"], HOME: place });
      const ports = ["--port", String(await freePort()), "--gateway-port", String(await freePort())];
      expectSentence(
        await asUnknown("up", ...ports),
        "database.no_user",
        /uid 54321 has no account[^]*DATABASE_URL/,
      );
      const doctor = await asUnknown("doctor");
      expect(doctor).toMatchObject({
        code: 1,
        out: expect.stringMatching(/bad +user: uid 54321 has no account/),
      });
    },
  );

  test("a file in place of the folder is named", async () => {
    const inTheWay = file("in-the-way", "");
    const result = await runPortolan(["--home", join(inTheWay, "home"), "up", "--port", "17497"]);
    expectSentence(result, "cli.folder_not_writable", /in-the-way[^]*--home/);
  });

  test("a server that is not running is said so, with the command that starts it", async () => {
    expectSentence(await runPortolan(["--home", home, "model", "list"]), "cli.not_running", /portolan up/);
    const env = { ...process.env, PORTOLAN_URL: "http://127.0.0.1:9", PORTOLAN_TOKEN: "x" };
    const elsewhere = await runPortolan(["model", "list"], env);
    expectSentence(elsewhere, "cli.server_unreachable", /127\.0\.0\.1:9 does not answer/);
  });
});

async function msOf(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

describe("a broken charter", () => {
  const valid = readFileSync(new URL("../../packages/charter/templates/churn.yaml", import.meta.url), "utf8");
  const bomb = [
    "a: &a [x, x, x, x, x, x, x, x, x]",
    ...Array.from(
      { length: 9 },
      (_, i) => `${"bcdefghij"[i]}: &${"bcdefghij"[i]} [${`*${"abcdefghi"[i]}, `.repeat(9)}]`,
    ),
  ].join("\n");

  test.each([
    ["a tab", valid.replace("  name: churn", "\tname: churn"), /:\d+:\d+.*[Tt]ab/],
    [
      "a key given twice",
      valid.replace("  name: churn", "  name: churn\n  name: churn2"),
      /:7:\d+ .*unique[^]*Keep one/,
    ],
    ["an alias bomb", `${valid}\n${bomb}\n`, /:\d+:\d+.*(alias|anchor)/i],
    ["a unit of another kind", valid.replace("p95: 10s", "p95: 10GB"), /:\d+:\d+.*10GB/],
    [
      "an unclosed bracket",
      valid.replace("purposes: [retention-campaign]", "purposes: [retention-campaign"),
      /:\d+:\d+/,
    ],
    ["nothing at all", "", /empty/],
  ])("with %s is refused with file, line and mend, at once", async (_name, text, says) => {
    const path = file("charter.yaml", text);
    // An alias bomb that is unfolded takes minutes and gigabytes; the limit is measured against a charter that is whole.
    const whole = await msOf(() => runPortolan(["charter", "check", file("whole.yaml", valid)]));
    const start = performance.now();
    const { code, out, err } = await runPortolan(["charter", "check", path]);
    expect(performance.now() - start).toBeLessThan(10_000 + 10 * whole);
    expect({ code, err }).toEqual({ code: 1, err: "" });
    expect(out).toContain("charter.yaml");
    expect(out).toMatch(says);
    expect(out).not.toMatch(/\n\s+at /);
  });
});

describe("a whole product on a machine without Python", () => {
  let product: Product;

  beforeAll(async () => {
    product = await startProduct({ PATH: join(folder, "no-programs-here"), HOME: folder });
    for (const line of [
      "business-unit create operations",
      "team create planning --business-unit operations",
      "use-case create delays --team planning",
      "service-account create ci",
    ])
      expect(await product.cli(...line.split(" ")), line).toMatchObject({ code: 0 });
    const { organisationId } = JSON.parse((await product.cli("whoami", "--json")).out) as {
      organisationId: string;
    };
    expect(await product.cli("grant", "ci", "--to", "ci", "--scope", organisationId)).toMatchObject({
      code: 0,
    });
  });
  afterAll(() => product[Symbol.asyncDispose]());

  const importModel = (path: string) =>
    product.cli(
      "--as",
      "ci",
      "model",
      "import",
      path,
      "--name",
      "delays",
      "--use-case",
      "delays",
      "--environment",
      "dev",
    );

  test("a model is imported", async () => {
    const result = await importModel(file("good.onnx", logisticModel([1, 2], 0)));
    expect(result).toMatchObject({ code: 0, out: expect.stringContaining("delays version 1") });
  });

  test("the gateway answers over gRPC at the port that up was given", async () => {
    const address = product.state().grpcAddress ?? "";
    expect((await product.cli("status", "--json")).out).toContain(address);
    const client = new GrpcClient(address, undefined);
    const { message } = await client.call(
      "ServerLive",
      { codec: messages.empty, message: {} },
      messages.live,
    );
    client.close();
    expect(message.live).toBe(true);
  });

  const good = logisticModel([1, 2], 0);
  const scoring = (initializer: WireWriter) =>
    model(
      graph({
        nodes: [node({ op: "Gemm", inputs: ["x", "w"], outputs: ["y"] })],
        inputs: [valueInfo("x", onnxType.float, ["n", 2])],
        outputs: [valueInfo("y", onnxType.float, ["n", 1])],
        initializers: [initializer],
      }),
    );
  const external = floatTensor("w", [2, 1], [])
    .message(13, new WireWriter().text(1, "location").text(2, "../../../../etc/passwd"))
    .integer(14, 1);

  test.each([
    ["truncated", good.subarray(0, good.length - 20), /^onnx_format\.|^registry\./],
    [
      "not ONNX at all",
      new TextEncoder().encode("PK\u0003\u0004 a zip archive"),
      /^onnx_format\.|^registry\./,
    ],
    ["empty", new Uint8Array(), /^onnx_format\.|^registry\.|^kernel\./],
    ["of gigantic shape", scoring(floatTensor("w", [2 ** 31, 2 ** 31], [1])), /^onnx_format\.|^registry\./],
    ["with external data out of its folder", scoring(external), /^onnx_format\.|^registry\./],
  ])("an ONNX file that is %s is refused in a sentence", async (name, bytes, codes) => {
    const result = await importModel(file(`hostile-${name.replaceAll(" ", "-")}.onnx`, bytes));
    const code = /\(([a-z_.]+)\)\n$/.exec(result.err)?.[1] ?? "";
    expect(code, result.err).toMatch(codes);
    expectSentence(result, code, /./);
    const { out } = await product.cli("model", "list", "delays", "--json");
    expect((JSON.parse(out) as { versions: unknown[] }).versions.length).toBeLessThanOrEqual(1);
  });

  test("a model file that does not exist is said so", async () => {
    expectSentence(
      await importModel(join(folder, "missing.onnx")),
      "cli.bad_file",
      /missing\.onnx does not exist/,
    );
  });

  test("the doctor says that Python is missing, and what still works", async () => {
    const { out } = await product.cli("doctor");
    expect(out).toMatch(/[Pp]ython/);
  });

  test("a token that the server does not know is refused with a mend", async () => {
    const env = { ...process.env, PORTOLAN_URL: product.controlUrl, PORTOLAN_TOKEN: "nonsense" };
    expectSentence(await runPortolan(["whoami"], env), "identity.unauthenticated", /./);
  });

  test("a person whom the server does not know is refused with a mend", async () => {
    const result = await product.cli("--as", "nobody-here", "whoami");
    expectSentence(result, "cli.bad_usage", /nobody-here[^]*user list/);
  });

  test("a second up of the same folder is refused, and the first goes on", async () => {
    expectSentence(
      await product.cli("up", "--port", "17495"),
      "cli.already_running",
      /runs[^]*portolan down/,
    );
    expectSentence(await product.cli("up", "--detach", "--port", "17495"), "cli.already_running", /runs/);
    expect(await product.cli("status")).toMatchObject({ code: 0 });
  });

  test("a damaged local credential is refused with a mend, and mended by a restart of control", async () => {
    const path = join(product.home, "local-credential");
    const before = readFileSync(path, "utf8");
    writeFileSync(path, "damaged\n");
    const result = await product.cli("whoami");
    writeFileSync(path, before);
    expectSentence(result, /\(([a-z_.]+)\)\n$/.exec(result.err)?.[1] ?? "", /./);
    expect(await product.cli("whoami")).toMatchObject({ code: 0 });
  });
});
