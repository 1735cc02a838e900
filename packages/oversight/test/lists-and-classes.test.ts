import { reportOutcomes } from "@portolan/predictions";
import { aCall, fakeClock } from "@portolan/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rankingCase } from "../../monitoring/src/performance/ranking-case.ts";
import { concludeReview, decideReview, openReview } from "../src/decide-review.ts";
import { giveFeedback } from "../src/give-feedback.ts";
import { readReviewStats } from "../src/read-reviews.ts";
import { deliver, openReviewWorld, person, type ReviewWorld } from "./review-world.ts";

const clock = fakeClock();
let world: ReviewWorld;
/** Predictions: five lists of three rows, an answer of three classes twice, one of a model without named classes, and one of yes or no. */
let ids: readonly string[];
const scores = [0.9, 0.1, 0.5];
const probabilities = [0.2, 0.7, 0.1];
beforeAll(async () => {
  world = await openReviewWorld(clock);
  const review = { every: true, dueWithinMs: 3_600_000, sample: 0, secondReview: 0 };
  world.terms.set("shop", { task: "ranking", review });
  world.terms.set("pair", { task: "ranking", review: { ...review, secondReview: 1 } });
  const classes = ["cat", "dog", "owl"];
  world.terms.set("pets", { task: "multiclass_classification", classes, review });
  world.terms.set("unnamed", { task: "multiclass_classification", review });
  const list = { score: 0, list: scores };
  ({ ids } = await deliver(world, [
    ...Array.from({ length: 4 }, () => ({ ...list, useCaseId: "shop" })),
    { ...list, useCaseId: "pair" },
    { score: 0, probabilities, useCaseId: "pets" },
    { score: 0, probabilities, useCaseId: "pets" },
    { score: 0, probabilities, useCaseId: "unnamed" },
    { score: 0.9 },
  ]));
});
afterAll(() => world[Symbol.asyncDispose]());

const [ann, bob, eve] = [person("usr_ann"), person("usr_bob"), person("usr_eve")];
const application = aCall({ kind: "service_account", id: "sa_shop", roles: ["application"] });
const idAt = (at: number): string => ids[at] ?? "";
const query = <Row = object>(text: string, values: unknown[] = []) =>
  world.db.database.session(async (session) => [...(await session.query<Row & object>(text, values))]);
async function open(at: number, by = ann) {
  const [row] = await query<{ id: string }>("select id from oversight.reviews where prediction_id = $1", [
    idAt(at),
  ]);
  return openReview(world.oversight, by, row?.id ?? "");
}
const counting = (at: number) =>
  query<{ outcome: unknown; outputs: string }>(
    "select outcome, outputs from predictions.labelled_v1 where prediction_id = $1",
    [idAt(at)],
  );

