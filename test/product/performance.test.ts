import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { readTemplate } from "@portolan/charter/templates";
import type { ExplanationBacklog } from "@portolan/evaluation/contract";
import type { AlertView, ObjectiveStatus, PerformanceReport } from "@portolan/monitoring/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { doneBy, soon } from "../../apps/cli/test/delays.ts";
import { type Product, startProduct } from "../../apps/cli/test/product.ts";
import { must, putInForce } from "../../apps/control/test/api.ts";
import { endpoint, prepareUseCase, type Setting } from "../chaos/workload.ts";

/** A receiver of webhooks, as somebody on duty has one. */
interface Received {
  readonly type: string;
  readonly data: { readonly id: string; readonly kind: string; readonly endpoint: string };
}
const received: Received[] = [];
const receiver = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const alert = JSON.parse(Buffer.concat(chunks).toString("utf8")) as Received;
    // Where the machine is slow, budgets of latency burn as well.
    if (alert.data.kind === "performance") received.push(alert);
    response.writeHead(204).end();
  });
});

let product: Product;
let setting: Setting;
const done = doneBy(() => product);
beforeAll(async () => {
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  product = await startProduct();
  setting = await prepareUseCase(product, charterThat("stop"));
}, 300_000);
afterAll(async () => {
  receiver.close();
  await product[Symbol.asyncDispose]();
});

function charterThat(below: "stop" | "fallback"): string {
  return readTemplate("flight-delays")
    .replace("below: alert", `below: ${below}`)
    .replace("explainability: model", "explainability: per_prediction\nexplanations: { when: always }");
}

/** Asks the model, whose score grows with the first input; resolves to the prediction's id. */
async function ask(value: number): Promise<string> {
  const inputs = [{ name: "x", shape: [1, 2], datatype: "FP32", data: [value, 2] }];
  const response = await fetch(`${product.gatewayUrl}/v2/models/${endpoint}/infer`, {
    method: "POST",
    headers: { authorization: `Bearer ${setting.applicationKey}`, "x-portolan-purpose": "staff-planning" },
    body: JSON.stringify({ inputs }),
  });
  await response.arrayBuffer();
  const id = response.headers.get("x-portolan-prediction-id");
  const fallback = response.headers.get("x-portolan-fallback");
  if (fallback !== null) throw new Error(`a fallback answered: ${fallback}`);
  if (response.status !== 200 || id === null) throw new Error(`the gateway answered ${response.status}`);
  return id;
}

async function report(
  ids: readonly string[],
  revision: number,
  late: (at: number) => boolean,
): Promise<void> {
  const outcomes = ids.map((predictionId, at) => ({
    predictionId,
    outcome: late(at),
    observedAt: "2026-01-01T00:00:00Z",
    revision,
  }));
  await must(product, "POST", "/v1/outcomes", { outcomes }, await product.token("dispatch"));
}

/** What the model itself answered. */
async function modelSeries(): Promise<PerformanceReport["series"][number] | undefined> {
  const { out } = await done(`performance report ${endpoint} --json`);
  const { series } = JSON.parse(out) as PerformanceReport;
  return series.find(({ variant }) => variant === "champion");
}

