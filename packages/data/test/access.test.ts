import { createHmac } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDuckDbEngine } from "@portolan/duckdb";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Allowed, visibleRelation } from "../src/access/access-plan.ts";
import { publishAccessPolicy, withdrawAccessPolicy } from "../src/access/access-policies.ts";
import { type AccessPolicy, masks } from "../src/access/access-policy.ts";
import { type AccessQuestion, decideAccess } from "../src/access/decide-access.ts";
import { explainAccess, readRows } from "../src/access/read-rows.ts";
import { hmacBlocks } from "../src/deidentify/hmac-blocks.ts";
import { type DataFixture, dataFixture } from "./data-fixture.ts";

/** Purposes, roles and tags of a small world in which policies meet. */
const columns = [
  { name: "name", type: "string", tags: ["pii"] },
  { name: "ward", type: "string", tags: ["place"] },
  { name: "age", type: "integer", tags: ["quasi", "pii"] },
  { name: "seen", type: "instant", tags: ["quasi"] },
] as const;
const types = { name: "text", ward: "text", age: "int", seen: "instant" } as const;
interface Person {
  readonly name: string | null;
  readonly ward: string | null;
  readonly age: number | null;
  readonly seen: number;
}
const filters: readonly { readonly text: string; readonly holds: (row: Person) => boolean | null }[] = [
  { text: "ward = 'north'", holds: ({ ward }) => (ward === null ? null : ward === "north") },
  { text: "age >= 40", holds: ({ age }) => (age === null ? null : age >= 40) },
];

const subsetOf = <T>(values: readonly T[]) => fc.subarray([...values], { minLength: 1 });
const maybe = <T>(key: string, value: fc.Arbitrary<T>) =>
  fc.option(value, { nil: undefined }).map((found) => (found === undefined ? {} : { [key]: found }));
const selector = fc
  .tuple(
    maybe("columns", subsetOf(columns.map(({ name }) => name))),
    maybe("tags", subsetOf(["pii", "quasi", "place"])),
  )
  .map(([one, other]) => ({ ...one, ...other }));
const policies: fc.Arbitrary<AccessPolicy[]> = fc
  .array(
    fc
      .tuple(
        fc.constantFrom("allow", "allow", "restrict", "deny"),
        subsetOf(["care", "research"]),
        maybe("roles", subsetOf(["nurse", "analyst"])),
        selector,
        fc.option(fc.constantFrom(...filters.map(({ text }) => text)), { nil: undefined }),
        fc.array(
          fc.tuple(selector, fc.constantFrom(...masks)).map(([of, mask]) => ({ ...of, with: mask })),
          { maxLength: 2 },
        ),
        fc.option(fc.record({ rows: fc.integer({ min: 2, max: 4 }), over: subsetOf(["ward", "age"]) }), {
          nil: undefined,
        }),
        fc.option(fc.constantFrom(50, 150), { nil: undefined }),
      )
      .map(([effect, purposes, roles, of, rows, rules, minGroup, expires]) => ({
        name: "",
        effect: effect as AccessPolicy["effect"],
        purposes,
        ...roles,
        ...of,
        masks: effect === "deny" ? [] : rules,
        ...(rows === undefined || effect === "deny" ? {} : { rows }),
        ...(minGroup === undefined || effect === "deny" ? {} : { minGroup }),
        ...(expires === undefined || effect === "deny"
          ? {}
          : { expires: expires as NonNullable<AccessPolicy["expires"]> }),
      })),
    { minLength: 1, maxLength: 5 },
  )
  .map((found) => found.map((policy, index) => ({ ...policy, name: `p${index}` })));
const people: fc.Arbitrary<Person[]> = fc.array(
  fc.record({
    // Every value of a column has its own look, so that one that is in the output was not masked.
    name: fc.option(fc.constantFrom("Ada Byron", "Bo", "Grace Hopper"), { nil: null }),
    ward: fc.option(fc.constantFrom("north", "south-wing"), { nil: null }),
    age: fc.option(fc.constantFrom(31, 47, 83), { nil: null }),
    seen: fc.constantFrom(1_700_000_000_000_000, 1_767_225_600_000_000),
  }),
  { maxLength: 12 },
);
const question = fc.record({
  purpose: fc.constantFrom("care", "research"),
  roles: fc.subarray(["nurse", "analyst"]),
});

