import { describe, expect, test } from "vitest";
import { type DerivedValues, judgeServed } from "./judge-served.ts";
import { servedValues } from "./served-values.ts";

const at = 1_000_000;
const plan = {
  views: [{ name: "accounts@1", digest: "sha256:0", entityKeys: ["account", "branch"] }],
  columns: [{}, {}, {}],
};
const features = (values: readonly [number | null, "online" | "stale" | "default"][]) =>
  values.flatMap(([value, source], row) => [
    { name: "amount", value: 5, source: "request" as const },
    { name: "accounts@1.balance", value, source, ...(source === "default" ? {} : { at: 900_000 + row }) },
    { name: "accounts@1.rating", value: 0.1, source: "online" as const, at: 900_000 + row },
  ]);
const record = (values: Parameters<typeof features>[0], more: object = {}) =>
  ({
    header: {
      id: "p1",
      context: { environment: "dev" },
      receivedAt: at,
      status: { kind: "ok" },
      ...more,
    },
    features: features(values),
    inputs: {
      mediaType: "application/json",
      text: JSON.stringify({
        inputs: [
          { name: "account", datatype: "BYTES", shape: [2], data: ["a", "b"] },
          { name: "branch", datatype: "INT64", shape: [2, 1], data: [[1], [2]] },
        ],
      }),
    },
  }) as unknown as Parameters<typeof servedValues>[0];

describe("what a recorded prediction was given", () => {
  test("is told row by row and view by view, with the key that was asked for", () => {
    const served = servedValues(
      record(
        [
          [7, "online"],
          [null, "default"],
        ],
        { eventTime: 5 },
      ),
      plan,
    );
    expect(served).toEqual([
      expect.objectContaining({ row: 0, key: ["a", "1"], at: 5, servedAt: at, view: "accounts@1" }),
      expect.objectContaining({ row: 1, key: ["b", "2"], at: 5, servedAt: at }),
    ]);
    const names = typeof served === "string" ? [] : served[1]?.features.map(({ name }) => name);
    expect(names).toEqual(["balance", "rating"]);
  });

  test("has what the request brought for on-demand features", () => {
    const request = [
      { name: "branch", type: "int" },
      { name: "is_new", type: "bool" },
    ];
    const asking = { ...plan, views: plan.views.map((view) => ({ ...view, onDemand: { request } })) };
    const one = record([[7, "online"]]);
    expect(servedValues(one, asking)).toBe("a request field is not among its inputs");
    const inputs = [
      ...(JSON.parse(one.inputs?.text ?? "") as { inputs: object[] }).inputs,
      { name: "is_new", datatype: "BOOL", shape: [2], data: [1, 0] },
    ];
    const whole = { ...one, inputs: { mediaType: "application/json", text: JSON.stringify({ inputs }) } };
    expect(servedValues(whole, asking)).toEqual([
      expect.objectContaining({ request: { branch: 1, is_new: true } }),
    ]);
  });

  test("is not guessed where the record does not say it", () => {
    const one = record([[7, "online"]]);
    expect(servedValues({ ...one, withheld: "erased" }, plan)).toBe("payload is gone");
    expect(servedValues(one, undefined)).toContain("not deployed");
    expect(servedValues(record([], { status: { kind: "read" } }), plan)).toContain("features were read");
    expect(servedValues(one, { ...plan, columns: [{}, {}] })).toContain("another plan");
    expect(servedValues({ ...one, inputs: { mediaType: "x", text: "no" } }, plan)).toContain("not JSON");
    const other = { ...plan, views: [{ name: "accounts@1", digest: "", entityKeys: ["nothing"] }] };
    expect(servedValues(one, other)).toContain("entity key");
  });
});