test("predictions that turn out wrong raise an alert that is told and stops the endpoint within a minute, and their correction undoes both", async () => {
  const { organisationId } = await must(product, "GET", "/v1/whoami", undefined, setting.admin);
  const folder = join(product.home, "alert-destinations");
  await mkdir(folder);
  const { port } = receiver.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/`;
  await writeFile(
    join(folder, "oncall.json"),
    JSON.stringify({ organisation: organisationId, format: "webhook", url }),
  );
  await done("alert route add oncall --environment dev");
  // Until the model is loaded its fallback answers; and where the machine is slow, now and then.
  const ids: string[] = [];
  const reasons = new Set<string>();
  await soon(async () => {
    const at = ids.length;
    await ask(at % 2 === 0 ? at : -at).then(
      (id) => ids.push(id),
      (error: unknown) => reasons.add(String(error)),
    );
    return ids.length === 80;
  }).catch((error: unknown) => {
    throw new Error([...reasons].join(), { cause: error });
  });
  await soon(async () => (await modelSeries().catch(() => undefined))?.windows.at(-1)?.predictions === 80);

  // Each of them is to be explained, once somebody makes a background of the imported version.
  const { endpoints } = JSON.parse((await done("explanations --json")).out) as ExplanationBacklog;
  expect(endpoints).toMatchObject([{ endpoint, environment: "dev", explained: 0, passedOver: 0 }]);
  expect(endpoints[0]?.waiting).toBeGreaterThanOrEqual(80);
  const metrics = await (await fetch(new URL("/metrics", product.controlUrl))).text();
  expect(metrics).toMatch(
    new RegExp(`portolan_explanations_waiting\\{[^}]*endpoint="${endpoint}"\\} \\d{2,}`),
  );

  // What the model finds likely did not happen.
  await report(ids, 1, (at) => at % 2 === 1);
  const reportedAt = performance.now();
  const series = await modelSeries();
  expect(series).toMatchObject({
    bound: { metric: "roc_auc", kind: "floor", value: 0.6 },
    environment: "dev",
  });
  expect(series?.windows.at(-1)).toMatchObject({ labels: 80, maturity: 1, verdict: "misses" });
  expect((await done(`performance report ${endpoint}`)).out).toMatch(
    /roc_auc of at least 0\.6[^]*misses the bound/,
  );
  await soon(async () => received.length > 0);
  expect(received[0]).toMatchObject({ type: "portolan.monitoring.alert.opened", data: { endpoint } });
  const { alerts } = JSON.parse((await done("alert list --state open --json")).out) as {
    alerts: AlertView[];
  };
  const ofPerformance = alerts.filter(({ kind }) => kind === "performance");
  expect(ofPerformance).toMatchObject([{ kind: "performance", endpoint, evidence: { metric: "roc_auc" } }]);

  // The charter says stop. It is asked only then: predictions without labels would make the window immature.
  await soon(async () => (await done("endpoint list")).out.includes("halted by control"));
  await soon(async () => (await ask(1).catch(String)).includes("answered 503"));
  expect(performance.now() - reportedAt).toBeLessThan(60_000);

  await report(ids, 2, (at) => at % 2 === 0);
  await soon(async () => received.length > 1);
  expect(received[1]).toMatchObject({
    type: "portolan.monitoring.alert.resolved",
    data: { id: received[0]?.data.id },
  });
  expect((await done("alert list")).out).toMatch(/resolved .* oncall \(resolved\) .*recovered/);

  await soon(async () => (await ask(1).catch(String)).startsWith("prd_"));

  // The same charter with another word: the constant answers in the version's place, and the version again after the next correction.
  const { statuses } = await putInForce(product, charterThat("fallback"));
  expect(statuses.at(-1)).toBe("in_force");
  await report(ids, 3, (at) => at % 2 === 1);
  const taken = /in whose place the fallback \(fixed\) answers .* for alert alr_/;
  await soon(async () => taken.test((await done("endpoint list")).out));
  await soon(async () => (await ask(1).catch(String)).endsWith("a fallback answered: inaccurate"));
  await report(ids, 4, (at) => at % 2 === 0);
  await soon(async () => (await ask(1).catch(String)).startsWith("prd_"));

  const retract = `outcome ${ids[0] ?? ""} --retract --revision 5 --as dispatch`;
  await done(retract);
  expect((await modelSeries())?.windows.at(-1)).toMatchObject({ labels: 79, verdict: "keeps" });
  expect((await product.cli(..."outcome prd_x --retract".split(" "))).err).toContain(
    "a retraction has a revision",
  );
}, 240_000);

test("objectives of the charter are shown and exported", async () => {
  const shown = (await done(`slo show ${endpoint} --environment dev`)).out;
  expect(shown).toMatch(/availability {2,}0\.995/);
  expect(shown).toMatch(/latency {2,}0\.95 .*50 ms/);
  const { out: status } = await product.cli(..."slo status late --environment dev --json".split(" "));
  const stands = JSON.parse(status) as ObjectiveStatus;
  expect(stands.requests).toBeGreaterThanOrEqual(80);
  expect(stands.objectives.find(({ name }) => name === "availability")?.badShare).toBeLessThan(1);
  const rules = await done(`slo export ${endpoint} --environment dev`);
  expect(rules.out).toContain(
    'portolan_gateway_requests_total{endpoint="late",environment="dev",status=~"5.."}',
  );
  const { out } = await done(`slo export ${endpoint} --environment dev --format openslo`);
  const kinds = [...out.matchAll(/^kind: (\w+)$/gm)].map(([, kind]) => kind);
  expect(new Set(kinds)).toEqual(new Set(["Service", "SLO", "AlertPolicy", "AlertNotificationTarget"]));
  expect((await product.cli(..."slo export nowhere --environment dev".split(" "))).err).toContain(
    "kernel.not_found",
  );
});
