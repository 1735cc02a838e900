import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AnalysisStatement } from "@portolan/data/contract";
import { createDuckDbEngine } from "@portolan/duckdb";
import type { Row, Value } from "@portolan/expressions";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FeatureValue } from "../src/feature-value.ts";
import type * as Compute from "../src/on-demand/compute-on-demand.ts";
import { computeOnDemand } from "../src/on-demand/compute-on-demand.ts";
import { onDemandStatement } from "../src/on-demand/on-demand-plan.ts";
import { readFeatureView } from "../src/read-view.ts";
import { onDemandPlanOf } from "../src/view-model.ts";
import { edited } from "./faulty-copy.ts";

/** docs/spec/features.md F61 and F62: what a request is answered with, what a training set holds, and the definition in plain words. */

const view = readFeatureView(
  `kind: FeatureView
name: accounts
source: changes
entity: [account]
eventTime: ts
ttl: 1h
request:
  - { name: amount, type: float }
  - { name: count, type: int }
  - { name: is_new, type: bool }
  - { name: channel, type: text }
  - { name: asked_at, type: instant }
features:
  - { name: balance, value: balance }
  - { name: rating, value: rating }
  - { name: carrier, value: carrier }
  - { name: share, onDemand: amount / balance }
  - { name: is_over, onDemand: "amount * count > coalesce(balance, 0)" }
  - { name: asked_hour, onDemand: hour(asked_at) }
  - { name: next, onDemand: (count + 1) % 24 }
  - { name: is_web, onDemand: channel = 'web' and not is_new }
  - { name: gap, onDemand: "if(rating is null, -1.0, rating * 3 - amount)" }
  - { name: is_own, onDemand: carrier = channel }
`,
  "accounts.yaml",
  () => ({ account: "text", ts: "instant", balance: "int", rating: "float", carrier: "text" }),
);
const names = (view.onDemand ?? []).map(({ name }) => name);
const plan = onDemandPlanOf(view);
if (!plan) throw new Error("it computes nothing on demand");

interface Case {
  readonly status: "found" | "not_found" | "outside_max_age";
  readonly balance: bigint | null;
  readonly rating: number | null;
  readonly carrier: string | null;
  readonly request: Row;
}
const maybe = <T>(of: fc.Arbitrary<T>) => fc.option(of, { freq: 6 });
const aFloat = fc.oneof(
  fc.constantFrom(0, 0.1, -0.3, 1e300, -1e300, 5e-324, 3),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
const anInt = fc.oneof(
  fc.integer({ min: -30, max: 30 }).map(BigInt),
  fc.constantFrom(2n ** 53n - 1n, 1n - 2n ** 53n),
);
const aCase: fc.Arbitrary<Case> = fc
  .record({
    status: fc.constantFrom("found", "found", "found", "not_found", "outside_max_age"),
    balance: maybe(fc.oneof(anInt, fc.constantFrom(2n ** 63n - 1n, 2n ** 53n + 1n, 2n ** 62n + 1n))),
    rating: maybe(aFloat.map((value) => value + 0)),
    carrier: maybe(fc.constantFrom("web", "Web", "", "it's")),
    request: fc.record({
      amount: maybe(fc.oneof(aFloat, fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -0))),
      count: maybe(anInt),
      is_new: maybe(fc.boolean()),
      channel: maybe(fc.constantFrom("web", "Web", "", "it's")),
      asked_at: maybe(
        fc.constantFrom(-1n, 0n, 3_599_999_999n, 3_600_000_000n, 86_400_000_000n, -86_400_000_001n),
      ),
    }),
  })
  .map((one) =>
    one.status === "found" ? one : { ...one, balance: null, rating: null, carrier: null },
  ) as fc.Arbitrary<Case>;

type Answer = readonly FeatureValue[];

/** Each feature as a person would work it out. */
function naive({ status, balance, rating, carrier, request }: Case): Answer {
  if (status !== "found") return names.map(() => null);
  const finite = (value: number | null) => (value !== null && Number.isFinite(value) ? value + 0 : null);
  const amount = finite(request["amount"] as number | null);
  const count = request["count"] as bigint | null;
  const known = balance === null ? null : Number(balance);
  const isNew = request["is_new"] as boolean | null;
  const channel = request["channel"] as string | null;
  const at = request["asked_at"] as bigint | null;
  const product = amount === null || count === null ? null : finite(amount * Number(count));
  const isWeb = channel === null ? null : channel === "web";
  const isOld = isNew === null ? null : !isNew;
  const both = isWeb === false || isOld === false ? false : isWeb === null || isOld === null ? null : true;
  const tripled = rating === null ? null : finite(rating * 3);
  return [
    amount === null || known === null || known === 0 ? null : finite(amount / known),
    product === null ? null : Number(product > (known ?? 0)),
    at === null ? null : new Date(Math.floor(Number(at) / 1000)).getUTCHours(),
    count === null ? null : Number((((count + 1n) % 24n) + 24n) % 24n),
    both === null ? null : Number(both),
    rating === null ? -1 : tripled === null || amount === null ? null : finite(tripled - amount),
    carrier === null || channel === null ? null : Number(carrier === channel),
  ];
}

function served(
  { status, balance, rating, carrier, request }: Case,
  { computeOnDemand: compute }: Pick<typeof Compute, "computeOnDemand"> = { computeOnDemand },
): Answer {
  if (status !== "found" || !plan) return names.map(() => null);
  const stored = (value: bigint | number | string | null) => ({
    value: typeof value === "bigint" ? Number(value) : value,
    status: value === null ? ("null" as const) : ("present" as const),
  });
  const values = compute(plan).valuesOf(request, {
    balance: stored(balance),
    rating: stored(rating),
    carrier: stored(carrier),
  });
  return names.map((name) => values[name]?.value ?? null);
}

