import { expect, test } from "vitest";
import { expectExactlyOnce, killFixture, killUntilDone } from "../../packages/database/test/kill-suite.ts";

test("fifty kill -9 of the job worker leave every effect exactly once", async () => {
  const fixture = await killFixture();
  try {
    const ids = await fixture.enqueue(60);
    expect(await killUntilDone(fixture, ids, 50)).toBeGreaterThanOrEqual(50);
    await expectExactlyOnce(fixture, ids);
  } finally {
    await fixture.close();
  }
}, 600_000);
