import type { ReviewTerms } from "@portolan/charter/contract";
import { asEpochMicros } from "@portolan/kernel";
import {
  applyRetention,
  archivePredictions,
  erasePredictions,
  listPredictions,
  placeHold,
  reportOutcomes,
} from "@portolan/predictions";
import { aCall, fakeClock, testOrganisation } from "@portolan/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { concludeReview, decideReview, leaseMicros, openReview, takeNext } from "../src/decide-review.ts";
import { giveFeedback, readFeedback } from "../src/give-feedback.ts";
import { overdueReviews } from "../src/overdue-store.ts";
import { readReviewStats, readReviews } from "../src/read-reviews.ts";
import { type Delivered, deliver, openReviewWorld, person, type ReviewWorld } from "./review-world.ts";

const clock = fakeClock();
let world: ReviewWorld;
let delivered: Delivered;
interface Scenario {
  readonly useCase: string;
  readonly over: Partial<ReviewTerms>;
  readonly scores: readonly number[];
}
const scenarios: Scenario[] = [];

/** Answers of a use case of their own, which a charter sends to people; all of them are delivered at once, before the first test. */
function prepare(
  over: Partial<ReviewTerms>,
  ...scores: readonly number[]
): () => { useCase: string; ids: string[] } {
  const at = scenarios.reduce((sum, before) => sum + before.scores.length, 0);
  const useCase = `uc_${scenarios.length + 1}`;
  scenarios.push({ useCase, over, scores });
  return () => ({ useCase, ids: delivered.ids.slice(at, at + scores.length) });
}
beforeAll(async () => {
  world = await openReviewWorld(clock);
  for (const { useCase, over } of scenarios) reviewing(useCase, over);
  const answers = scenarios.flatMap(({ useCase, scores }) =>
    scores.map((score) => ({ score, useCaseId: useCase })),
  );
  delivered = await deliver(world, answers);
});
afterAll(() => world[Symbol.asyncDispose]());

const [ann, bob, eve] = [person("usr_ann"), person("usr_bob"), person("usr_eve")];
const application = aCall({ kind: "service_account", id: "sa_shop", roles: ["application"] });
const admin = aCall({ id: "usr_admin", roles: ["admin"] });

function reviewing(useCase: string, over: Partial<ReviewTerms>): void {
  const review = { every: true, dueWithinMs: 3_600_000, sample: 0, secondReview: 0, ...over };
  world.terms.set(useCase, { task: "binary_classification", review });
}
/** Ids of the reviews of these predictions, in their order. */
async function reviewsOf(ids: readonly string[]): Promise<string[]> {
  const rows = await query<{ id: string; prediction_id: string }>(
    "select id, prediction_id from oversight.reviews",
  );
  return ids.flatMap((id) => rows.filter((row) => row.prediction_id === id).map((row) => row.id));
}
const query = <Row = object>(text: string, values: unknown[] = []) =>
  world.db.database.session(async (session) => [...(await session.query<Row & object>(text, values))]);
const labelsOf = (id: string) =>
  query<{ outcome: unknown; source: string }>(
    "select outcome, source, revision from predictions.labels_v1 where prediction_id = $1 order by revision desc",
    [id],
  );
async function review(id: string, by = ann): Promise<string> {
  const [reviewId = ""] = await reviewsOf([id]);
  await openReview(world.oversight, by, reviewId);
  return reviewId;
}

