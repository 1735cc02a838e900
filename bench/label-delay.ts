import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { readTemplate } from "@portolan/charter/templates";
import type { AlertView, PerformanceReport } from "@portolan/monitoring/contract";
import { startProduct } from "../apps/cli/test/product.ts";
import { must } from "../apps/control/test/api.ts";
import { endpoint, prepareUseCase } from "../test/chaos/workload.ts";

/**
 * From a label to what is made of it, by the whole product: from the answer that acknowledges eighty outcomes to the report that counts them all, to the alert
 * that they raise, and from their correction to the alert's end. Whoever reads the report asks every 20 ms, and so does whoever reads the alerts.
 *
 * Usage: node bench/label-delay.ts [rounds]
 */
const rounds = Number(process.argv[2] ?? 5);
const asked = 80;
const product = await startProduct();
try {
  const charter = readTemplate("flight-delays");
  const setting = await prepareUseCase(product, charter);
  const token = await product.token("dispatch");
  const ids: string[] = [];
  for (let tries = 0; ids.length < asked && tries < 100 * asked; tries++) {
    const value = ids.length % 2 === 0 ? ids.length : -ids.length;
    const response = await fetch(`${product.gatewayUrl}/v2/models/${endpoint}/infer`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${setting.applicationKey}`,
        "x-portolan-purpose": "staff-planning",
      },
      body: JSON.stringify({
        inputs: [{ name: "x", shape: [1, 2], datatype: "FP32", data: [value, 2] }],
      }),
    });
    await response.arrayBuffer();
    const id = response.headers.get("x-portolan-prediction-id");
    // Until the model is loaded its fallback answers.
    if (response.status === 200 && id && response.headers.get("x-portolan-fallback") === null) ids.push(id);
    else await sleep(50);
  }
  const read = async (path: string): Promise<unknown> => must(product, "GET", path, undefined, setting.admin);
  const champion = async () => {
    const { series } = (await read(`/v1/endpoints/${endpoint}/performance`)) as unknown as PerformanceReport;
    return series.find(({ variant }) => variant === "champion")?.windows.at(-1);
  };
  const alertsOf = async (state: "open" | "resolved"): Promise<number> => {
    const { alerts } = (await read(`/v1/alerts?state=${state}`)) as { alerts: AlertView[] };
    return alerts.filter(({ kind }) => kind === "performance").length;
  };
  const until = async (holds: () => Promise<boolean>): Promise<number> => {
    while (!(await holds())) await sleep(20);
    return performance.now();
  };
  await until(async () => ((await champion())?.predictions ?? 0) >= asked);
  const report = async (revision: number, outcome: (at: number) => boolean): Promise<number> => {
    const outcomes = ids.map((predictionId, at) => ({
      predictionId,
      outcome: outcome(at),
      observedAt: "2026-01-01T00:00:00Z",
      revision,
    }));
    await must(product, "POST", "/v1/outcomes", { outcomes }, token);
    return performance.now();
  };
  const found = { counted: [] as number[], alerted: [] as number[], resolved: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    // What the model finds likely did not happen.
    const wrong = await report(2 * round + 1, (at) => at % 2 === 1);
    found.counted.push((await until(async () => (await champion())?.verdict === "misses")) - wrong);
    found.alerted.push((await until(async () => (await alertsOf("open")) > 0)) - wrong);
    const right = await report(2 * round + 2, (at) => at % 2 === 0);
    found.resolved.push((await until(async () => (await alertsOf("open")) === 0)) - right);
  }
  for (const [what, times] of Object.entries(found))
    console.log(`${what}: ${times.map((one) => `${(one / 1000).toFixed(2)} s`).join(", ")}`);
  console.log(`load ${loadavg()[0]?.toFixed(1)}, Node ${process.version}`);
} finally {
  await product[Symbol.asyncDispose]();
}
