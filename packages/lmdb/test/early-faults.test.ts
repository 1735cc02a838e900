import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type * as EarlyLines from "../../features/src/early/early-line.ts";
import { type Fault, faultyCopy } from "../../features/test/faulty-copy.ts";
import {
  aValuesDay,
  aWindowsDay,
  type LineMaker,
  live,
  valuesLife,
  windowsLife,
} from "../../features/test/online-store/early-world.ts";
import type * as Lmdb from "../src/index.ts";
import { openWorld } from "./lmdb-world.ts";

/**
 * Faults of events that count before their batch (docs/spec/features.md, F53 to F56) are put into our own code, one by one: what the online stores' suite compares
 * must see each.
 */

type Edits = Fault["edits"];
type Faults = Readonly<Record<string, readonly [kind: "values" | "windows", ...Edits]>>;

const rowFaults: Faults = {
  "a refused batch is not withdrawn": [
    "values",
    [`void values.remove(below(view, "e", ...(key ?? []), accepted));`, ""],
  ],
  "a refused batch of windows is not withdrawn": [
    "windows",
    ["(row?.early ?? []).filter((version) => version.sequence !== sequence)", "row?.early ?? []"],
  ],
  "all early versions of an event go with one of them": [
    "windows",
    ["if (early.length > 0) {", "if (false) {"],
  ],
  "a settlement stops after its first transaction": [
    "windows",
    ["const linesAtOnce = 2_000;", "const linesAtOnce = 2;"],
    ["lines.length < linesAtOnce", "lines.length <= linesAtOnce"],
  ],
  "a settlement passes over a line between two transactions": [
    "windows",
    ["const linesAtOnce = 2_000;", "const linesAtOnce = 2;"],
    ["from = end.accepted + 1;", "from = end.accepted + 2;"],
  ],
  "an event counts twice once its batch is in the log": [
    "windows",
    ["[...loggedVersions(values, header, id), ...(row?.early ?? [])]", "[...(row?.early ?? [])]"],
  ],
  "an event counts for the entity that it has left": [
    "windows",
    [
      "const entities = [version.key, ...loggedVersions(values, header, id).map(({ key }) => key)];",
      "const entities = [version.key];",
    ],
  ],
  "what the log learns of an event meanwhile is not looked at": [
    "windows",
    ["mark(values, header, id, early.marked, [parts])", "early.marked"],
  ],
  "the log's newest version of an event hides the others": [
    "windows",
    ["logged.filter((one) => one.sequence !== sequence)", "logged.slice(0, 0)"],
  ],
  "entities go on looking at events that are settled": [
    "windows",
    [`for (const marked of row?.marked ?? []) void values.remove(below(view, "m", ...marked, id));`, ""],
  ],
};

const readFaults: Faults = {
  "the ttl is not enforced": [
    "values",
    ["at, header.ttlMicros)", "at, early.length > 0 ? 1e9 : header.ttlMicros)"],
  ],
  "the ttl ends a microsecond early": [
    "values",
    ["at, header.ttlMicros)", "at, header.ttlMicros - (early.length > 0 ? 1 : 0))"],
  ],
  "the ttl ends a microsecond late": [
    "values",
    ["at, header.ttlMicros)", "at, header.ttlMicros + (early.length > 0 ? 1 : 0))"],
  ],
  "an event counts before it was available": ["values", ["record.available <= at && ", ""]],
  "an event at the very moment does not count": [
    "values",
    ["record.available <= at && ", "record.available < at && "],
  ],
  "the newest arrival wins, whatever its event time": [
    "values",
    ["compareRank(record, best) > 0", "record.sequence > best.sequence"],
  ],
  "of two late events the one of the log stays": [
    "values",
    ["newestAt(early, at, logged)", "logged ?? newestAt(early, at, logged)"],
  ],
  "an early value hides a newer one of the log": [
    "values",
    ["let best = logged;", "let best = early.length > 0 ? undefined : logged;"],
  ],
  "a tombstone hides nothing": [
    "values",
    ["record.available <= at && ", "!record.isTombstone && record.available <= at && "],
  ],
  "windows know nothing of it": ["windows", ["isEarly ? entity.changes?.() : undefined", "undefined"]],
};

