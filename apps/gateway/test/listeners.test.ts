import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { createServer } from "node:net";
import { join } from "node:path";
import { logisticModel } from "@portolan/onnx-format/testing";
import { writeTestCertificate } from "@portolan/testkit/certificate";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "./control-stand-in.ts";
import { type TestGateway, TestInstallation } from "./installation.ts";

let installation: TestInstallation;
beforeEach(async () => {
  installation = new TestInstallation();
  installation.add("score", logisticModel([0.5, -0.25], 0.1));
  await installation.publish(1);
});
afterEach(() => installation.dispose());

/** Every refusal in a stopped gateway's log: reason, status, who, how often. */
function refusals(): { reason: string; httpStatus: number; principal: string; count: number }[] {
  return installation
    .records()
    .flatMap(({ header: { status, principal } }) =>
      status.kind === "refused" ? [{ ...status, principal }] : [],
    );
}

describe("every refusal is on the record", () => {
  const anonymous = { authorization: "" };

  test("metadata, readiness, unknown paths and wrong methods too; probes of the server itself leave none", async () => {
    const gateway = await installation.start();
    const probes = ["/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/v2"];
    for (const path of probes)
      expect([path, (await gateway.get(path, anonymous)).status]).toEqual([path, 200]);
    const cases: [string, number, Record<string, string>][] = [
      ["/v2/models/score", 401, anonymous],
      ["/v2/models/score/ready", 401, anonymous],
      ["/v2/models/missing", 404, {}],
      ["/v2/models/missing/ready", 404, {}],
      ["/v2/models/score/infer", 405, {}],
      ["/admin", 404, anonymous],
    ];
    for (const [path, status, headers] of cases) {
      const response = await gateway.get(path, headers);
      expect([path, response.status]).toEqual([path, status]);
      expect(response.headers.get("x-portolan-prediction-id"), path).toMatch(/^prd_/);
    }
    expect(await gateway.end("SIGTERM")).toBe(0);
    const found = refusals();
    expect(found.map(({ httpStatus }) => httpStatus)).toEqual(cases.map(([, status]) => status));
    expect(found.map(({ principal }) => principal.startsWith("sa_"))).toEqual([
      false,
      false,
      true,
      true,
      false,
      false,
    ]);
  });

  test("a flood is counted per client and second, and no refusal of it is lost", async () => {
    const gateway = await installation.start();
    const sent = 400;
    let single = 0;
    for (let at = 0; at < sent; at += 20) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => gateway.get("/admin", anonymous)));
      single += answers.filter((one) => one.headers.has("x-portolan-prediction-id")).length;
    }
    expect(await gateway.end("SIGTERM")).toBe(0);
    const counts = refusals().map(({ count }) => count);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(sent);
    expect(counts.length).toBeLessThan(sent / 2);
    expect(single).toBeLessThan(sent / 2);
  });
});

describe("on an address that others reach", () => {
  /** Loopback as the kernel sees it, public as the rules do: a wildcard address. */
  const host = "0.0.0.0";

  test("it does not start without TLS, and its metrics not without a token", async () => {
    const plain = await installation.startToEnd({ GATEWAY_HOST: host });
    expect(plain).toMatchObject({ code: 1, output: expect.stringContaining("TLS_CERT_FILE") as string });
    const looksLocal = await installation.startToEnd({ GATEWAY_HOST: "127.example.org" });
    expect(looksLocal).toMatchObject({ code: 1, output: expect.stringContaining("TLS_CERT_FILE") as string });
    const { certFile, keyFile } = writeTestCertificate(installation.home);
    const tls = { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile };
    const open = await installation.startToEnd({ ...tls, METRICS_HOST: host, METRICS_PORT: "0" });
    expect(open).toMatchObject({ code: 1, output: expect.stringContaining("METRICS_TOKEN") as string });
    const bare = await installation.startToEnd({ METRICS_HOST: host, METRICS_PORT: "0", METRICS_TOKEN: "t" });
    expect(bare).toMatchObject({ code: 1, output: expect.stringContaining("TLS_CERT_FILE") as string });
  });

  test("it speaks TLS only, shows no metrics there, and gives them to whoever has the scraper's token", async () => {
    const { certFile, keyFile, certificatePem } = writeTestCertificate(installation.home);
    const gateway = await installation.start({
      GATEWAY_HOST: host,
      TLS_CERT_FILE: certFile,
      TLS_KEY_FILE: keyFile,
      METRICS_HOST: host,
      METRICS_PORT: "0",
      METRICS_TOKEN: "scraper-secret",
    });
    const main = portOf(gateway, "port");
    const metrics = portOf(gateway, "metricsPort");
    const ask = (port: number, path: string, authorization?: string) =>
      askTls(port, path, certificatePem, authorization);
    expect((await ask(main, "/healthz")).status).toBe(200);
    expect((await ask(main, "/metrics")).status).toBe(404);
    await expect(fetch(`http://127.0.0.1:${main}/healthz`)).rejects.toThrow();
    expect((await ask(metrics, "/metrics")).status).toBe(401);
    expect((await ask(metrics, "/metrics", "Bearer guess")).status).toBe(401);
    expect((await ask(metrics, "/healthz", "Bearer scraper-secret")).status).toBe(404);
    const scraped = await ask(metrics, "/metrics", "Bearer scraper-secret");
    expect(scraped.status).toBe(200);
    expect(scraped.text).toContain("portolan_gateway_snapshot_version 1");
  });
});

test("metrics move to their own loopback listener where a port is set for it", async () => {
  const gateway = await installation.start({ METRICS_PORT: "0" });
  expect((await gateway.get("/metrics")).status).toBe(404);
  const scraped = await fetch(`http://127.0.0.1:${portOf(gateway, "metricsPort")}/metrics`);
  expect(await scraped.text()).toContain("portolan_gateway_snapshot_version 1");
});

describe("a start that cannot succeed", () => {
  test("a port that is taken ends it with one sentence, so that a supervisor can start it again", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const address = taken.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const { code, output } = await installation.startToEnd({ GATEWAY_PORT: String(port) });
    taken.close();
    expect(code).toBe(1);
    expect(output).toContain(`EADDRINUSE`);
    expect(output).not.toContain("gateway.started");
  });

  test("a damaged trust.json serves nobody, says so, and is not replaced by what control says", async () => {
    const file = join(installation.home, "gateway/trust.json");
    const whole = readFileSync(file, "utf8");
    writeFileSync(file, whole.slice(0, whole.length / 2));
    const gateway = await installation.start();
    await until(async () => (await (await gateway.get("/readyz")).text()).includes("trust.json is damaged"));
    expect((await gateway.get("/readyz")).status).toBe(503);
    const refused = await gateway.post("/v2/models/score/infer", "{}");
    expect(refused.status).toBe(503);
    expect(readFileSync(file, "utf8")).toBe(whole.slice(0, whole.length / 2));
    await gateway.end("SIGTERM");
    writeFileSync(file, whole);
    const mended = await installation.start();
    expect((await mended.get("/readyz")).status).toBe(200);
  });
});

function portOf(gateway: TestGateway, name: "port" | "metricsPort"): number {
  return Number(new RegExp(`"${name}":(\\d+)`).exec(gateway.output)?.[1]);
}

function askTls(
  port: number,
  path: string,
  ca: string,
  authorization?: string,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = authorization === undefined ? {} : { authorization };
    request({ host: "127.0.0.1", port, path, ca, headers, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    })
      .on("error", reject)
      .end();
  });
}