const secret = Buffer.alloc(32, 1);
const keys = { pseudonym: hmacBlocks(secret, "of the purpose"), hash: hmacBlocks(secret, "of the read") };
function pseudonym(label: string, prefix: string, column: string, value: string | number): string {
  const own = createHmac("sha256", secret).update(label).digest();
  return prefix + createHmac("sha256", own).update(`${column}\u0001${value}`).digest("hex").slice(0, 32);
}

/** The semantics, said row by row and without a thought for speed; `undefined`: nothing may be read. */
function oracle(
  rows: readonly Person[],
  all: readonly AccessPolicy[],
  asked: { purpose: string; roles: readonly string[] },
) {
  const now = 100;
  const meant = all.filter(
    (p) =>
      (p.purposes ?? []).includes(asked.purpose) &&
      (p.roles === undefined || p.roles.some((role) => asked.roles.includes(role))) &&
      (p.effect === "deny" || p.expires === undefined || now < p.expires),
  );
  const whole = (of: { columns?: readonly string[]; tags?: readonly string[] }) => !of.columns && !of.tags;
  const names = (
    of: { columns?: readonly string[]; tags?: readonly string[] },
    column: (typeof columns)[number],
  ) =>
    (of.columns ?? []).includes(column.name) ||
    (of.tags ?? []).some((tag) => (column.tags as readonly string[]).includes(tag));
  if (meant.some((p) => p.effect === "deny" && whole(p))) return undefined;
  const shown = columns.filter(
    (column) =>
      meant.some((p) => p.effect === "allow" && (whole(p) || names(p, column))) &&
      !meant.some((p) => p.effect === "deny" && names(p, column)),
  );
  if (shown.length === 0) return undefined;
  const limits = meant.filter((p) => p.effect !== "deny");
  let left = rows.filter((row) =>
    limits.every(
      (p) => p.rows === undefined || filters.find(({ text }) => text === p.rows)?.holds(row) === true,
    ),
  );
  const out = left.map((row) =>
    Object.fromEntries(
      shown.map((column) => {
        const rules = limits.flatMap((p) => p.masks.filter((rule) => whole(rule) || names(rule, column)));
        const value = row[column.name];
        // Strictest first, as the documentation lists them.
        for (const mask of ["null", "hash", "pseudonym", "partial", "year"]) {
          const asks = rules.some((rule) => rule.with === mask);
          const becomesNothing =
            mask === "null" &&
            rules.some(
              (rule) =>
                (rule.with === "partial" && column.type !== "string") ||
                (rule.with === "year" && column.type !== "instant"),
            );
          if (!asks && !becomesNothing) continue;
          if (value === null || mask === "null") return [column.name, null];
          if (mask === "hash") return [column.name, pseudonym("of the read", "h", column.name, value)];
          if (mask === "pseudonym")
            return [column.name, pseudonym("of the purpose", "p", column.name, value)];
          if (mask === "partial")
            return [
              column.name,
              String(value).length > 4
                ? "*".repeat(String(value).length - 4) + String(value).slice(-4)
                : "*".repeat(String(value).length),
            ];
          return [column.name, new Date(Number(value) / 1000).getUTCFullYear()];
        }
        return [column.name, value];
      }),
    ),
  );
  const groups = limits.flatMap((p) => p.minGroup ?? []);
  const least = Math.max(1, ...groups.map((group) => group.rows));
  const over = groups
    .flatMap((group) => group.over)
    .filter((name) => shown.some((column) => column.name === name));
  const keyOf = (row: object) =>
    JSON.stringify(over.map((name) => (row as Record<string, unknown>)[name] ?? null));
  left = [];
  return out.filter((row) => out.filter((other) => keyOf(other) === keyOf(row)).length >= least);
}

