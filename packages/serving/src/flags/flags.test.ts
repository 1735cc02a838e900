import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fraction } from "../routing/choose-variant.ts";
import { evaluateFlag, type FlagTraits } from "./evaluate-flag.ts";
import { findFlagProblems } from "./flag-problems.ts";
import type { Flag, FlagDefinition } from "./flag-schema.ts";

const plain: Flag = {
  key: "new-form",
  seed: "flg_1",
  default: false,
  enabled: true,
  rules: [],
  split: [],
  sticky: "entity",
};
const caller: FlagTraits = {
  principalId: "sa_1",
  tenantId: "bu_1",
  groups: ["bu_1", "team_1"],
  roles: ["application"],
  entity: "customer-8",
  attribute: (name) => ({ plan: "gold" })[name],
};
const rule = (by: Flag["rules"][number]["by"], value: string, percent?: number) => ({
  by,
  values: [value],
  value: true,
  ...(percent === undefined ? {} : { percent }),
});
const half = [{ value: true, weight: 50 }];

describe("what a flag says", () => {
  // By entity: fraction("flg_1\0customer-8") is 0.209…, of customer-2 0.910….
  const vectors: [
    name: string,
    flag: Partial<Flag>,
    traits: Partial<FlagTraits>,
    value: unknown,
    reason: string,
  ][] = [
    ["its default without rules and shares", {}, {}, false, "STATIC"],
    [
      "its default while it is off, whatever fits",
      { enabled: false, rules: [rule("tenant", "bu_1")], split: half },
      {},
      false,
      "DISABLED",
    ],
    ["a rule's value to its principal", { rules: [rule("principal", "sa_1")] }, {}, true, "TARGETING_MATCH"],
    ["a rule's value to its tenant", { rules: [rule("tenant", "bu_1")] }, {}, true, "TARGETING_MATCH"],
    ["a rule's value to one of a team", { rules: [rule("group", "team_1")] }, {}, true, "TARGETING_MATCH"],
    [
      "a rule's value to one with a role",
      { rules: [rule("role", "application")] },
      {},
      true,
      "TARGETING_MATCH",
    ],
    [
      "a rule's value by what the caller states",
      { rules: [rule({ attribute: "plan" }, "gold")] },
      {},
      true,
      "TARGETING_MATCH",
    ],
    [
      "its default where no rule fits",
      { rules: [rule("role", "auditor"), rule({ attribute: "size" }, "1")] },
      {},
      false,
      "DEFAULT",
    ],
    [
      "the first rule that fits",
      { rules: [{ ...rule("tenant", "bu_1"), value: false }, rule("role", "application")] },
      {},
      false,
      "TARGETING_MATCH",
    ],
    ["a rule's value to its share", { rules: [rule("tenant", "bu_1", 21)] }, {}, true, "TARGETING_MATCH"],
    [
      "what follows to those beyond a rule's share",
      { rules: [rule("tenant", "bu_1", 20)] },
      {},
      false,
      "DEFAULT",
    ],
    ["a share's value", { split: half }, {}, true, "SPLIT"],
    ["its default beyond the shares", { split: half }, { entity: "customer-2" }, false, "DEFAULT"],
    [
      "a share by principal",
      { split: [{ value: true, weight: 100 }], sticky: "principal" },
      { entity: undefined },
      true,
      "SPLIT",
    ],
    [
      "texts as their own variants",
      { values: ["champion", "next"], default: "champion", split: [{ value: "next", weight: 100 }] },
      {},
      "next",
      "SPLIT",
    ],
  ];
  test.each(vectors)("%s", (_name, flag, traits, value, reason) => {
    const variant = typeof value === "string" ? value : value ? "on" : "off";
    expect(evaluateFlag({ ...plain, ...flag }, { ...caller, ...traits })).toEqual({
      kind: "value",
      value,
      variant,
      reason,
    });
  });

  test("the vectors stand on either side of the point of their entity, by the hash of canaries", () => {
    expect(fraction("flg_1\u0000customer-8")).toBeGreaterThan(0.2);
    expect(fraction("flg_1\u0000customer-8")).toBeLessThan(0.21);
    expect(fraction("flg_1\u0000customer-2")).toBeGreaterThan(0.5);
  });

  test("a share of nobody in particular is said to be missing its entity, a rule before it still decides", () => {
    const unknown = { ...caller, entity: undefined };
    expect(evaluateFlag({ ...plain, split: half }, unknown)).toEqual({ kind: "entity_missing" });
    expect(evaluateFlag({ ...plain, rules: [rule("tenant", "bu_1", 50)] }, unknown)).toEqual({
      kind: "entity_missing",
    });
    const ruled = { ...plain, rules: [rule("tenant", "bu_1")], split: half };
    expect(evaluateFlag(ruled, unknown)).toMatchObject({ value: true });
  });

  test("growing a share takes the value from nobody, and another flag deals its own hand", () => {
    const says = (flag: Partial<Flag>, entity: string) =>
      evaluateFlag({ ...plain, ...flag }, { ...caller, entity });
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.nat(100), fc.nat(100), (entity, a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        const at = (weight: number) => says({ split: [{ value: true, weight }] }, entity);
        if (JSON.stringify(at(low)).includes('"SPLIT"')) expect(at(high)).toMatchObject({ reason: "SPLIT" });
      }),
    );
    const entities = Array.from({ length: 2000 }, (_, n) => `customer-${n}`);
    const isOn = (seed: string) => (entity: string) =>
      JSON.stringify(says({ seed, split: half }, entity)).includes('"on"');
    const both = entities.filter(isOn("flg_1")).filter(isOn("flg_2"));
    expect(both.length / entities.length).toBeGreaterThan(0.2);
    expect(both.length / entities.length).toBeLessThan(0.3);
  });
});

