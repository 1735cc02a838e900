import { asEpochMicros } from "@portolan/kernel";
import type { FlagDefinition } from "@portolan/serving/contract";
import { expect, test } from "vitest";
import type { StoredFlag } from "./flag-store.ts";
import { isSwitchedOff, requireRoom } from "./set-flag.ts";

const plain: FlagDefinition = { default: false, enabled: true, rules: [], split: [], sticky: "entity" };
const place = { organisationId: "org_1", environment: "production", endpoint: "churn" } as const;
const stored = (key: string): StoredFlag => ({
  ...place,
  key,
  id: key,
  definition: plain,
  version: 1,
  setBy: "usr_lee",
  setAt: asEpochMicros(1),
});

test("an endpoint takes a hundred flags, those that wait counted, and changes of them for ever", () => {
  const flags = Array.from({ length: 99 }, (_, n) => stored(`flag-${n}`));
  const room = (key: string, waiting: readonly StoredFlag[] = []) =>
    requireRoom({ ...place, key }, plain, flags, waiting);
  room("one-more");
  room("flag-7", [stored("waits")]);
  room("waits", [stored("waits"), stored("flag-3")]);
  room("one-more", [{ ...stored("waits"), environment: "dev" }]);
  expect(() => room("one-more", [stored("waits")])).toThrow(
    expect.objectContaining({ code: "rollout.too_many_flags" }),
  );
});

test("a change that only keeps the flag at the default in force is a switch-off", () => {
  const off = { ...plain, enabled: false };
  expect(isSwitchedOff(plain, off)).toBe(true);
  expect(isSwitchedOff(plain, { ...off, description: "off for now" })).toBe(true);
  expect(isSwitchedOff(plain, { ...off, default: true })).toBe(false);
  expect(isSwitchedOff(off, plain)).toBe(false);
  expect(isSwitchedOff(undefined, off)).toBe(false);
});
