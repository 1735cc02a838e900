import { test } from "vitest";
import { expectExactlyOnce, killFixture, killUntilDone } from "../../packages/database/test/kill-suite.ts";
import { randomOf } from "./random.ts";

const seed = Number(process.env["PORTOLAN_CHAOS_SEED"] ?? "1");
// With the kills of control in the whole product (processes.test.ts), where the worker lives, these are over fifty.
const kills = 35;

test(`${kills} kill -9 of the job worker (seed ${seed}) leave every effect exactly once`, async () => {
  const fixture = await killFixture();
  try {
    const ids = await killUntilDone(fixture, 45, kills, randomOf(seed));
    await expectExactlyOnce(fixture, ids);
  } finally {
    await fixture.close();
  }
}, 900_000);