describe("the queue", () => {
  const once = prepare({ every: false, scoreBetween: { from: 0.4, to: 0.6 } }, 0.1, 0.5, 0.9);
  test("each accepted block is looked at once, by the charter of then; a block that comes again adds nothing", async () => {
    const { ids, useCase } = once();
    expect(await reviewsOf(ids)).toHaveLength(1);
    reviewing(useCase, { every: true });
    await delivered.again();
    expect(await reviewsOf(ids)).toHaveLength(1);
    const rows = await query<{ count: number }>(
      "select count(*)::int as count from oversight.reviews where use_case_id = $1",
      [useCase],
    );
    expect(rows).toEqual([{ count: 1 }]);
  });

  const urgent = prepare({ every: true, when: "score > 0.8" }, 0.2, 0.9);
  test("the most urgent comes first, and what is beyond its time is counted", async () => {
    const { ids, useCase } = urgent();
    const { reviews } = await readReviews(world.oversight, ann, {});
    const own = reviews.filter(({ useCaseId }) => useCaseId === useCase);
    expect(own.map(({ predictionId }) => predictionId)).toEqual([ids[1], ids[0]]);
    const overdue = async () =>
      (await world.db.uow.read(ann, (sql) => overdueReviews(sql, testOrganisation, clock.now()))).filter(
        ({ useCaseId }) => useCaseId === useCase,
      );
    expect(await overdue()).toEqual([]);
    clock.advance(3_600_000_001);
    expect(await overdue()).toMatchObject([{ overdue: 2, dueAt: own[0]?.dueAt }]);
    const after = await readReviews(world.oversight, ann, {});
    expect(
      after.reviews.filter(({ useCaseId, isOverdue }) => useCaseId === useCase && isOverdue),
    ).toHaveLength(2);
    expect(after.overdue).toBeGreaterThanOrEqual(2);
  });

  const leased = prepare({}, 0.3);
  test("a person who took one has it to themselves until the lease ends; then another may", async () => {
    const { ids } = leased();
    const [id = ""] = await reviewsOf(ids);
    await openReview(world.oversight, ann, id);
    await expect(openReview(world.oversight, bob, id)).rejects.toMatchObject({
      code: "oversight.not_claimed",
    });
    clock.advance(leaseMicros + 1);
    await openReview(world.oversight, bob, id);
    await expect(decideReview(world.oversight, ann, id, true)).rejects.toMatchObject({
      code: "oversight.not_claimed",
    });
  });

  const begun = prepare({}, 0.3, 0.4);
  test("whoever takes the next one gets what they have begun before anything new", async () => {
    const { ids } = begun();
    const second = await review(ids[1] ?? "", eve);
    expect((await takeNext(world.oversight, eve, {}))?.review.id).toBe(second);
  });

  test("machines do not review, and who may not decide sees no queue", async () => {
    const robot = aCall({ kind: "service_account", id: "sa_bot", roles: ["reviewer"] });
    await expect(takeNext(world.oversight, robot, {})).rejects.toMatchObject({
      code: "oversight.person_needed",
    });
    const stranger = aCall({ id: "usr_nobody", roles: ["user"] });
    expect(await readReviews(world.oversight, stranger, {})).toEqual({ reviews: [], open: 0, overdue: 0 });
    const [id = ""] = await reviewsOf(once().ids);
    await expect(openReview(world.oversight, stranger, id)).rejects.toMatchObject({
      code: "identity.forbidden",
    });
  });
});

