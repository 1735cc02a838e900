import { isPortolanError } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { quantityText } from "../quantity.ts";
import { cardUsage, readCards, readLeases } from "./card-usage.ts";

const hour = "2026-11-01T00:00:00Z,2026-11-01T01:00:00Z";
const cards = `card,model,start,end\nc1,H100-80GB,${hour}\n`;

function used(shares: readonly string[], of = cards) {
  const rows = shares.map((share, at) => `u${at},t,c1,${share},${hour}`);
  return usage(of, `business_unit,team,card,share,start,end\n${rows.join("\n")}\n`);
}

function usage(cardText: string, leaseText: string) {
  const found = cardUsage(
    readCards(cardText, "cards.csv"),
    readLeases(leaseText, "leases.csv"),
    "leases.csv",
  );
  expect(found.usage.reduce((sum, { quantity }) => sum + quantity, found.idle)).toBe(found.capacity);
  return {
    quantities: found.usage.map(({ quantity }) => quantityText(quantity)),
    idle: quantityText(found.idle),
    stranded: quantityText(found.stranded),
  };
}

const faultOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (isPortolanError(error)) return error.detail ?? "";
    throw error;
  }
  return "";
};

describe("parts of a card", () => {
  test.each([
    [
      "four pods of 25 % for an hour are one hour of a card (HAMi#3073)",
      Array<string>(4).fill("25%"),
      Array<string>(4).fill("0.25"),
      "0",
      "0",
    ],
    [
      "three that take turns have a third each",
      Array<string>(3).fill("turns"),
      Array<string>(3).fill("1/3"),
      "0",
      "0",
    ],
    [
      "those that take turns have what others leave",
      ["1/2", "turns", "turns"],
      ["0.5", "0.25", "0.25"],
      "0",
      "0",
    ],
    [
      "seven slices of a seventh are the card",
      Array<string>(7).fill("1g.10gb"),
      Array<string>(7).fill("1/7"),
      "0",
      "0",
    ],
    ["two of three sevenths strand the seventh", ["3g.40gb", "3g.40gb"], ["3/7", "3/7"], "1/7", "1/7"],
    [
      "four with double memory strand three sevenths",
      Array<string>(4).fill("1g.20gb"),
      Array<string>(4).fill("1/7"),
      "3/7",
      "3/7",
    ],
    ["what could still be used is idle and not stranded", ["3g.40gb", "1g.10gb"], ["3/7", "1/7"], "3/7", "0"],
    ["a whole card is one", ["whole"], ["1"], "0", "0"],
  ])("%s", (_name, shares, quantities, idle, stranded) => {
    expect(used(shares)).toEqual({ quantities, idle, stranded });
  });

  test("by the second: who came later and left earlier has less, and the rest is idle", () => {
    const found = usage(
      cards,
      "business_unit,team,card,share,start,end,activity\na,t,c1,turns,2026-11-01T00:00:00Z,2026-11-01T00:40:00Z,serving\nb,t,c1,turns,2026-11-01T00:20:00Z,2026-11-01T00:30:00Z,\n",
    );
    expect(found).toEqual({ quantities: ["7/12", "1/12"], idle: "1/3", stranded: "0" });
  });

  test("the night on which clocks are set back has its 25 hours, for both 02:30 are said", () => {
    const night = "2026-10-25T00:00:00+02:00,2026-10-26T00:00:00+01:00";
    const found = usage(
      `card,model,start,end\nc1,,${night}\n`,
      `business_unit,team,card,share,start,end\na,t,c1,1/2,${night}\nb,t,c1,1/2,2026-10-25T02:30:00+02:00,2026-10-25T02:30:00+01:00\n`,
    );
    expect(found).toEqual({ quantities: ["12.5", "0.5"], idle: "12", stranded: "0" });
  });

  test("a card that is paid for in two stretches is counted once in each", () => {
    const two =
      "card,start,end\nc1,2026-11-01T00:00:00Z,2026-11-01T01:00:00Z\nc1,2026-11-01T01:00:00Z,2026-11-01T02:00:00Z\n";
    const lease =
      "business_unit,team,card,share,start,end\na,t,c1,1/2,2026-11-01T00:30:00Z,2026-11-01T01:30:00Z\n";
    expect(usage(two, lease)).toEqual({ quantities: ["0.5"], idle: "1.5", stranded: "0" });
  });

  test("however cards are shared, used and idle are what was paid for, in any order of the leases", () => {
    const lease = fc.record({
      unit: fc.constantFrom("a", "b", "c", "d"),
      share: fc.constantFrom("turns", "1/9", "10%", "1/8"),
      from: fc.integer({ min: 0, max: 3000 }),
      takes: fc.integer({ min: 1, max: 599 }),
    });
    const at = (seconds: number) =>
      `2026-11-01T00:${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}Z`;
    fc.assert(
      fc.property(
        fc.uniqueArray(lease, { maxLength: 6, minLength: 1, selector: ({ unit, from }) => `${unit}${from}` }),
        (drawn) => {
          const rows = drawn.map(
            ({ unit, share, from, takes }) => `${unit},t,c1,${share},${at(from)},${at(from + takes)}`,
          );
          const text = (lines: readonly string[]) =>
            `business_unit,team,card,share,start,end\n${lines.join("\n")}\n`;
          const oddly = `card,start,end\nc1,2026-11-01T00:00:00Z,2026-11-01T01:00:01Z\n`;
          const found = usage(oddly, text(rows));
          expect(usage(oddly, text(rows.toReversed()))).toEqual(found);
        },
      ),
    );
  });
});

