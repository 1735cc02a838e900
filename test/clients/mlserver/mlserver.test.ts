import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createUpstreamProbe, openUpstreamAccess } from "@portolan/upstream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../../apps/cli/src/supervisor/ports.ts";
import { type TestGateway, TestInstallation } from "../../../apps/gateway/test/installation.ts";
import { pythonClient } from "../../../tools/python-client.ts";

/** Somebody else's server of the Open Inference Protocol, unmodified, behind a gateway: over its REST and its gRPC form. */
const python = await pythonClient("mlserver");

class MlServer {
  readonly folder = mkdtempSync(join(tmpdir(), "mlserver-"));
  readonly httpPort: number;
  readonly grpcPort: number;
  #child: ChildProcess | undefined;

  constructor(httpPort: number, grpcPort: number) {
    this.httpPort = httpPort;
    this.grpcPort = grpcPort;
    cpSync(join(import.meta.dirname, "runtime.py"), join(this.folder, "runtime.py"));
    const settings = { host: "127.0.0.1", http_port: httpPort, grpc_port: grpcPort, parallel_workers: 0 };
    writeFileSync(
      join(this.folder, "settings.json"),
      JSON.stringify({ ...settings, metrics_endpoint: null }),
    );
    for (const [name, datatype] of [
      ["numbers", "FP64"],
      ["counts", "INT64"],
      ["texts", "BYTES"],
    ] as const) {
      const shape = datatype === "BYTES" ? [-1] : [-1, 2];
      const model = {
        name,
        implementation: "runtime.Doubler",
        inputs: [{ name: "x", datatype, shape }],
        // Its codec of texts gives a column.
        outputs: [{ name: "y", datatype, shape: datatype === "BYTES" ? [-1, 1] : shape }],
      };
      mkdirSync(join(this.folder, name));
      writeFileSync(join(this.folder, name, "model-settings.json"), JSON.stringify(model));
    }
  }

  async start(): Promise<void> {
    const start = ["-c", "from mlserver.cli import main; main()", "start", this.folder];
    const env = { ...process.env, PYTHONPATH: this.folder };
    const child = spawn(python ?? "", start, { cwd: this.folder, env, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk));
    for (let i = 0; i < 600 && child.exitCode === null; i++) {
      const ready = await fetch(`http://127.0.0.1:${this.httpPort}/v2/health/ready`).catch(() => undefined);
      if (ready?.ok) return;
      await sleep(100);
    }
    throw new Error(`MLServer did not become ready:\n${said.slice(-2000)}`);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }
}

describe.skipIf(python === undefined)("MLServer behind a gateway", () => {
  let server: MlServer;
  let installation: TestInstallation;
  let gateway: TestGateway;
  beforeAll(async () => {
    server = new MlServer(await freePort(), await freePort());
    await server.start();
    installation = new TestInstallation();
    const probe = createUpstreamProbe(openUpstreamAccess("127.0.0.1", undefined));
    const { organisationId } = installation;
    for (const protocol of ["open-inference", "open-inference-grpc"] as const)
      for (const model of ["numbers", "counts", "texts"]) {
        const port = protocol === "open-inference" ? server.httpPort : server.grpcPort;
        const stated = { protocol, url: `http://127.0.0.1:${port}`, model, region: "local", owner: "self" };
        const registrant = { organisationId, useCaseId: "uc_1", environment: "dev" as const };
        const found = await probe.describe(stated, registrant);
        const name = `${model}-${protocol}`;
        const y = model === "texts" ? "away" : -1;
        installation.addUpstream(name, installation.upstream(name, 1, stated, found), {
          fallbacks: [{ kind: "fixed", outputs: { y } }],
        });
      }
    await installation.publish(1);
    gateway = await installation.start({ UPSTREAM_ALLOWED_HOSTS: "127.0.0.1" });
  });
  afterAll(async () => {
    await server.kill();
    installation.dispose();
    rmSync(server.folder, { recursive: true });
  });

  async function ask(name: string, datatype: string, shape: readonly number[], data: string) {
    const body = `{"inputs":[{"name":"x","datatype":"${datatype}","shape":[${shape.join()}],"data":${data}}]}`;
    const response = await gateway.post(`/v2/models/${name}/infer`, body);
    const text = await response.text();
    return { status: response.status, text, by: response.headers.get("x-portolan-answered-by") };
  }

  describe.each(["open-inference", "open-inference-grpc"])("%s", (protocol) => {
    test.each([
      ["numbers", "FP64", [2, 2], "[0.1,-2,1e300,3]", '"data":[0.2,-4,2e+300,6]'],
      [
        "counts",
        "INT64",
        [1, 2],
        "[4611686018427387903,-9007199254740993]",
        '"data":[9223372036854775806,-18014398509481986]',
      ],
      ["texts", "BYTES", [2], '["zürich",""]', '"data":["ZÜRICH",""]'],
    ])("%s", async (model, datatype, shape, data, wanted) => {
      const { status, text, by } = await ask(`${model}-${protocol}`, datatype, shape, data);
      expect([status, by, text]).toEqual([200, null, expect.stringContaining(wanted)]);
    });
  });

  test("when it is killed the fallback answers, and when it is back it does", async () => {
    const names = ["numbers-open-inference", "numbers-open-inference-grpc"];
    await server.kill();
    for (const name of names)
      expect(await ask(name, "FP64", [1, 2], "[1,2]")).toMatchObject({ status: 200, by: "fixed" });
    await server.start();
    for (const name of names)
      await expect
        .poll(async () => (await ask(name, "FP64", [1, 2], "[1,2]")).by, { timeout: 60_000, interval: 500 })
        .toBeNull();
  });
});
