import { expect, test } from "vitest";
import { expectExactlyOnce, killFixture, killUntilDone } from "../../packages/database/test/kill-suite.ts";
import { randomOf } from "./random.ts";

const seed = Number(process.env["PORTOLAN_CHAOS_SEED"] ?? "1");
// With the kills of control in the whole product (processes.test.ts), where the worker lives, these are over fifty.
const kills = 35;

test(`${kills} kill -9 of the job worker (seed ${seed}) leave every effect exactly once`, async () => {
  const fixture = await killFixture();
  try {
    const ids = await fixture.enqueue(45);
    expect(await killUntilDone(fixture, ids, kills, randomOf(seed))).toBeGreaterThanOrEqual(kills);
    await expectExactlyOnce(fixture, ids);
  } finally {
    await fixture.close();
  }
}, 600_000);
