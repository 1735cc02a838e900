import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CopyComparison, compareCopy } from "./comparison.ts";
import type { CopyLeaf } from "./findings.ts";
import { longestRising } from "./stretches.ts";

const log = (count: number): CopyLeaf[] =>
  Array.from({ length: count }, (_, i) => ({ hash: `h${i}`, id: `led_${i}`, index: i }));
const renumber = (leaves: readonly CopyLeaf[]): CopyLeaf[] =>
  leaves.map((leaf, index) => ({ ...leaf, index }));
const short = (findings: ReturnType<typeof compareCopy>) =>
  findings.map(({ kind, index, id }) => `${kind} ${index} ${id}`);

// docs/spec/ledger.md L13
describe("each kind of tampering is one finding with its index and id", () => {
  test("an untouched copy has none", () => {
    expect(compareCopy("rows", log(50), log(50))).toEqual([]);
  });

  test("edited", () => {
    const copy = log(50).with(7, { hash: "other", id: "led_7", index: 7 });
    expect(short(compareCopy("rows", log(50), copy))).toEqual(["edited 7 led_7"]);
  });

  test("edited inside, with the entry left alone", () => {
    const copy = log(50).with(7, {
      hash: "h7",
      id: "led_7",
      index: 7,
      fault: "the payload is not the committed one",
    });
    expect(short(compareCopy("rows", log(50), copy))).toEqual(["edited 7 led_7"]);
  });

  test("removed, with the rest left in place or renumbered", () => {
    const copy = log(50).toSpliced(7, 1);
    expect(short(compareCopy("rows", log(50), copy))).toEqual(["removed 7 led_7"]);
    expect(short(compareCopy("rows", log(50), renumber(copy)))).toEqual([
      "removed 7 led_7",
      "renumbered 8 led_8",
    ]);
  });

  test("the first, the last and everything removed", () => {
    expect(short(compareCopy("rows", log(5), log(5).slice(1)))).toEqual(["removed 0 led_0"]);
    expect(short(compareCopy("rows", log(5), log(5).slice(0, 4)))).toEqual(["removed 4 led_4"]);
    expect(compareCopy("rows", log(5), [])).toHaveLength(5);
  });

  test("inserted, also as a copy of a genuine row", () => {
    const stranger: CopyLeaf = { hash: "x", id: "led_x", index: 7 };
    expect(short(compareCopy("rows", log(50), renumber(log(50).toSpliced(7, 0, stranger))))).toEqual([
      "inserted 7 led_x",
      "renumbered 7 led_7",
    ]);
    const again: CopyLeaf = { hash: "h30", id: "led_30", index: 7 };
    expect(short(compareCopy("rows", log(50), log(50).toSpliced(7, 0, again)))).toContain(
      "inserted 7 led_30",
    );
  });

  test("reordered", () => {
    const [third, ninth] = [log(50)[3], log(50)[9]];
    if (third === undefined || ninth === undefined) throw new Error("the log has 50 rows");
    const copy = renumber(log(50).with(3, ninth).with(9, third));
    const found = compareCopy("rows", log(50), copy);
    expect(new Set(found.map((finding) => finding.kind))).toEqual(new Set(["reordered"]));
    expect(found.map((finding) => finding.index ?? 0).toSorted((a, b) => a - b)).toEqual([3, 9]);
  });

  test("several at once are all named", () => {
    const copy = renumber(log(50).toSpliced(40, 1).with(20, { hash: "x", id: "led_20", index: 20 }));
    expect(short(compareCopy("rows", log(50), copy))).toEqual([
      "edited 20 led_20",
      "removed 40 led_40",
      "renumbered 41 led_41",
    ]);
  });
});

describe("long logs, read in parts", () => {
  const inParts = (sound: readonly CopyLeaf[], copy: readonly CopyLeaf[], options = {}) => {
    const comparison = new CopyComparison("rows", options);
    for (let at = 0; at < Math.max(sound.length, copy.length); at += 700)
      comparison.take(sound.slice(at, at + 700), copy.slice(at, at + 700));
    return comparison.end();
  };

  test("an edit, a removal and an insertion far apart are three findings", () => {
    const stranger: CopyLeaf = { hash: "x", id: "led_x", index: 9000 };
    const copy = renumber(
      log(20_000)
        .toSpliced(15_000, 0, stranger)
        .toSpliced(5000, 1)
        .with(10, { hash: "y", id: "led_10", index: 10 }),
    );
    expect(short(inParts(log(20_000), copy))).toEqual([
      "edited 10 led_10",
      "removed 5000 led_5000",
      "inserted 15000 led_x",
      "renumbered 5001 led_5001",
    ]);
  });

  test("rows that changed places over any distance have moved, and are not edits", () => {
    const sound = log(20_000);
    const [low, high] = [sound[10], sound[19_000]];
    if (low === undefined || high === undefined) throw new Error("the log has 20,000 rows");
    const found = inParts(sound, renumber(sound.with(10, high).with(19_000, low)));
    expect(new Set(found.map(({ kind }) => kind))).toEqual(new Set(["reordered"]));
  });

  test("a fault inside a row is found also behind a removal", () => {
    const copy = log(5000)
      .with(4000, {
        hash: "h4000",
        id: "led_4000",
        index: 4000,
        fault: "the payload is not the committed one",
      })
      .toSpliced(100, 1);
    expect(short(inParts(log(5000), copy)).toSorted()).toEqual([
      "edited 4000 led_4000",
      "removed 100 led_100",
    ]);
  });

  test("rows after the signed ones are passed over, and signed rows among them are not", () => {
    const longer = [...log(100), { hash: "x", id: "led_x", index: 100 }];
    expect(inParts(log(100), longer, { mayBeLonger: true })).toEqual([]);
    const moved = renumber([
      ...log(100).toSpliced(3, 1),
      { hash: "x", id: "led_x", index: 0 },
      ...log(4).slice(3),
    ]);
    expect(inParts(log(100), moved, { mayBeLonger: true }).map(({ kind }) => kind)).toContain("reordered");
  });

  test("beyond the limit the first differences are named, and it says where it stopped", () => {
    const copy = log(5000).map((leaf, i) => (i < 1000 ? leaf : { ...leaf, hash: `x${i}` }));
    const found = inParts(log(5000), copy, { maxDiffering: 2000 });
    expect(found[0]).toMatchObject({ kind: "edited", index: 1000 });
    expect(found.at(-1)).toMatchObject({ kind: "diverged", index: 3001 });
    expect(found).toHaveLength(2002);
  });
});

test("any shuffle, removal or replacement is found, and an equal copy never accused", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.array(fc.nat(60), { maxLength: 45 }), (count, picks) => {
      const copy = picks.map((pick, index) => ({ hash: `h${pick}`, id: `led_${pick}`, index }));
      const same = picks.length === count && picks.every((pick, i) => pick === i);
      expect(compareCopy("rows", log(count), copy).length === 0).toBe(same);
    }),
  );
});

test("the longest rising run is as long as the quadratic method finds", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(200), { maxLength: 40 }), (values) => {
      const best: number[] = [];
      values.forEach((value, i) => {
        const before = values.slice(0, i).map((other, j) => (other < value ? (best[j] ?? 0) : 0));
        best.push(Math.max(0, ...before) + 1);
      });
      expect(longestRising(values).size).toBe(Math.max(0, ...best));
    }),
  );
});