const sqlText = (value: string | null) => (value === null ? "null::varchar" : `'${value}'`);
const canonical = (rows: readonly object[]) =>
  rows
    .map((row) => JSON.stringify(Object.entries(row).map(([k, v]) => [k, v === null ? null : String(v)])))
    .toSorted();

describe("policies on data", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "portolan-access-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test("what is read is what a naive reading of the policies gives, row for row, and no masked value is in it", async () => {
    const cases = fc.sample(fc.tuple(policies, people, question), { numRuns: 150, seed: 42 });
    const statements: { sql: string; params?: Record<string, string>; returns?: string }[] = [];
    const allowed: { index: number; decision: Allowed }[] = [];
    for (const [index, [all, rows, asked]] of cases.entries()) {
      const ask: AccessQuestion = {
        principal: "usr_1",
        contract: "stays",
        environment: "dev",
        columns,
        now: 100,
        ...asked,
      };
      const decision = decideAccess(ask, all);
      const expected = oracle(rows, all, asked);
      expect([index, decision.kind]).toEqual([index, expected ? "allowed" : "denied"]);
      if (decision.kind === "denied") continue;
      allowed.push({ index, decision });
      const values = rows.map(
        (r) => `(${sqlText(r.name)}, ${sqlText(r.ward)}, ${r.age ?? "null"}::bigint, ${r.seen}::bigint)`,
      );
      const body =
        values.length === 0
          ? "select null::varchar, null::varchar, null::bigint, null::bigint limit 0"
          : `values ${values.join(", ")}`;
      statements.push({
        sql: `create or replace table source as select * from (${body}) as t(name, ward, age, seen)`,
      });
      statements.push({ sql: "drop table if exists visible" });
      statements.push(visibleRelation(decision, "source", types, keys) as { sql: string });
      statements.push({ sql: "select * from visible", returns: String(index) });
    }
    expect(allowed.length).toBeGreaterThan(40);
    const { rows: found } = await createDuckDbEngine().run({ statements, readable: [], workFolder: folder });
    let maskedColumns = 0;
    for (const { index, decision } of allowed) {
      const [all = [], rows = [], asked = { purpose: "", roles: [] }] = cases[index] ?? [];
      const out = found[String(index)] ?? [];
      expect([index, canonical(out)]).toEqual([index, canonical(oracle(rows, all, asked) ?? [])]);
      for (const { name, mask } of decision.columns) {
        if (!mask) continue;
        maskedColumns += 1;
        const clear = new Set(rows.map((row) => JSON.stringify(String(row[name as keyof Person]))));
        for (const row of out)
          if (row[name] !== null) expect(clear.has(JSON.stringify(row[name]))).toBe(false);
      }
    }
    expect(maskedColumns).toBeGreaterThan(30);
  });

  test("the strictest mask wins and is named, whatever the order of the policies", () => {
    const base = { effect: "allow", purposes: ["care"] } as const;
    const all: AccessPolicy[] = [
      { ...base, name: "mild", masks: [{ tags: ["pii"], with: "partial" }] },
      { ...base, name: "strict", masks: [{ columns: ["name"], with: "pseudonym" }] },
    ];
    for (const order of [all, all.toReversed()]) {
      const decision = decideAccess(
        { principal: "u", roles: [], purpose: "care", contract: "c", environment: "dev", columns, now: 1 },
        order,
      );
      const name =
        decision.kind === "allowed" ? decision.columns.find((one) => one.name === "name") : undefined;
      expect(name?.mask).toEqual({ with: "pseudonym", by: "strict" });
    }
  });
});

