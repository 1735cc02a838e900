import type { FlagDefinition } from "@portolan/serving/contract";
import { Command } from "commander";
import { expect, test } from "vitest";
import { addFlagOptions, parseFlag, withIds } from "./flag-options.ts";

const plain: FlagDefinition = { default: false, enabled: true, rules: [], split: [], sticky: "entity" };

test("a flag that nobody has stated yet says false to everybody", () => {
  expect(parseFlag({}, null)).toEqual(plain);
  expect(parseFlag({ values: "blue, green" }, null)).toMatchObject({
    values: ["blue", "green"],
    default: "blue",
  });
});

test("rules, shares and who keeps them are read as they are written", () => {
  const options = { rule: ["tenant=ops,eu:true:25", "plan=gold:off"], split: ["on:10"], sticky: "tenant" };
  expect(parseFlag(options, null)).toEqual({
    ...plain,
    rules: [
      { by: "tenant", values: ["ops", "eu"], value: true, percent: 25 },
      { by: { attribute: "plan" }, values: ["gold"], value: false },
    ],
    split: [{ value: true, weight: 10 }],
    sticky: "tenant",
  });
});

test("what is left out stays as it is in force", () => {
  const before = parseFlag({ values: "champion,next", split: ["next:5"], decides: "variant" }, null);
  expect(parseFlag({ off: true }, before)).toEqual({ ...before, enabled: false });
  expect(parseFlag({ on: true }, { ...before, enabled: false })).toEqual(before);
  expect(parseFlag({ shares: false, decides: "nothing" }, before)).toEqual({
    ...plain,
    values: ["champion", "next"],
    default: "champion",
  });
});

test.each([
  { rule: ["tenant:true"] },
  { rule: ["tenant=ops:maybe"] },
  { split: ["true"] },
  { sticky: "request" },
  { decides: "fallback" },
  { default: "x" },
  { on: true, off: true },
])("%j is refused with an example", (options) => {
  expect(() => parseFlag(options, null)).toThrow(expect.objectContaining({ code: "cli.bad_usage" }));
});

test("the command line gives lists where several may be named", () => {
  const command = addFlagOptions(new Command()).exitOverride();
  const words = ["--rule", "tenant=ops:on:5", "role=ci:on", "--split", "on:10", "--no-shares"];
  const options = command.parse(words, { from: "user" }).opts();
  expect(options).toMatchObject({ rule: ["tenant=ops:on:5", "role=ci:on"], split: ["on:10"], shares: false });
});

test("names of tenants and groups become ids, others stay", async () => {
  const flag = parseFlag({ rule: ["tenant=ops:on", "group=core:on", "role=ci:on"] }, null);
  const { rules } = await withIds(flag, async (by, name) => `${by}_${name}`);
  expect(rules.map(({ values }) => values)).toEqual([["tenant_ops"], ["group_core"], ["ci"]]);
});
