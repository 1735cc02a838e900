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
