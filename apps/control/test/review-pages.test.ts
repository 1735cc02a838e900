import { readTemplate } from "@portolan/charter";
import type { ReviewList } from "@portolan/oversight/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bootstrapAcme, must, putInForce } from "./api.ts";
import { type InProcessControl, openControl } from "./in-process.ts";
import { oneBlock } from "./mutating-routes-models.ts";
import { queuedReview } from "./mutating-routes-oversight.ts";
import type { World } from "./mutating-world.ts";

/** The pages as a browser uses them: over a socket, with its cookie and the headers that it sends. */
let control: InProcessControl;
let world: World;
let url = "";
beforeAll(async () => {
  control = await openControl();
  url = await control.listen();
  world = { control, api: control, known: new Map() };
  const { organisationId, useCaseId } = await bootstrapAcme(control, control.secret);
  world.known.set("organisation", organisationId).set("useCase", useCaseId);
  const ada = await control.token("ada");
  await must(control, "POST", "/v1/users", { name: "rita", displayName: "Rita" }, ada);
  const scope = { kind: "use_case", id: "flight-delays" };
  const environments = ["dev"];
  await must(
    control,
    "POST",
    "/v1/role-bindings",
    { principal: "rita", role: "reviewer", scope, environments },
    ada,
  );
  await must(
    control,
    "POST",
    "/v1/prediction-blocks",
    await oneBlock(world),
    await control.token("gateway-1"),
  );
  world.known.set("review", await queuedReview(world));
}, 300_000);
afterAll(() => control.close());

interface Page {
  readonly status: number;
  readonly text: string;
  readonly cookie: string | undefined;
  readonly headers: Headers;
}

async function browse(
  path: string,
  form?: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Page> {
  const response = await fetch(`${url}${path}`, {
    redirect: "manual",
    ...(form === undefined
      ? { headers }
      : {
          method: "POST",
          body: new URLSearchParams(form),
          headers: { origin: url, "sec-fetch-site": "same-origin", ...headers },
        }),
  });
  const set = response.headers.get("set-cookie");
  return {
    status: response.status,
    text: await response.text(),
    cookie: set?.split(";")[0],
    headers: response.headers,
  };
}
const tokenIn = ({ text }: Page): string => /name="token" value="([^"]+)"/.exec(text)?.[1] ?? "";
const signIn = async (name: string): Promise<{ readonly cookie: string; readonly token: string }> => {
  const signedIn = await browse("/reviews/sign-in", { credential: ` ${await control.token(name)}\n` });
  expect(signedIn.status, signedIn.text).toBe(200);
  return { cookie: signedIn.cookie ?? "", token: tokenIn(signedIn) };
};

test("a person signs in with a token, decides blind, concludes with a reason, and signs out", async () => {
  const anonymous = await browse("/reviews");
  expect([anonymous.status, anonymous.text]).toEqual([
    401,
    expect.stringContaining('action="/reviews/sign-in"'),
  ]);
  expect(anonymous.headers.get("content-security-policy")).toMatch(
    /^default-src 'none'; style-src 'sha256-[^ ]+'; form-action 'self'/,
  );
  expect((await browse("/reviews/sign-in", { credential: "nobody" })).status).toBe(401);

  const signedIn = await browse("/reviews/sign-in", { credential: await control.token("rita") });
  expect(signedIn.headers.get("set-cookie")).toMatch(
    /; Path=\/reviews; Max-Age=28800; HttpOnly; SameSite=Strict$/,
  );
  const headers = { cookie: signedIn.cookie ?? "" };
  const token = tokenIn(signedIn);
  const id = world.known.get("review") ?? "";
  expect((await browse("/reviews", undefined, headers)).text).toContain(id);

  const taken = await browse("/reviews/next", { token }, headers);
  expect([taken.status, taken.text]).toEqual([200, expect.stringContaining("Your decision")]);
  expect(taken.text).not.toContain("What the model said");
  const decided = await browse(`/reviews/${id}/decision`, { token, value: "false" }, headers);
  expect([decided.status, decided.text]).toEqual([200, expect.stringContaining("What the model said")]);
  const refused = await browse(`/reviews/${id}/conclusion`, { token, keep: "own", reason: "" }, headers);
  expect([refused.status, refused.text]).toEqual([422, expect.stringContaining("Back to the review")]);
  const again = await browse(`/reviews/${id}/reads`, { token }, headers);
  expect(again.text).toContain("Conclude the review");
  const concluded = await browse(
    `/reviews/${id}/conclusion`,
    { token, keep: "own", reason: "policy" },
    headers,
  );
  expect([concluded.status, concluded.text]).toEqual([200, expect.stringContaining("The review is closed")]);

  const out = await browse("/reviews/sign-out", { token }, headers);
  expect(out.headers.get("set-cookie")).toMatch(/^portolan_reviews=; .*Max-Age=0/);
  expect((await browse("/reviews", undefined, headers)).status).toBe(401);
});

