import { logisticModel } from "@portolan/onnx-format/testing";
import { afterAll, expect, test } from "vitest";
import { type TestGateway, TestInstallation } from "./installation.ts";

const installation = new TestInstallation();
afterAll(() => installation.dispose());

const rowsAtOnce = 4;

function ask(gateway: TestGateway, draw: () => number): Promise<Response> {
  const data = Array.from({ length: rowsAtOnce * 2 }, draw);
  const body = { inputs: [{ name: "x", shape: [rowsAtOnce, 2], datatype: "FP32", data }] };
  return gateway.post("/v2/models/score/infer", JSON.stringify(body));
}

function normal(): number {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

/** Asks at the pace at which everything is looked at, until something happens. */
async function askUntil(
  gateway: TestGateway,
  draw: () => number,
  done: (status: number) => Promise<boolean>,
): Promise<void> {
  for (let i = 0; i < 3000; i++) {
    const response = await ask(gateway, draw);
    await response.arrayBuffer();
    if (i % 10 === 0 && (await done(response.status))) return;
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  throw new Error("it never happened");
}

async function metric(gateway: TestGateway, line: RegExp): Promise<string | undefined> {
  return line.exec(await (await gateway.get("/metrics")).text())?.[1];
}

test("a client that turns from honest queries to sweeping the space is refused, on the record and in the metrics", async () => {
  installation.add("score", logisticModel([0.5, -0.25], 0.1));
  await installation.publish(1);
  const gateway = await installation.start({ LIMITS_EXTRACTION: "block", LIMITS_EXTRACTION_WINDOW: "50" });
  const learned = /portolan_gateway_extraction_learned\{[^}]*\} (\S+)/;
  await askUntil(gateway, normal, async () => (await metric(gateway, learned)) === "1");
  // Honest queries go on being answered.
  for (let i = 0; i < 40; i++) expect((await ask(gateway, normal)).status).toBe(200);
  await askUntil(
    gateway,
    () => 12 * Math.random() - 6,
    async (status) => status === 429,
  );
  const refused = await ask(gateway, normal);
  expect(await refused.json()).toMatchObject({
    code: "serving.abnormal_usage",
    type: "https://iana.org/assignments/http-problem-types#abnormal-usage-detected",
    "violated-policies": ["extraction"],
  });
  expect(await metric(gateway, /portolan_gateway_extraction_standings\{action="block"\} (\S+)/)).toBe("1");
  expect(gateway.output).toContain("gateway.extraction.flagged");
  expect(await gateway.end("SIGTERM")).toBe(0);
  const reasons = installation
    .records()
    .flatMap(({ header: { status } }) => (status.kind === "refused" ? [status.reason] : []));
  expect(reasons).toContain("serving.abnormal_usage");
});

test("who reads the features of more entities a day than any honest use is flagged, though no prediction is asked for", async () => {
  const own = new TestInstallation();
  const digest = `sha256:${"0".repeat(64)}`;
  own.add("churn", logisticModel([0.5], 0.1), {
    features: {
      service: "s",
      entityKeys: ["account"],
      views: [{ name: "accounts@1", digest, entityKeys: ["account"] }],
      columns: [
        {
          input: "x",
          index: 0,
          from: { kind: "feature", view: "accounts@1", feature: "balance" },
          missing: 0,
        },
      ],
      maxAgeMs: null,
    },
  });
  own.grantReading("churn");
  await own.publish(1);
  const gateway = await own.start({ LIMITS_EXTRACTION: "block", LIMITS_EXTRACTION_QUERIES: "500" });
  const account = Array.from({ length: 100 }, (_, n) => `a${n}`);
  const read = () =>
    gateway.post("/v1/features/online", JSON.stringify({ endpoint: "churn", entities: { account } }), {
      "x-portolan-purpose": "care",
    });
  for (let turn = 0; turn < 5; turn += 1) expect((await read()).status).toBe(200);
  await expect.poll(async () => (await read()).status, { timeout: 20_000, interval: 200 }).toBe(429);
  expect(await gateway.end("SIGTERM")).toBe(0);
  expect(gateway.output).toContain("gateway.extraction.flagged");
  const reasons = own
    .records()
    .flatMap(({ header: { status } }) => (status.kind === "refused" ? [status.reason] : []));
  expect(reasons).toContain("serving.abnormal_usage");
  own.dispose();
});
