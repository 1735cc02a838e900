import { type Digest, type EpochMicros, parseInstant } from "@portolan/kernel";
import { expect, test } from "vitest";
import type { ContractColumn } from "../contracts/contract-model.ts";
import type { AccessPolicy } from "./access-policy.ts";
import { decideRows, isWhole } from "./decide-rows.ts";
import type { ContractVersion, PolicedRows } from "./policed-rows.ts";

const column = (name: string, type: ContractColumn["type"], ...tags: string[]): ContractColumn => ({
  name,
  type,
  source: name,
  required: false,

  tags,
});
const stays: ContractVersion[] = [
  {
    digest: "one",
    columns: [column("patient", "string"), column("ward", "string"), column("age", "integer")],
  },
  {
    digest: "two",
    columns: [
      column("patient", "string", "pii"),
      column("ward", "string"),
      column("age", "integer", "quasi"),
    ],
  },
];
const rooms: ContractVersion[] = [{ digest: "r", columns: [column("beds", "integer", "secret")] }];
const versions = new Map([
  ["stays", stays],
  ["rooms", rooms],
]);
const object = `sha256:${"a".repeat(64)}` as Digest;
const of = (contract: string, ...names: string[]) => names.map((name) => ({ contract, column: name }));
/** A training set of stays, with a view over rooms. */
const set: PolicedRows = {
  id: "ts_1",
  object,
  at: { environment: "dev" },
  contracts: ["stays", "rooms"],
  columns: [
    { name: "_row", type: "integer", from: [], contracts: ["stays"] },
    { name: "old", type: "number", from: of("stays", "age"), contracts: ["stays"] },
    { name: "ward", type: "string", from: of("stays", "ward"), contracts: ["stays"] },
    {
      name: "load",
      type: "number",
      from: [...of("rooms", "beds"), ...of("stays", "age")],
      contracts: ["rooms", "stays"],
    },
    { name: "rooms_1h", type: "number", from: [], contracts: ["rooms", "stays"] },
  ],
};
const asker = { principal: "usr_1", roles: [], purpose: "care", environment: "dev", now: 100 };
const allow = (name: string, more: Partial<AccessPolicy> = {}): AccessPolicy => ({
  name,
  effect: "allow",
  purposes: ["care"],
  masks: [],
  ...more,
});
const decide = (policies: readonly AccessPolicy[], rows = set) => decideRows(asker, rows, versions, policies);
const shown = (policies: readonly AccessPolicy[], rows = set) => {
  const decision = decide(policies, rows);
  return decision.kind === "denied"
    ? decision.reason
    : Object.fromEntries(
        decision.columns.map(({ name, mask }) => [name, mask ? `${mask.with} by ${mask.by}` : "clear"]),
      );
};

test("what is made of a contract that nobody allows is hidden, also what only counts its rows", () => {
  expect(shown([allow("stays", { contracts: ["stays"] })])).toEqual({
    _row: "clear",
    old: "clear",
    ward: "clear",
  });
  expect(shown([allow("rooms", { contracts: ["rooms"] })])).toBe(
    "no column is allowed: no policy allows stays for the purpose care",
  );
  expect(isWhole(decide([allow("all")]))).toBe(true);
  expect(isWhole(decide([allow("stays", { contracts: ["stays"] })]))).toBe(false);
});

test("a mask flows along to all that is made of the column; the strictest wins and is named", () => {
  const policies = [
    allow("all"),
    allow("mild", { effect: "restrict", masks: [{ tags: ["secret"], with: "pseudonym" }] }),
    allow("strict", { effect: "restrict", masks: [{ tags: ["quasi"], with: "hash" }] }),
  ];
  const expected = {
    _row: "clear",
    old: "hash by strict",
    ward: "clear",
    load: "hash by strict",
    rooms_1h: "clear",
  };
  expect(shown(policies)).toEqual(expected);
  expect(shown(policies.toReversed())).toEqual(expected);
  // What cannot be done to a number becomes nothing.
  expect(
    shown([allow("all"), allow("year", { effect: "restrict", masks: [{ columns: ["age"], with: "year" }] })]),
  ).toMatchObject({
    old: "null by year",
    load: "null by year",
  });
});

test("a column that is denied takes with it what is made of it", () => {
  const denied = allow("no-age", { effect: "deny", tags: ["quasi"] });
  expect(shown([allow("all"), denied])).toEqual({ _row: "clear", ward: "clear", rooms_1h: "clear" });
  const decision = decide([allow("all"), denied]);
  expect(decision.kind === "allowed" && decision.hidden).toContainEqual({
    name: "load",
    reason: "it is made of age of stays: no-age denies it",
  });
});

test("rows that a filter would keep back are in what was made of them: nothing of it is shown", () => {
  const filter = allow("wards", { effect: "restrict", contracts: ["rooms"], rows: "beds > 3" });
  expect(shown([allow("all"), filter])).toEqual({ _row: "clear", old: "clear", ward: "clear" });
  expect(shown([allow("all"), { ...filter, contracts: ["stays"], rows: "ward = 'n'" }])).toContain(
    "wards filters rows of stays",
  );
});

test("groups are over what is made of the columns that are named, and ends are the earliest", () => {
  const expires = parseInstant("2027-01-01T00:00:00Z");
  const decision = decide([
    allow("all", { expires }),
    allow("group", { effect: "restrict", minGroup: { rows: 5, over: ["age", "patient"] } }),
  ]);
  expect(decision).toMatchObject({ minGroup: { rows: 5, over: ["load", "old"], by: ["group"] }, expires });
  const over = allow("over", { expires: 100 as EpochMicros });
  expect(shown([over])).toContain("no policy allows stays");
});

test("tags of a later version are those of rows that came before it; of what has no version all count", () => {
  const dataset: PolicedRows = {
    id: "ds_1",
    object,
    at: { environment: "dev" },
    contracts: ["stays"],
    own: { contractDigest: "one" },
    columns: [{ name: "age", type: "integer", from: of("stays", "age"), contracts: ["stays"] }],
  };
  const policies = [
    allow("all"),
    allow("hide", { effect: "restrict", masks: [{ tags: ["quasi"], with: "null" }] }),
  ];
  expect(shown(policies, dataset)).toEqual({ age: "null by hide" });
  expect(shown(policies, { ...dataset, own: { contractDigest: "gone" } })).toBe("no column is allowed");
  const { columns: _, ...bytes } = { ...dataset, own: {} };
  expect(shown(policies, bytes)).toEqual({ patient: "clear", ward: "clear", age: "null by hide" });
});