test("a form that is not of the session, or of another site, does nothing; nor does the cookie open the API", async () => {
  const { cookie, token } = await signIn("rita");
  const id = await queuedReview(world, "dev", `${(world.known.get("prediction") ?? "").slice(0, -1)}z`);
  const read = (form: Record<string, string>, headers: Record<string, string> = {}) =>
    browse(`/reviews/${id}/reads`, form, { cookie, ...headers });
  expect((await read({})).status).toBe(400);
  expect((await read({ token: "guessed" })).status).toBe(400);
  expect((await read({ token }, { origin: "https://elsewhere.example" })).status).toBe(401);
  expect((await read({ token }, { "sec-fetch-site": "cross-site" })).status).toBe(401);
  const foreign = { credential: await control.token("rita") };
  expect((await browse("/reviews/sign-in", foreign, { origin: "https://elsewhere.example" })).status).toBe(
    401,
  );
  expect((await browse("/v1/reviews", undefined, { cookie })).status).toBe(401);
  const rows = await control.database.session((session) =>
    session.query("select * from oversight.claims where review_id = $1", [id]),
  );
  expect(rows).toHaveLength(0);
  expect((await read({ token })).status).toBe(200);
});

test("a session is worth what its credential is: without the role nothing is shown, after a revocation it is over", async () => {
  const eve = await browse("/reviews/sign-in", { credential: await control.token("eve") });
  expect([eve.status, eve.text]).toEqual([403, expect.not.stringContaining("rev_")]);
  const rita = await control.token("rita");
  const made = await must(control, "POST", "/v1/api-keys", { name: "page", environment: "dev" }, rita);
  const { text: key, apiKey } = made as { text: string; apiKey: { id: string } };
  const signedIn = await browse("/reviews/sign-in", { credential: key });
  const headers = { cookie: signedIn.cookie ?? "" };
  expect((await browse("/reviews", undefined, headers)).status, signedIn.text).toBe(200);
  await must(
    control,
    "POST",
    `/v1/api-keys/${apiKey.id}/revoke`,
    { reason: "lost" },
    await control.token("ada"),
  );
  expect((await browse("/reviews", undefined, headers)).status).toBe(401);
});

test("what the charter in force sends to people is queued when its block comes, and counted for Prometheus", async () => {
  const source = readTemplate("flight-delays").replace(
    /^humanReview: none.*$/m,
    "humanReview: every_prediction\nreview: { dueWithin: 8h }",
  );
  const { statuses } = await putInForce(control, source);
  expect(statuses.at(-1)).toBe("in_force");
  const ada = await control.token("ada");
  await must(
    control,
    "POST",
    "/v1/prediction-blocks",
    await oneBlock(world),
    await control.token("gateway-1"),
  );
  const { reviews } = (await must(control, "GET", "/v1/reviews", undefined, ada)) as unknown as ReviewList;
  const [queued] = reviews.filter(({ predictionId }) => predictionId === world.known.get("prediction"));
  expect(queued).toMatchObject({ reasons: ["every"], state: "open", task: "binary_classification" });
  expect((queued?.dueAt ?? 0) - (queued?.queuedAt ?? 0)).toBe(8 * 3_600_000_000);
  const { text } = await control.call("GET", "/metrics");
  expect(text).toMatch(/^portolan_reviews_open\{.*environment="dev",endpoint="delays"\} [1-9]/m);
  expect(text).toMatch(/^portolan_reviews_overdue\{/m);
});
