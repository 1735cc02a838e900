import { expect, test } from "vitest";
import { coherenceFindings } from "./coherence.ts";
import { deriveFromCharter } from "./derive.ts";
import type { CharterDocument } from "./document.ts";
import { parseCharter, requireValid } from "./parse-charter.ts";
import { productionBlockers } from "./production-blockers.ts";
import { readTemplate } from "./templates.ts";

const document = requireValid(parseCharter(readTemplate("flight-delays"))).document;
const review = {
  dueWithin: "8h",
  scoreBetween: { from: 0.4, to: 0.6 },
  when: "amount > 10000",
  sample: "1%",
  secondReview: "10%",
};
const stated: CharterDocument = { ...document, humanReview: "below_confidence", review };
const itemOf = (of: CharterDocument) =>
  deriveFromCharter(of).items.find(({ control }) => control === "human_review");

test("a charter that states a queue has its reviews enforced, and says that answers do not wait", () => {
  const item = itemOf(stated);
  expect(item?.enforcement.kind).toBe("enforced");
  expect(item?.from.map(({ pointer }) => pointer)).toEqual(["/humanReview", "/review"]);
  expect(item?.statement).toBe(
    "Every uncertain prediction is brought to a person within the queue of reviews, due in 8h (uncertain is a score of 0.4 to 0.6; high stakes are those with amount > 10000; 1 % of the others are sampled; 10 % are reviewed twice); the answer does not wait for it.",
  );
  expect(deriveFromCharter(stated).terms.review).toEqual({
    every: false,
    dueWithinMs: 28_800_000,
    scoreBetween: { from: 0.4, to: 0.6 },
    when: "amount > 10000",
    sample: 0.01,
    secondReview: 0.1,
  });
});

test("without a queue a review is demanded of nobody: it is not enforced, and keeps out of production where it is demanded", () => {
  const { review: _, ...without } = { ...stated, demandedControls: ["human_review" as const] };
  expect(itemOf(without)?.enforcement.kind).toBe("not_enforced");
  expect(productionBlockers(without).map(({ control }) => control)).toContain("human_review");
  expect(productionBlockers({ ...without, review }).map(({ control }) => control)).not.toContain(
    "human_review",
  );
});

test.each([
  ["humanReview says none", { ...stated, humanReview: "none" as const }, "/review"],
  ["no score is uncertain", { ...stated, review: { dueWithin: "8h" } }, "/review"],
  [
    "the band is upside down",
    { ...stated, review: { ...review, scoreBetween: { from: 0.6, to: 0.4 } } },
    "/review/scoreBetween",
  ],
  ["it is due at once", { ...stated, review: { ...review, dueWithin: "0h" } }, "/review/dueWithin"],
  ["more than all are sampled", { ...stated, review: { ...review, sample: "101%" } }, "/review/sample"],
])("a queue is refused where %s", (_why, of, pointer) => {
  expect(coherenceFindings(of).map((finding) => finding.pointer)).toEqual([pointer]);
  expect(coherenceFindings(stated)).toEqual([]);
});