describe("a decision", () => {
  const blind = prepare({}, 0.912345);
  test("is made without the model's answer, which no answer of the API holds before it", async () => {
    const { ids } = blind();
    const [id = ""] = await reviewsOf(ids);
    const before = [await openReview(world.oversight, ann, id), await readReviews(world.oversight, ann, {})];
    expect(JSON.stringify(before)).not.toMatch(/0\.912345|probabilities|"answer"/);
    expect(before[0]).toMatchObject({
      inputs: [
        { name: "amount", value: 10 },
        { name: "country", value: "DE" },
      ],
      features: [{ name: "tenure_months", value: 2 }],
    });
    await expect(concludeReview(world.oversight, ann, id, {})).rejects.toMatchObject({
      code: "oversight.not_decided",
    });
    const decided = await decideReview(world.oversight, ann, id, false);
    expect(decided).toMatchObject({ own: false, answer: { value: true } });
    expect(decided.answer?.outputs).toContainEqual({ name: "probabilities[1]", value: 0.912345 });
    await expect(decideReview(world.oversight, ann, id, true)).rejects.toMatchObject({
      code: "oversight.already_decided",
    });
  });

  const reasoned = prepare({}, 0.9);
  test("that is not the model's needs a reason, `other` a comment, and each look is on the ledger without a decision in it", async () => {
    const { ids } = reasoned();
    const id = await review(ids[0] ?? "");
    await expect(decideReview(world.oversight, ann, id, "yes")).rejects.toMatchObject({
      code: "oversight.bad_value",
    });
    await decideReview(world.oversight, ann, id, false);
    for (const conclusion of [{}, { reason: "other" as const, comment: " " }])
      await expect(concludeReview(world.oversight, ann, id, conclusion)).rejects.toMatchObject({
        code: "oversight.reason_missing",
      });
    const concluded = await concludeReview(world.oversight, ann, id, { reason: "model_error" });
    expect(concluded).toMatchObject({ value: false, overrides: true, label: false });
    expect(concluded.review.state).toBe("closed");
    const rows = await query<{ event: string; detail: string }>(
      "select event, row_to_json(rows)::text as detail from ledger.rows where subject = $1 order by id",
      [id],
    );
    expect(rows.map(({ event }) => event).sort((a, b) => (a < b ? -1 : 1))).toEqual([
      "oversight.case.shown",
      "oversight.review.concluded",
      "oversight.review.decided",
    ]);
    expect(rows.map(({ detail }) => detail).join()).not.toMatch(/"value"|false,/);
  });

  const labelled = prepare({}, 0.9);
  test("becomes a label that counts until what really happened is reported, in whichever order", async () => {
    const { ids } = labelled();
    const [predictionId = ""] = ids;
    const id = await review(predictionId);
    await decideReview(world.oversight, ann, id, false);
    await concludeReview(world.oversight, ann, id, { reason: "policy" });
    expect(await labelsOf(predictionId)).toMatchObject([{ outcome: false, source: "review" }]);
    const observedAt = "2026-11-20T00:00:00Z";
    await reportOutcomes(world.predictions, application, [{ predictionId, outcome: true, observedAt }]);
    expect((await labelsOf(predictionId))[0]).toMatchObject({ outcome: true, source: "reported" });
    // Feedback that comes last lies below both.
    await giveFeedback(world.oversight, application, { predictionId, kind: "correction", value: false });
    expect((await labelsOf(predictionId)).map(({ source }) => source)).toEqual([
      "reported",
      "review",
      "feedback",
    ]);
  });

  const disputed = prepare({ secondReview: 1 }, 0.9);
  test("of two people who differ asks a third, and what most of them say is the label", async () => {
    const { ids, useCase } = disputed();
    const [predictionId = ""] = ids;
    const id = await review(predictionId);
    await openReview(world.oversight, bob, id);
    await expect(openReview(world.oversight, eve, id)).rejects.toMatchObject({
      code: "oversight.not_claimed",
    });
    const decide = async (who: typeof ann, value: boolean) => {
      await openReview(world.oversight, who, id);
      await decideReview(world.oversight, who, id, value);
      return concludeReview(world.oversight, who, id, value ? {} : { reason: "model_error" });
    };
    expect((await decide(ann, true)).review).toMatchObject({ state: "open", concluded: 1, people: 2 });
    expect((await decide(bob, false)).review).toMatchObject({ state: "open", concluded: 2, people: 3 });
    expect(await labelsOf(predictionId)).toEqual([]);
    expect(await decide(eve, false)).toMatchObject({ label: false, review: { state: "closed" } });
    expect(await labelsOf(predictionId)).toMatchObject([{ outcome: false, source: "review" }]);
    const { betweenPeople } = await readReviewStats(world.oversight, ann, { endpoint: useCase });
    expect(betweenPeople.agree.of).toBe(1);
  });

  const late = prepare({}, 0.9);
  test("that came after its time is counted late, and one that went over to the model's answer as such", async () => {
    const { ids, useCase } = late();
    const id = await review(ids[0] ?? "");
    await decideReview(world.oversight, ann, id, false);
    clock.advance(leaseMicros * 3);
    await concludeReview(world.oversight, ann, id, { value: true });
    const stats = await readReviewStats(world.oversight, ann, { endpoint: useCase });
    expect(stats).toMatchObject({
      closed: 1,
      closedLate: { count: 1, of: 1 },
      agreesWithModel: { count: 0, of: 1 },
      overrides: { count: 0, of: 1 },
      changedToModel: { count: 1, of: 1 },
    });
  });
});