describe("a definition that cannot be evaluated", () => {
  const stated: FlagDefinition = { default: false, enabled: true, rules: [], split: [], sticky: "entity" };
  const problems = (over: Partial<FlagDefinition>, variants: readonly string[] = []) =>
    findFlagProblems({ ...stated, ...over }, variants).map(({ at, detail }) =>
      `${at && "pointer" in at ? at.pointer : ""} ${detail}`.trim(),
    );

  test("is told where", () => {
    expect(problems({})).toEqual([]);
    expect(problems({ default: "x" })).toEqual(['/flag/default "x" is none of the flag\'s values']);
    expect(problems({ rules: [{ by: "tenant", values: ["a"], value: "x" }] })).toEqual([
      '/flag/rules/0/value "x" is none of the flag\'s values',
    ]);
    expect(problems({ split: [...half, { value: false, weight: 51 }] })).toEqual([
      "/flag/split has 101 % in all, more than there are",
    ]);
    expect(problems({ values: ["a", "a"], default: "a" })).toEqual(["/flag/values has a value twice"]);
    const long = Array.from({ length: 100 }, (_, n) => String(n).padStart(200, "0"));
    expect(problems({ rules: [{ by: "tenant", values: long, value: true }] })).toEqual([
      expect.stringMatching(/^\/flag takes 20\d{3} bytes, more than 16384$/),
    ]);
    expect(problems({ values: ["a", true], default: "a" })).toEqual(["/flag/values/1 is no text"]);
  });

  test("one that decides who answers names variants that take requests, or the champion", () => {
    const flag = { values: ["champion", "next"], default: "champion", decides: "variant" } as const;
    expect(problems({ ...flag, values: [...flag.values] }, ["next"])).toEqual([]);
    expect(problems({ ...flag, values: [...flag.values] })).toEqual([
      "/flag/values next: no variant of the endpoint that takes requests (there are champion)",
    ]);
    expect(problems({ decides: "variant" })).toHaveLength(1);
  });
});