describe("a list", () => {
  test("is shown row by row, decided by a relevance for each, and shows the model's scores then; what people say of it is its label", async () => {
    const shown = await open(0);
    expect(shown).toMatchObject({ review: { task: "ranking", rows: 3 }, inputs: [] });
    expect(shown.list).toEqual([0, 1, 2].map((value) => [{ name: "place", value }]));
    expect(JSON.stringify(shown)).not.toMatch(/0\.9|score/);
    const { id } = shown.review;
    const decided = await decideReview(world.oversight, ann, id, [0, 2, 1]);
    expect(decided).toMatchObject({ own: [0, 2, 1], answer: { value: null, scores } });
    // Relevances are no word on whether the model was right: no reason is asked for.
    const concluded = await concludeReview(world.oversight, ann, id, {});
    expect(concluded).toMatchObject({ value: [0, 2, 1], overrides: null, label: [0, 2, 1] });
    const stats = await readReviewStats(world.oversight, ann, { endpoint: "shop" });
    expect(stats).toMatchObject({ closed: 1, agreesWithModel: { of: 0 }, overrides: { of: 0 } });
  });

  test.each([
    ["too few", [1, 0]],
    ["too many", [1, 0, 0, 0]],
    ["one value", 1],
    ["a word", "first"],
  ])("is not decided by %s", async (_, value) => {
    const { review } = await open(1);
    await expect(decideReview(world.oversight, ann, review.id, value)).rejects.toMatchObject({
      code: "oversight.bad_value",
      mend: "Decide with the relevance of each of its 3 rows, in their order: numbers from 0 on, as [0, 2, 1].",
    });
  });

  test("of two people who differ asks a third, and what two of the three say alike is the label", async () => {
    const conclude = async (by: typeof ann, value: number[]) => {
      const { review } = await open(4, by);
      await decideReview(world.oversight, by, review.id, value);
      return concludeReview(world.oversight, by, review.id, {});
    };
    expect((await conclude(ann, [1, 0, 0])).review).toMatchObject({ state: "open", people: 2 });
    expect((await conclude(bob, [0, 1, 0])).review).toMatchObject({ state: "open", people: 3 });
    expect(await conclude(eve, [1, 0, 0])).toMatchObject({ label: [1, 0, 0], review: { state: "closed" } });
  });

  test("is corrected by feedback, which counts until a review or a reported outcome does; a batch over what counts gives the same figures", async () => {
    const correct = (at: number, value: number[]) =>
      giveFeedback(world.oversight, application, { predictionId: idAt(at), kind: "correction", value });
    expect(await correct(2, [1, 0, 0])).toMatchObject({ isLabel: true });
    await correct(2, [0, 0, 3]);
    await correct(3, [0, 1, 0]);
    const observedAt = "2026-11-20T00:00:00Z";
    const reported = { predictionId: idAt(3), outcome: [2, 0, 0], observedAt };
    await reportOutcomes(world.predictions, application, [reported]);
    await correct(0, [2, 2, 2]);
    const gains: (number | undefined)[] = [];
    for (const at of [0, 2, 3])
      for (const { outputs, outcome } of await counting(at)) gains.push(rankingCase(outputs, outcome).gain);
    // sklearn.metrics.ndcg_score of [0, 2, 1], [0, 0, 3] and [2, 0, 0] under the scores 0.9, 0.1 and 0.5.
    const [second, third] = [1 / Math.log2(3), 1 / Math.log2(4)];
    const expected = [(second + 2 * third) / (2 + second), second, 1];
    expect(gains).toHaveLength(3);
    for (const [at, gain] of expected.entries()) expect(gains[at]).toBeCloseTo(gain, 12);
  });

  test("is not corrected by another number of relevances, nor a single answer by a list", async () => {
    const give = (at: number, value: number[]) =>
      giveFeedback(world.oversight, application, { predictionId: idAt(at), kind: "override", value });
    await expect(give(2, [1, 0])).rejects.toMatchObject({
      code: "oversight.bad_value",
      detail: "2 relevances are no label of an answer of 3 rows",
    });
    await expect(give(8, [1, 0])).rejects.toMatchObject({
      code: "oversight.bad_value",
      detail: "2 relevances are no label of an answer of one row",
    });
  });
});

describe("several classes", () => {
  test("the model's is the one of the highest score, by its name; another decision is an override with a reason", async () => {
    const { review } = await open(5);
    expect(review.classes).toEqual(["cat", "dog", "owl"]);
    await expect(decideReview(world.oversight, ann, review.id, "bird")).rejects.toMatchObject({
      code: "oversight.bad_value",
      mend: "Decide with one of: cat, dog, owl.",
    });
    expect((await decideReview(world.oversight, ann, review.id, "owl")).answer?.value).toBe("dog");
    await expect(concludeReview(world.oversight, ann, review.id, {})).rejects.toMatchObject({
      code: "oversight.reason_missing",
    });
    const concluded = await concludeReview(world.oversight, ann, review.id, { reason: "model_error" });
    expect(concluded).toMatchObject({ value: "owl", overrides: true, label: "owl" });
    expect(await counting(5)).toMatchObject([{ outcome: "owl" }]);
  });

  test("who decides as the model did overrides nothing; without named classes what the answer names counts", async () => {
    const agree = async (at: number, value: string | number) => {
      const { review } = await open(at);
      await decideReview(world.oversight, ann, review.id, value);
      return concludeReview(world.oversight, ann, review.id, {});
    };
    expect(await agree(6, "dog")).toMatchObject({ overrides: false, label: "dog" });
    expect(await agree(7, 0)).toMatchObject({ overrides: false, label: 0 });
  });
});
