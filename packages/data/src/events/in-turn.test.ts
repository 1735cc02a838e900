import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { inTurn } from "./in-turn.ts";

test("work of one name is done one at a time and in its order, also after some of it failed; other names do not wait", async () => {
  const seen: string[] = [];
  const work = (name: string, what: string, fails = false) =>
    inTurn(name, async () => {
      seen.push(`${what} begins`);
      await delay(1);
      seen.push(`${what} ends`);
      if (fails) throw new Error(what);
      return what;
    });
  const done = await Promise.allSettled([
    work("a", "one"),
    work("a", "two", true),
    work("a", "three"),
    work("b", "other"),
  ]);
  expect(done.map((one) => (one.status === "fulfilled" ? one.value : "failed"))).toEqual([
    "one",
    "failed",
    "three",
    "other",
  ]);
  expect(seen.filter((text) => !text.startsWith("other"))).toEqual(
    ["one", "two", "three"].flatMap((what) => [`${what} begins`, `${what} ends`]),
  );
  expect(seen.indexOf("other begins")).toBeLessThan(seen.indexOf("two begins"));
});
