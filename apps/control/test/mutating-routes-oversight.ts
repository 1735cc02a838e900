import { type Environment, newId, systemClock } from "@portolan/kernel";
import { known, type MutatingRoute, type World } from "./mutating-world.ts";

/** An open review of the known prediction; accepted blocks queue them by their charter, and no request does. Resolves to its id. */
export async function queuedReview(
  { control, known: names }: World,
  environment: Environment = "dev",
  predictionId = names.get("prediction"),
): Promise<string> {
  const now = systemClock.now();
  const id = newId("review", now);
  await control.database.session((session) =>
    session.query(
      `insert into oversight.reviews (id, organisation_id, prediction_id, use_case_id, endpoint, environment, model_name, model_version, task, reasons,
         priority, received_at, queued_at, due_at, answer, people, state)
       values ($1, $2, $3, $4, 'delays', $5, 'delays', '1', 'binary_classification', '["sample"]', 0, $6, $6, $6, 'true', 1, 'open')`,
      [id, names.get("organisation"), predictionId, names.get("useCase"), environment, now],
    ),
  );
  return id;
}

/** A rating of a version of the model `rated` in production. */
export async function givenRating({ control, known: names }: World): Promise<void> {
  const now = systemClock.now();
  await control.database.session((session) =>
    session.query(
      `insert into oversight.feedback (id, organisation_id, prediction_id, use_case_id, endpoint, environment, model_name, model_version, kind, rating,
         given_by, given_at, is_label, digest)
       values ($1, $2, $3, $4, 'delays', 'production', 'rated', '1', 'rating', 4, 'x', $5, false, 'd')`,
      [newId("feedback", now), names.get("organisation"), names.get("prediction"), names.get("useCase"), now],
    ),
  );
  names.set("ratedModel", "rated");
}

/** A block of production of which a prediction is to be explained. */
export async function chosenBlock({ control, known: names }: World): Promise<void> {
  await control.database.session((session) =>
    session.query(
      `insert into evaluation.chosen_blocks (organisation_id, writer_id, epoch, block, use_case_id, environment, endpoint, chosen, passed_over, chosen_at)
       values ($1, 'wr_x', 1, 0, $2, 'production', 'explained-endpoint', 1, 1, 1)`,
      [names.get("organisation"), names.get("useCase")],
    ),
  );
  names.set("explainedEndpoint", "explained-endpoint");
}

const joined = {
  "predictions.outcomes": "a label is joined with its prediction afterwards, again after a crash",
};

/** A step of a review at its page, with what its form holds. */
function page(path: string, event: string, body?: object): MutatingRoute {
  return {
    route: `POST /reviews/:id/${path}`,
    as: "ada",
    ledger: "governed",
    events: [event],
    request: (world) => ({
      url: `/reviews/${known(world, "pageReview")}/${path}`,
      ...(body === undefined ? {} : { body }),
    }),
  };
}

/** Reviews and feedback. */
export const oversightRoutes: readonly MutatingRoute[] = [
  {
    route: "POST /v1/reviews/next",
    as: "ada",
    ledger: "governed",
    events: ["oversight.case.shown"],
    request: async (world) => {
      world.known.set("review", await queuedReview(world));
      return { url: "/v1/reviews/next", body: {} };
    },
  },
  {
    route: "POST /v1/reviews/:id/reads",
    as: "ada",
    ledger: "governed",
    events: ["oversight.case.shown"],
    request: (world) => ({ url: `/v1/reviews/${known(world, "review")}/reads` }),
  },
  {
    route: "POST /v1/reviews/:id/decision",
    as: "ada",
    ledger: "governed",
    events: ["oversight.review.decided"],
    request: (world) => ({
      url: `/v1/reviews/${known(world, "review")}/decision`,
      body: { value: false },
    }),
  },
  {
    route: "POST /v1/reviews/:id/conclusion",
    as: "ada",
    ledger: "governed",
    events: ["oversight.review.concluded"],
    besides: joined,
    request: (world) => ({
      url: `/v1/reviews/${known(world, "review")}/conclusion`,
      body: { reason: "other", comment: "the flight was cancelled" },
    }),
  },
  {
    route: "POST /v1/feedback",
    as: "ada",
    ledger: "recorded",
    events: ["oversight.feedback.given"],
    besides: joined,
    request: (world) => ({
      url: "/v1/feedback",
      body: { predictionId: known(world, "prediction"), kind: "correction", value: false },
    }),
  },
  {
    route: "POST /reviews/sign-in",
    ledger: "governed",
    events: ["oversight.session.opened"],
    request: async (world) => ({
      url: "/reviews/sign-in",
      body: { credential: await world.api.token("ada") },
    }),
  },
  {
    route: "POST /reviews/next",
    as: "ada",
    ledger: "governed",
    events: ["oversight.case.shown"],
    request: async (world) => {
      const another = `${known(world, "prediction").slice(0, -1)}z`;
      world.known.set("pageReview", await queuedReview(world, "dev", another));
      return { url: "/reviews/next" };
    },
  },
  page("reads", "oversight.case.shown"),
  page("decision", "oversight.review.decided", { value: "true" }),
  page("conclusion", "oversight.review.concluded", { keep: "own" }),
  {
    route: "POST /reviews/sign-out",
    as: "ada",
    ledger: "governed",
    events: ["oversight.session.closed"],
    request: () => ({ url: "/reviews/sign-out" }),
  },
];