const engine = createDuckDbEngine();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-on-demand-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function planned(
  cases: readonly Case[],
  edits: readonly (readonly [string, string])[] = [],
): Promise<Answer[][]> {
  const literal = (cell: Value | undefined): string =>
    typeof cell === "string"
      ? `'${cell.replaceAll("'", "''")}'`
      : typeof cell === "number"
        ? `'${Object.is(cell, -0) ? "-0.0" : cell}'::double`
        : String(cell ?? "null");
  const insert = (table: string, rows: readonly (readonly (Value | undefined)[])[]): AnalysisStatement => ({
    sql: `insert into ${table} values ${rows.map((row) => `(${row.map(literal).join(", ")})`).join(", ")}`,
  });
  const fields = view.request ?? [];
  const plans = [undefined, ...edits].map((edit, index) => {
    const { sql } = onDemandStatement({
      view,
      stored: "stored",
      requests: "requests",
      fields: fields.map((_, at) => `r${at}`),
      into: `d${index}`,
    });
    return { sql: edit ? edited(sql, edit) : sql };
  });
  const { rows } = await engine.run({
    statements: [
      {
        sql: "create table stored (_row bigint, _status varchar, balance bigint, rating double, carrier varchar)",
      },
      insert(
        "stored",
        cases.map(({ status, balance, rating, carrier }, row) => [
          BigInt(row),
          status,
          balance,
          rating,
          carrier,
        ]),
      ),
      { sql: "create table requests (_row bigint, r0 double, r1 bigint, r2 boolean, r3 varchar, r4 bigint)" },
      insert(
        "requests",
        cases.map(({ request }, row) => [BigInt(row), ...fields.map(({ name }) => request[name])]),
      ),
      ...plans,
      ...plans.map((_, index) => ({ sql: `select * from d${index} order by _row`, returns: `d${index}` })),
    ],
    readable: [],
    workFolder: folder,
    threads: 2,
  });
  return plans.map((_, index) =>
    (rows[`d${index}`] ?? []).map((row) =>
      names.map((name) => (row[name] === null ? null : Number(row[name]))),
    ),
  );
}

test("the batch plan, what a request is answered with, and the definition agree bit for bit", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(aCase, { minLength: 300, maxLength: 300 }), async (cases) => {
      const expected = cases.map(naive);
      expect(cases.map((one) => served(one))).toEqual(expected);
      expect(await planned(cases)).toEqual([expected]);
    }),
    { numRuns: 3, endOnFailure: true },
  );
});

const cases = fc.sample(aCase, { seed: 3, numRuns: 400 });
const expected = JSON.stringify(cases.map(naive));

const planFaults: Readonly<Record<string, readonly [string, string]>> = {
  "a row that is not found has features": [
    "case when _status = 'found' then",
    "case when _status <> 'x' then",
  ],
  "stored integers are divided as integers": [
    `s."balance"::double as "balance"`,
    `(s."balance" // 1000 * 1000)::double as "balance"`,
  ],
  "requests meet the rows of others": [
    "on f._row = s._row",
    "on f._row = s._row + (s._row % 2) - ((s._row + 1) % 2)",
  ],
  "two request fields change places": [
    `f."r0" as "amount", f."r1" as "count"`,
    `f."r1"::double as "amount", f."r0"::bigint as "count"`,
  ],
};

test("every known fault of the batch plan is caught", async () => {
  const safe = cases.map((one) => ({ ...one, request: { ...one.request, amount: 7 } }));
  const [sound, ...faulty] = await planned(safe, Object.values(planFaults));
  const right = JSON.stringify(safe.map(naive));
  expect(JSON.stringify(sound)).toBe(right);
  const missed = Object.keys(planFaults).filter((_, index) => JSON.stringify(faulty[index]) === right);
  expect(missed).toEqual([]);
});

describe("every known fault of what serves is caught", () => {
  const source = new URL("../src/on-demand/compute-on-demand.ts", import.meta.url);
  test.for([
    ["null is read as zero", ["values[name]?.value ?? null", "values[name]?.value ?? 0"]],
    ["a truth value is no number", ["value: Number(value)", "value: value === false ? null : Number(value)"]],
    ["stored values hide the request", ["...fields,", ""]],
  ] as const)("%s", async ([, edit]) => {
    const placed = (path: string): string =>
      JSON.stringify(path.startsWith(".") ? new URL(path, source).href : import.meta.resolve(path));
    const text = (await readFile(source, "utf8")).replaceAll(/(?<=from )"(.*)"/g, (_, path: string) =>
      placed(path),
    );
    const file = join(folder, `faulty-${Math.abs(edit[0].length)}.ts`);
    await writeFile(file, edited(text, edit));
    const faulty = createRequire(import.meta.url)(file) as typeof Compute;
    expect(JSON.stringify(cases.map((one) => served(one, faulty)))).not.toBe(expected);
  });

  test("a feature that reads what is of no age has none, and one that does not is there", () => {
    const values = computeOnDemand(plan).valuesOf(
      { amount: 1, count: 2n, is_new: false, channel: "web", asked_at: 0n },
      { balance: { value: null, status: "outside_max_age" }, rating: { value: 1, status: "present" } },
    );
    expect(values).toMatchObject({
      share: { value: null, status: "outside_max_age" },
      is_over: { value: null, status: "outside_max_age" },
      is_web: { value: 1, status: "present" },
      gap: { value: 2, status: "present" },
    });
  });
});