describe("what is erased and what is held", () => {
  const erased = prepare({}, 0.9);
  test("a prediction takes its review, decisions, feedback and labels along", async () => {
    const { ids, useCase } = erased();
    const [predictionId = ""] = ids;
    const id = await review(predictionId);
    await decideReview(world.oversight, ann, id, false);
    await concludeReview(world.oversight, ann, id, { reason: "unfair", comment: "about a person" });
    await giveFeedback(world.oversight, application, { predictionId, kind: "rating", rating: 1 });
    await erasePredictions(world.predictions, admin, { predictionIds: ids }, "asked for");
    const left = await query(
      `select review_id as id from oversight.claims where review_id = $1 union all select id from oversight.reviews where id = $1
       union all select id from oversight.feedback where prediction_id = $2`,
      [id, predictionId],
    );
    expect(left).toEqual([]);
    expect(await labelsOf(predictionId)).toEqual([]);
    await expect(openReview(world.oversight, ann, id)).rejects.toMatchObject({ code: "kernel.not_found" });
    const { predictions } = await listPredictions(world.predictions, admin, { useCaseId: useCase, limit: 1 });
    expect(predictions[0]?.withheld).toBe("erased");
  });

  const expired = prepare({}, 0.9, 0.2);
  test("when retention takes a record, the model's answer goes, an open review expires, and a closed one stays closed", async () => {
    const { ids, useCase } = expired();
    const [open = "", decided = ""] = await reviewsOf(ids);
    await openReview(world.oversight, ann, decided);
    await decideReview(world.oversight, ann, decided, false);
    await concludeReview(world.oversight, ann, decided, {});
    const policy = { fromRows: 1, fromAgeMs: 0, maxRows: 1000, maxBytes: 1024 * 1024 };
    await archivePredictions(world.predictions, { policy });
    const terms = { predictionsMs: async (_call: object, of: string) => (of === useCase ? 1000 : undefined) };
    const later = { ...clock, now: () => asEpochMicros(1_795_000_000_000_000 + 86_400_000_000) };
    expect(await applyRetention({ ...world.predictions, clock: later, terms }, [testOrganisation])).toBe(2);
    const rows = await query(
      "select id, state, answer, label from oversight.reviews where use_case_id = $1 order by id",
      [useCase],
    );
    const states = new Map(rows.map((row) => [Reflect.get(row, "id"), row]));
    expect(states.get(open)).toMatchObject({ state: "expired", answer: null, label: null });
    expect(states.get(decided)).toMatchObject({ state: "closed", answer: null, label: false });
    await expect(openReview(world.oversight, bob, open)).rejects.toMatchObject({
      code: "oversight.not_claimed",
    });
  });

  const held = prepare({}, 0.9);
  test("under a legal hold nothing of it goes", async () => {
    const { ids, useCase } = held();
    const [id = ""] = await reviewsOf(ids);
    await placeHold(world.predictions, admin, { environment: "production", useCaseId: useCase }, "a claim");
    await expect(
      erasePredictions(world.predictions, admin, { predictionIds: ids }, "asked for"),
    ).rejects.toMatchObject({ code: "predictions.under_hold" });
    expect((await openReview(world.oversight, ann, id)).inputs).not.toEqual([]);
  });
});

describe("feedback", () => {
  const spokenOf = prepare({}, 0.9);
  test("is kept once, counted by version, and a label only where its giver may report outcomes", async () => {
    const { ids, useCase } = spokenOf();
    const [predictionId = ""] = ids;
    const user = aCall({ id: "usr_customer", roles: ["user"] });
    const rated = { predictionId, kind: "rating" as const, rating: 4 };
    const first = await giveFeedback(world.oversight, user, rated);
    expect(await giveFeedback(world.oversight, user, rated)).toEqual({ ...first, isNew: false });
    const corrected = { predictionId, kind: "correction" as const, value: false };
    expect(await giveFeedback(world.oversight, user, corrected)).toMatchObject({ isLabel: false });
    expect(await labelsOf(predictionId)).toEqual([]);
    for (const value of [true, false])
      await giveFeedback(world.oversight, application, { predictionId, kind: "override", value });
    // The newest of them counts.
    expect(await labelsOf(predictionId)).toMatchObject([
      { outcome: false, source: "feedback" },
      { outcome: true, source: "feedback" },
    ]);
    const { versions } = await readFeedback(world.oversight, application, useCase);
    const [counted] = versions;
    expect(counted).toMatchObject({ model: "credit", version: "3" });
    expect(counted).toMatchObject({ ratings: 1, meanRating: 4, corrections: 1, overrides: 2 });
  });

  const refused = prepare({}, 0.9);
  test("that says nothing, or of a prediction that is not there, is refused", async () => {
    const { ids } = refused();
    const [predictionId = ""] = ids;
    const give = (feedback: Parameters<typeof giveFeedback>[2]) =>
      giveFeedback(world.oversight, application, feedback);
    for (const feedback of [
      { predictionId, kind: "rating" as const },
      { predictionId, kind: "correction" as const, rating: 3 },
    ])
      await expect(give(feedback)).rejects.toMatchObject({ code: "oversight.bad_feedback" });
    await expect(
      give({ predictionId: "prd_0mwr2jm00abcdefghjkmnpqrst_1_0_0", kind: "rating", rating: 3 }),
    ).rejects.toMatchObject({ code: "kernel.not_found" });
  });
});
