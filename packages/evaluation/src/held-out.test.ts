import { expect, test } from "vitest";
import { judgeHeldOut } from "./held-out.ts";

const definition = "sha256:one";
const trainedOn = { from: 100, to: 200, definition };
const registeredAt = 1000;

test("rows from the end of the training set on are held out, rows before it never (G7)", () => {
  const trained = { trainedOn, registeredAt };
  const judge = (from: number, to: number) => judgeHeldOut({ from, to, definition }, trained);
  expect(judge(200, 300)).toMatchObject({ kind: "judged", heldOut: { shown: true } });
  expect(judge(199, 300)).toMatchObject({ kind: "refused" });
  expect(judge(100, 200)).toMatchObject({ kind: "refused" });
  // Disjoint, but earlier: the model has seen the future of these rows.
  expect(judge(0, 100)).toMatchObject({ kind: "refused" });
});

test("a set that says something else than the training set is refused, so that label and baseline stay as they were fixed (G7)", () => {
  const set = { from: 200, to: 300, definition: "sha256:easier" };
  expect(judgeHeldOut(set, { trainedOn, registeredAt })).toMatchObject({ kind: "refused" });
});

test("of a model trained elsewhere only rows that had not happened at its registration are shown to be held out (G7)", () => {
  const judge = (from: number) => judgeHeldOut({ from, to: from + 10, definition }, { registeredAt });
  expect(judge(registeredAt)).toMatchObject({ kind: "judged", heldOut: { shown: true } });
  expect(judge(registeredAt - 1)).toMatchObject({ kind: "judged", heldOut: { shown: false } });
});
