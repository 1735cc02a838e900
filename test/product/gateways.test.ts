import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Product, runPortolan, startProduct } from "../../apps/cli/test/product.ts";

let product: Product;
beforeAll(async () => {
  product = await startProduct(process.env, tmpdir(), 2);
});
afterAll(() => product[Symbol.asyncDispose](), 60_000);

/** Connections that the killed process held are gone; what came to nothing is asked again, as clients do. */
async function health(): Promise<number> {
  const ask = () => fetch(`${product.gatewayUrl}/healthz`, { headers: { connection: "close" } });
  return (await ask().catch(() => ask())).status;
}

interface Status {
  readonly parts: readonly { readonly name: string; readonly url: string; readonly ready: boolean }[];
  readonly gateways: readonly { readonly name: string; readonly metricsUrl: string }[];
}

async function status(): Promise<Status> {
  return JSON.parse((await product.cli("status", "--json")).out) as Status;
}

test("two gateways share the port, each with its own metrics; one that is killed is started again meanwhile", async () => {
  const { parts, gateways } = await status();
  expect(parts.map(({ name, ready }) => [name, ready])).toEqual([
    ["control", true],
    ["gateway", true],
    ["gateway-2", true],
  ]);
  expect(new Set(parts.slice(1).map(({ url }) => url))).toEqual(new Set([product.gatewayUrl]));
  for (const { metricsUrl } of gateways) {
    const page = await (await fetch(metricsUrl)).text();
    expect(page).toContain("portolan_gateway_snapshot_version");
    // One machine, one clock.
    expect(page).toContain("portolan_gateway_clock_offset_seconds 0\n");
  }

  const pid = product.kill("gateway-2");
  for (let n = 0; n < 20; n++) expect(await health()).toBe(200);
  await product.untilRestarted("gateway-2", pid);
  for (let n = 0; n < 600 && !(await status()).parts.every(({ ready }) => ready); n++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  expect((await status()).parts.every(({ ready }) => ready)).toBe(true);
  expect(product.livingProcesses().length).toBeGreaterThanOrEqual(4);
  await product.cli("down");
  expect(product.livingProcesses()).toEqual([]);

  // With one gateway fewer the first one takes care of what the other has logged.
  const ports = [product.controlUrl, product.gatewayUrl].map((url) => new URL(url).port);
  const [control = "", gateway = ""] = ports;
  await product.cli("up", "--detach", "--port", control, "--gateway-port", gateway, "--gateways", "1");
  await expect
    .poll(() => readFileSync(join(product.home, "logs/gateway.log"), "utf8"), { timeout: 60_000 })
    .toMatch(/"gateway":"gateway-2",[^\n]*"gateway.log.adopted"/);
  await product.cli("down");
});

test.each(["0", "65", "two"])("%s gateways are refused before anything starts", async (count) => {
  const { code, err } = await runPortolan(["--home", product.home, "up", "--gateways", count]);
  expect(code).toBe(1);
  expect(err).toContain("Give a whole number from 1 to 64");
});