describe("reading a dataset", () => {
  let f: DataFixture;
  let id = "";
  beforeAll(async () => {
    f = await dataFixture();
    await f.publishFlights((document) =>
      document.replace("- name: origin\n", "- name: origin\n        tags: [place]\n"),
    );
    const done = await f.ingest(
      "flights.csv",
      "date,delay,distance,origin,destination\n2001-01-01 10:00:00,5,300,BOS,DEN\n2001-01-01 11:00:00,9,300,DEN,LAX\n2001-01-01 12:00:00,7,300,BOS,LAX\n",
    );
    id = done.datasetId ?? "";
  });
  afterAll(() => f.close());

  const policy = (name: string, text: string) =>
    publishAccessPolicy(f.deps, f.call, name, `kind: AccessPolicy\nname: ${name}\n${text}`);

  test("is denied by default, and the refusal is on the ledger with who and what for", async () => {
    await expect(readRows(f.deps, f.call, id, { purpose: "planning", limit: 10 })).rejects.toMatchObject({
      code: "data.access_denied",
    });
    const refused = (await f.ledger()).find(({ event }) => event === "data.dataset.read_refused");
    expect(refused?.row).toContain("planning");
    expect(refused?.row).toContain(f.call.actor.id);
  });

  test("shows filtered and masked rows, answers queries over nothing else, and is on the ledger", async () => {
    await policy(
      "planners",
      "effect: allow\npurposes: [planning]\nroles: [planner]\ncontracts: [flights]\ncolumns: [delay, origin, destination]\n",
    );
    await expect(readRows(f.deps, f.call, id, { purpose: "planning", limit: 10 })).rejects.toMatchObject({
      code: "data.access_denied",
    });
    f.heldRoles.add("planner");
    await policy(
      "places",
      "effect: restrict\nrows: delay < 9\nmasks: [{ tags: [place], with: pseudonym }]\n",
    );
    const read = (query?: string) =>
      readRows(f.deps, f.call, id, {
        purpose: "planning",
        limit: 10,
        ...(query === undefined ? {} : { query }),
      });
    const answer = await read();
    expect(answer.rows).toMatchObject([
      { delay: "5", destination: "DEN" },
      { delay: "7", destination: "LAX" },
    ]);
    expect(JSON.stringify(answer.rows)).not.toContain("BOS");
    expect(await explainAccess(f.deps, f.call, id, "planning")).toMatchObject({
      policies: ["places", "planners"],
    });
    expect((await read("select origin, count(*)::int as n from data group by origin")).rows).toMatchObject([
      { n: 2 },
    ]);
    const object = (await f.deps.uow.read(f.call, (sql) => Promise.resolve(sql))) && answer.policyDigest;
    expect(object).toMatch(/^sha256:/);
    for (const query of [
      "select * from read_text('/etc/hostname')",
      "select distance from data",
      "select 1) ; attach 'x.db' as x; --",
    ])
      await expect(read(query)).rejects.toMatchObject({ code: "data.analysis_failed" });
    const row = (await f.ledger()).find(({ event }) => event === "data.dataset.read")?.row ?? "";
    for (const part of ["planning", "origin (pseudonym by places)", "planners"]) expect(row).toContain(part);
  });

  test("a filter that does not fit reads nothing, and an expired policy allows nothing", async () => {
    await policy("broken", "effect: restrict\nrows: altitude > 3\n");
    await expect(readRows(f.deps, f.call, id, { purpose: "planning", limit: 10 })).rejects.toMatchObject({
      code: "data.access_policy_unfit",
    });
    await withdrawAccessPolicy(f.deps, f.call, "broken");
    await policy("planners", "effect: allow\npurposes: [planning]\nexpires: 2001-01-01T00:00:00Z\n");
    await expect(readRows(f.deps, f.call, id, { purpose: "planning", limit: 10 })).rejects.toMatchObject({
      code: "data.access_denied",
    });
  });

  test("a policy that is not usable says each line, and nothing of it is in force", async () => {
    await expect(
      policy("bad", "effect: allow\nmasks: [{ with: blur }]\nminGroup: { rows: 1, over: [] }\n"),
    ).rejects.toMatchObject({
      code: "data.access_policy_invalid",
      violations: expect.arrayContaining([
        expect.objectContaining({ at: expect.objectContaining({ line: 4 }) }),
      ]),
    });
  });
});