const windowFaults: Faults = {
  "versions hold in the order in which they came": [
    "windows",
    ["one.available - other.available || one.sequence", "one.sequence"],
  ],
  "of versions that were known at once the first one holds": [
    "windows",
    ["|| one.sequence - other.sequence", "|| other.sequence - one.sequence"],
  ],
  "a correction counts beside what it corrects": [
    "windows",
    ["inOrder[index + 1]?.available ?? null", "null"],
  ],
  "a correction holds from when its event was": [
    "windows",
    ["inOrder[index + 1]?.available", "inOrder[index + 1]?.event"],
  ],
  "a correction counts beside what the log has": [
    "windows",
    ["else if (until !== null)", "else if (until === 0)"],
  ],
  "a tombstone is an event": ["windows", ["isTombstone || ", ""]],
  "an event counts for whoever looks at it": ["windows", [" || JSON.stringify(version.key) !== own", ""]],
  "what is corrected stays in its tile": [
    "windows",
    ["all.filter(([, , sequence]) => !ended.has(sequence))", "all"],
  ],
  "what is corrected is gone before the correction is known": [
    "windows",
    ["if (until !== undefined) taken.push([...event, until]);", ""],
  ],
  "a tile that lost an event is not added up anew": [
    "windows",
    ["t.push([tile[0], count, operands]);", "t.push(tile);"],
  ],
};

const lineFaults: Faults = {
  "an early line ranks before all of the log": [
    "values",
    ["const firstEarly = 2 ** 52;", "const firstEarly = -(2 ** 52);"],
  ],
  "of two early lines the earlier one ranks first": [
    "windows",
    ["firstEarly + accepted", "firstEarly - accepted"],
  ],
  "an event is available before it happens": ["windows", ["known > event ? known : event", "known"]],
  "a tombstone is not one": ["values", ["evaluate(view.tombstone, row) === true", "false"]],
};

const days = {
  values: fc.sample(aValuesDay, { seed: 3, numRuns: 150 }),
  windows: fc.sample(aWindowsDay, { seed: 3, numRuns: 40 }),
};

/** Whether what a store of this copy says, or keeps, is ever another thing than the definition's. */
async function differs(
  kind: "values" | "windows",
  open: typeof Lmdb.openOnlineStore,
  lines?: LineMaker,
): Promise<boolean> {
  await using world = await openWorld(open);
  for (let round = 0; round < days[kind].length; round += 1) {
    let isOther = false;
    const see = (answers: readonly unknown[], expected: readonly unknown[]) => {
      isOther ||= JSON.stringify(answers) !== JSON.stringify(expected);
    };
    const [values, windows] = [days.values[round], days.windows[round]];
    if (kind === "values" && values) await live(world, valuesLife(`v${round}@1`, values, lines), see);
    if (kind === "windows" && windows) await live(world, windowsLife(`w${round}@1`, windows, lines), see);
    isOther ||= (await world.dump()).some((entry) => entry.startsWith(`["early"`));
    if (isOther) return true;
  }
  return false;
}

async function isCaught(kind: "values" | "windows", fault: Fault): Promise<boolean> {
  await using copy = await faultyCopy(fault);
  const { openOnlineStore } = copy.load("lmdb/src/index.ts") as typeof Lmdb;
  const lines = copy.load("features/src/early/early-line.ts") as typeof EarlyLines;
  return await differs(kind, openOnlineStore, lines);
}

describe("every known fault of events online at once is caught", () => {
  const faults = [
    ["lmdb/src/early-rows.ts", rowFaults],
    ["features/src/online/online-values.ts", readFaults],
    ["features/src/early/early-windows.ts", windowFaults],
    ["features/src/early/early-line.ts", lineFaults],
  ] as const;
  for (const [file, named] of faults)
    test.for(Object.entries(named))(`${file}: %s`, async ([, [kind, ...edits]]) => {
      expect(await isCaught(kind, { file, edits })).toBe(true);
    });

  test.for(["values", "windows"] as const)("and the store as it is passes with %s", async (kind) => {
    expect(await isCaught(kind, { file: "lmdb/src/early-rows.ts", edits: [] })).toBe(false);
  });
});