describe("what cannot be", () => {
  const lease = (rest: string) => `business_unit,team,card,share,start,end\n${rest}\n`;
  test.each([
    [
      "more than the card",
      cards,
      lease(`a,,c1,1/2,${hour}\nb,,c1,2/3,${hour}`),
      "more than the card is held",
    ],
    [
      "instances that cannot stand together",
      cards,
      lease(`a,,c1,4g.40gb,${hour}\nb,,c1,4g.40gb,${hour}`),
      "cannot stand on one card",
    ],
    ["a cut card that is shared too", cards, lease(`a,,c1,1g.10gb,${hour}\nb,,c1,25%,${hour}`), "not both"],
    ["no such card", cards, lease(`a,,c2,1/2,${hour}`), "line 2: there is no card c2"],
    [
      "outside the paid time",
      cards,
      lease("a,,c1,1/2,2026-11-01T00:30:00Z,2026-11-01T01:30:00Z"),
      "outside the time",
    ],
    [
      "a clock that was set back",
      cards,
      lease("a,,c1,1/2,2026-11-01T00:30:00Z,2026-11-01T00:10:00Z"),
      "the clock was set back",
    ],
    ["a wall clock", cards, lease("a,,c1,1/2,2026-11-01T00:30:00,2026-11-01T00:40:00"), "is no moment"],
    [
      "twice the same",
      cards,
      lease(`a,,c1,1/4,${hour}\na,,c1,1/4,${hour}`),
      "line 3: the same is there twice",
    ],
    ["a share of nothing", cards, lease(`a,,c1,0/4,${hour}`), "is no MIG profile"],
    ["elevenths", cards, lease(`a,,c1,1/11,${hour}`), "is no MIG profile"],
    ["an unknown profile", cards, lease(`a,,c1,5g.50gb,${hour}`), "has no profile 5g.50gb"],
    ["a card twice", `${cards}c1,H100-80GB,${hour}\n`, lease(`a,,c1,1/2,${hour}`), "twice at a time"],
    ["an unknown model", cards.replace("H100-80GB", "H100"), lease(`a,,c1,1/2,${hour}`), "is none of"],
    ["turns of nothing", cards, lease(`a,,c1,whole,${hour}\nb,,c1,turns,${hour}`), "nothing of it is left"],
  ])("%s is refused", (_name, cardText, leaseText, words) => {
    expect(faultOf(() => usage(cardText, leaseText))).toContain(words);
  });
});
