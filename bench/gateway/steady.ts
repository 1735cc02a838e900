import { setTimeout as sleep } from "node:timers/promises";
import type { TestGateway } from "../../apps/gateway/test/installation.ts";

const everyMs = 10;

/** Milliseconds of each answer of the endpoint `bench`, asked for every ten milliseconds whatever came before, until `endMs`. */
export async function live(gateway: TestGateway, body: string, endMs: number): Promise<number[]> {
  const took: number[] = [];
  const asked: Promise<void>[] = [];
  while (performance.now() < endMs) {
    const startMs = performance.now();
    asked.push(
      gateway.post("/v2/models/bench/infer", body).then(async (response) => {
        await response.arrayBuffer();
        took.push(performance.now() - startMs);
      }),
    );
    await sleep(everyMs);
  }
  await Promise.all(asked);
  return took;
}

const median = (values: readonly number[]): number => at(values, 0.5);
const at = (values: readonly number[], part: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(part * (values.length - 1))] ?? Number.NaN;

/** Medians over the stretches of each kind. */
export function printStretches(seen: Readonly<Record<string, readonly number[][]>>): void {
  for (const [name, stretches] of Object.entries(seen)) {
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map((part) =>
      median(stretches.map((one) => at(one, part))).toFixed(1),
    );
    console.log(
      `${name}: p50 ${p50} ms, p95 ${p95} ms, p99 ${p99} ms (medians of ${stretches.length} stretches)`,
    );
  }
}
