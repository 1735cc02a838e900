import { expect, test } from "vitest";
import { UnderWay } from "./under-way.ts";

test("whoever waits for none is told when the last one ends, and at once when there is none", async () => {
  const underWay = new UnderWay();
  await underWay.none();
  underWay.begin();
  underWay.begin();
  let told = 0;
  const waits = [underWay.none(), underWay.none()].map(async (none) => {
    await none;
    told++;
  });
  underWay.end();
  await Promise.resolve();
  expect(told).toBe(0);
  underWay.end();
  await Promise.all(waits);
  expect(told).toBe(2);
});
