import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CopyLeaf, compareCopy, longestRising } from "./comparison.ts";

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
