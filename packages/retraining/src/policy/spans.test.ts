import fc from "fast-check";
import { expect, test } from "vitest";
import { chooseSpans } from "./spans.ts";

const day = 86_400_000_000;

test("the newest rows are held out, and what is learned from ends where they begin", () => {
  const found = chooseSpans({
    champion: { from: 0, to: 10 * day },
    newest: { first: 0, last: 20 * day - 1 },
    heldOutShare: 0.2,
  });
  expect(found).toEqual({
    kind: "chosen",
    training: { from: 7.5 * day, to: 17.5 * day },
    heldOut: { from: 17.5 * day, to: 20 * day },
  });
});

test("no row that either version learned from judges it, whatever there is", () => {
  const moment = fc.integer({ min: 0, max: 100 * day });
  fc.assert(
    fc.property(
      fc.tuple(moment, moment),
      fc.tuple(moment, moment),
      fc.option(fc.integer({ min: 1, max: 8_640_000_000 }), { nil: undefined }),
      fc.double({ min: 0.01, max: 0.99, noNaN: true }),
      ([a, b], [c, d], trainingMs, heldOutShare) => {
        const champion = { from: Math.min(a, b), to: Math.max(a, b) + 1 };
        const newest = { first: Math.min(c, d), last: Math.max(c, d) };
        const found = chooseSpans({
          champion,
          newest,
          heldOutShare,
          ...(trainingMs === undefined ? {} : { trainingMs }),
        });
        if (found.kind === "nothing") return;
        const { training, heldOut } = found;
        expect(training.from).toBeLessThan(training.to);
        expect(heldOut.from).toBeLessThan(heldOut.to);
        expect(training.to).toBeLessThanOrEqual(heldOut.from);
        expect(heldOut.from).toBeGreaterThanOrEqual(champion.to);
        expect(heldOut.to).toBe(newest.last + 1);
      },
    ),
  );
});

test("without newer rows, or with those of the champion alone, there is nothing to do", () => {
  const champion = { from: 0, to: 10 * day };
  const old = { champion, newest: { first: 0, last: 10 * day - 1 }, heldOutShare: 0.2 };
  expect(chooseSpans(old)).toMatchObject({ kind: "nothing", because: expect.stringContaining("newer") });
  const same = { champion, newest: { first: 0, last: 12.5 * day - 1 }, heldOutShare: 0.2 };
  expect(chooseSpans(same)).toMatchObject({
    kind: "nothing",
    because: expect.stringContaining("those that the champion learned from"),
  });
});