describe("a served value agrees with the offline path", () => {
  const found = (value: number | null, more: Partial<DerivedValues> = {}): DerivedValues => ({
    status: "found",
    asOf: 900_000,
    values: { balance: value },
    statuses: { balance: value === null ? "null" : "present" },
    ...more,
  });
  const missing: DerivedValues = {
    status: "not_found",
    values: { balance: null },
    statuses: { balance: "not_found" },
  };
  const expired: DerivedValues = {
    status: "outside_max_age",
    asOf: 900_000,
    values: { balance: null },
    statuses: { balance: "outside_max_age" },
  };
  const judge = (
    value: number | null,
    source: "online" | "stale" | "default",
    ...answers: readonly DerivedValues[]
  ) => judgeStated(value, source, undefined, ...answers);
  const judgeStated = (
    value: number | null,
    source: "online" | "stale" | "default",
    status: "null" | "not_found" | "outside_max_age" | undefined,
    ...answers: readonly DerivedValues[]
  ) => {
    const [served] = servedValues(record([[value, source]]), plan) as Exclude<
      ReturnType<typeof servedValues>,
      string
    >;
    const feature = served?.features[0];
    if (!served || !feature) throw new Error("nothing was served");
    return judgeServed(served, { ...feature, ...(status === undefined ? {} : { status }) }, answers);
  };

  test("when it is the same number of the same event, and by nothing less", () => {
    expect(judge(7, "online", found(7))).toBeUndefined();
    for (const other of [
      found(7.000000000000001),
      found(null),
      found(7, { asOf: 900_001 }),
      missing,
      expired,
    ])
      expect(judge(7, "online", other)).toMatchObject({ prediction: "p1", row: 0, served: { value: 7 } });
    expect(judge(7, "online")).toBeDefined();
  });

  test("when it is the same text, code point by code point, and no number that looks like it (F74)", () => {
    const carrier = (served: string, derived: string | number) =>
      judgeServed(
        {
          prediction: "p1",
          environment: "dev",
          row: 0,
          view: "v@1",
          digest: "",
          key: [],
          at,
          servedAt: at,
          features: [],
        },
        { name: "carrier", value: served, source: "online", at: 900_000 },
        [{ status: "found", asOf: 900_000, values: { carrier: derived }, statuses: { carrier: "present" } }],
      );
    expect(carrier("\u00e9", "\u00e9")).toBeUndefined();
    expect(carrier("", "")).toBeUndefined();
    for (const [served, derived] of [
      ["\u00e9", "e\u0301"],
      ["AA", "aa"],
      ["AA", "AA "],
      ["7", 7],
    ] as const)
      expect(carrier(served, derived)).toMatchObject({
        served: { value: served },
        derived: [{ value: derived }],
      });
  });

  test("when either of two answers could have been served", () => {
    expect(judge(7, "online", found(6), found(7))).toBeUndefined();
    expect(judge(7, "online", found(6), found(8))?.derived).toHaveLength(2);
  });

  test("when a stand-in stood for what was not there, and not for what was", () => {
    expect(judge(-1, "default", missing)).toBeUndefined();
    expect(judge(-1, "default", found(null))).toBeUndefined();
    expect(judge(-1, "default", found(7))).toBeDefined();
    expect(judge(-1, "default", expired)).toBeDefined();
  });

  test("when there was nothing for the very reason that the record states, of windows as of values (F25)", () => {
    expect(judgeStated(-1, "default", "null", found(null))).toBeUndefined();
    expect(judgeStated(-1, "default", "not_found", missing)).toBeUndefined();
    // An entity without events has the windows of nothing: what is known to be null is not what is not known.
    expect(judgeStated(-1, "default", "null", missing)).toMatchObject({
      derived: [{ status: "not_found", value: null }],
      served: { status: "null" },
    });
    expect(judgeStated(-1, "default", "not_found", found(null))).toBeDefined();
    for (const status of ["null", "not_found"] as const) {
      expect(judgeStated(-1, "default", status, found(7))).toBeDefined();
      expect(judgeStated(-1, "default", status, expired)).toBeDefined();
      expect(judgeStated(-1, "default", status, missing, found(null))).toBeUndefined();
    }
    expect(judgeStated(-1, "stale", "outside_max_age", expired)).toBeUndefined();
    expect(judgeStated(-1, "stale", "outside_max_age", missing)).toBeDefined();
  });

  test("when it was too old, by the ttl, by the charter, or of a moment that online keeps nothing of", () => {
    expect(judge(-1, "stale", expired)).toBeUndefined();
    expect(judge(-1, "stale", found(7))).toBeUndefined();
    expect(judge(-1, "stale", found(7, { asOf: 1 }))).toBeDefined();
    expect(judge(-1, "stale", found(7, { asOf: 1, exactFrom: at + 1 }))).toBeUndefined();
  });

  test("when a window has no age, and was too old only where online may keep too few of its events (F35)", () => {
    const ofNow = (more: Partial<DerivedValues> = {}) => found(7, { asOf: at, ...more });
    const judgeNow = (answer: DerivedValues) => {
      const [served] = servedValues(record([[-1, "stale"]]), plan) as Exclude<
        ReturnType<typeof servedValues>,
        string
      >;
      const feature = served?.features[0];
      if (!served || !feature) throw new Error("nothing was served");
      return judgeServed(served, { ...feature, at, status: "outside_max_age" }, [answer]);
    };
    expect(judgeNow(ofNow())).toMatchObject({ derived: [{ status: "present", value: 7 }] });
    expect(judgeNow(ofNow({ mayBeCut: true }))).toBeUndefined();
  });

  test("by the status of the value, whatever that of its row", () => {
    // Of a found row one window is of its age, and another reaches further than what is known.
    const cut = found(null, { statuses: { balance: "outside_max_age" } });
    expect(judgeStated(-1, "default", "null", cut)).toMatchObject({
      derived: [{ status: "outside_max_age", value: null }],
    });
    expect(judge(-1, "stale", cut)).toBeUndefined();
    expect(judge(7, "online", { ...found(7), statuses: { balance: "null" } })).toBeDefined();
  });
});
