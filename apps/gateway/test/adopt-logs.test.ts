import { readFileSync } from "node:fs";
import { join } from "node:path";
import { logisticModel } from "@portolan/onnx-format/testing";
import { readLog } from "@portolan/predictions/log";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ControlStandIn } from "./control-stand-in.ts";
import { TestInstallation } from "./installation.ts";

let control: ControlStandIn;
let installation: TestInstallation;
beforeEach(async () => {
  installation = new TestInstallation();
  installation.add("score", logisticModel([0.5, -0.25], 0.1));
  await installation.publish(1);
  control = await ControlStandIn.start(installation.home);
});
afterEach(async () => {
  installation.dispose();
  await control.close();
});

const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
const infer = "/v2/models/score/infer";

/** The last block of a gateway's log that control has acknowledged. */
function delivered(gateway: string): unknown {
  const path = join(installation.home, "predictions", gateway, "shipped.json");
  return JSON.parse(readFileSync(path, "utf8")) as unknown;
}

test("what a killed gateway left is closed and delivered by another one, as soon as control takes it", async () => {
  let isTaking = false;
  let sent = 0;
  control.also = (request, response) => {
    if (request.url !== "/v1/prediction-blocks") return false;
    request.resume().on("end", () => {
      if (isTaking) sent++;
      response.writeHead(isTaking ? 200 : 503).end('{"kind":"accepted"}');
    });
    return true;
  };
  const second = await installation.start(installation.another("gateway-2"));
  const ids: (string | null)[] = [];
  for (let i = 0; i < 20; i++)
    ids.push((await second.post(infer, body)).headers.get("x-portolan-prediction-id"));
  await second.end("SIGKILL");

  const first = await installation.start({ CONTROL_URL: control.url, LOG_ADOPT: "gateway-2,gateway-9" });
  expect((await first.post(infer, body)).status).toBe(200);
  isTaking = true;
  await expect.poll(() => first.output, { timeout: 30_000 }).toContain("gateway.log.adopted");
  expect(sent).toBeGreaterThan(0);
  const folder = join(installation.home, "predictions/gateway-2");
  const keys = join(installation.home, "keys/prediction-log/gateway-2");
  const blocks = [...readLog(folder, keys)];
  const last = blocks.at(-1)?.block.end;
  expect(delivered("gateway-2")).toEqual({ epoch: last?.epoch, block: last?.block });
  const kept = new Set<unknown>(blocks.flatMap(({ records }) => records.map(({ header }) => header.id)));
  expect(ids.filter((id) => !kept.has(id))).toEqual([]);
  expect(first.output).not.toContain("not_adopted");
  expect(await (await first.get("/metrics")).text()).toContain(
    'portolan_gateway_log_adopted{gateway="gateway-2"} 1',
  );
});

test("a gateway that lives after all keeps its log", async () => {
  const second = await installation.start(installation.another("gateway-2"));
  await second.post(infer, body);
  const first = await installation.start({ CONTROL_URL: control.url, LOG_ADOPT: "gateway-2" });
  await expect.poll(() => first.output, { timeout: 30_000 }).toContain("gateway.log.not_adopted");
  expect((await second.post(infer, body)).status).toBe(200);
  const page = async () => (await first.get("/metrics")).text();
  expect(await page()).toContain('portolan_gateway_log_adopted{gateway="gateway-2"} 0');
  // Once it has ended, it is taken over after all; where control takes nothing, the end does not wait for that.
  control.also = (request, response) => {
    if (request.url !== "/v1/prediction-blocks") return false;
    request.resume().on("end", () => response.writeHead(422).end());
    return true;
  };
  await second.end("SIGKILL");
  await expect.poll(() => first.output, { timeout: 30_000 }).toContain("adopted.undelivered");
  expect(await first.end("SIGTERM")).toBe(0);
  expect(first.output).not.toContain('"event":"gateway.log.adopted"');
});
