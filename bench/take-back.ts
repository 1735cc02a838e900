import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { logisticModel } from "@portolan/onnx-format/testing";
import { createDelays, createShopKey, doneBy } from "../apps/cli/test/delays.ts";
import { startProduct } from "../apps/cli/test/product.ts";

/**
 * How long callers still meet what was taken from them, by the whole product: after `release rollback`, after `endpoint halt` and `endpoint resume`;
 * and how long they are still answered after their API key is revoked (`api-key revoke`).
 * From the start of the command, its own start-up included, to the first answer that is another's; and from the command's end.
 *
 * Usage: node bench/take-back.ts [rounds]
 */
const rounds = Number(process.argv[2] ?? 5);
const folder = mkdtempSync(join(tmpdir(), "bench-take-back-"));
const product = await startProduct();
try {
  const done = doneBy(() => product);
  await createDelays(done);
  const headers = {
    authorization: `Bearer ${await createShopKey(done)}`,
    "content-type": "application/json",
  };
  const url = `${product.gatewayUrl}/v2/models/delays/infer`;
  const body = JSON.stringify({ inputs: [{ name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] }] });
  for (const [at, bytes] of [logisticModel([1, 2], 0), logisticModel([1, 2.5], 0)].entries()) {
    const path = join(folder, `${at + 1}.onnx`);
    writeFileSync(path, bytes);
    await done(`--as ci model import ${path} --name delays --use-case delays --environment dev`);
  }
  await done("endpoint deploy delays delays 1 --use-case delays --environment dev");

  /** Asks every ten milliseconds until the answer is as wanted; resolves to when it came. */
  const until = async (
    wanted: (status: number, version: string | undefined) => boolean,
    key?: string,
  ): Promise<number> => {
    const own = key === undefined ? headers : { ...headers, authorization: `Bearer ${key}` };
    for (;;) {
      const answer = await fetch(url, { method: "POST", headers: own, body });
      const { model_version: version } = (await answer.json()) as { model_version?: string };
      if (wanted(answer.status, version)) return performance.now();
      await sleep(10);
    }
  };
  const took = async (command: string, ...wanted: Parameters<typeof until>): Promise<readonly number[]> => {
    const startMs = performance.now();
    const ended = done(command).then(() => performance.now());
    const [answeredMs, endMs] = await Promise.all([until(...wanted), ended]);
    return [answeredMs - startMs, answeredMs - endMs];
  };

  const found: Record<string, (readonly number[])[]> = { rollback: [], halt: [], resume: [], revoke: [] };
  const plan = join(folder, "plan.json");
  const step = { kind: "canary", percent: 50, leastRequests: 1_000_000, leastSeconds: 60 };
  writeFileSync(plan, JSON.stringify({ steps: [step] }));
  await until((status, version) => status === 200 && version === "1");
  for (let round = 0; round < rounds; round++) {
    await done(`release start delays delays 2 --environment dev --plan ${plan}`);
    await until((_, version) => version === "2");
    // The candidate has half of the requests: twenty in a row of the other's are chance once in a million.
    let inARow = 0;
    found["rollback"]?.push(
      await took("release rollback delays --reason bench", (_, version) => {
        if (version) inARow = version === "1" ? inARow + 1 : 0;
        return inARow === 20;
      }),
    );
    found["halt"]?.push(
      await took("endpoint halt delays --environment dev --reason bench", (status) => status !== 200),
    );
    found["resume"]?.push(
      await took("endpoint resume delays --environment dev --reason bench", (status) => status === 200),
    );
    const { out } = await done("api-key create round --for shop --environment dev --json");
    const { apiKey, text } = JSON.parse(out) as { apiKey: { id: string }; text: string };
    // Known to the gateway, and verified there: what is revoked is remembered as good.
    await until((status) => status === 200, text);
    found["revoke"]?.push(
      await took(`api-key revoke ${apiKey.id} --reason bench`, (status) => status === 401, text),
    );
  }
  for (const [what, times] of Object.entries(found)) {
    const text = (at: number): string => times.map((one) => `${one[at]?.toFixed(0)}`).join(", ");
    console.log(`${what}: ${text(0)} ms from the command's start, ${text(1)} ms from its end`);
  }
  console.log(`load ${loadavg()[0]?.toFixed(1)}, Node ${process.version}`);
} finally {
  await product[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}
