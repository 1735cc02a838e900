import { readTemplate } from "@portolan/charter";
import { TextServer } from "@portolan/upstream/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Acme, type ApiMethod, bootstrapAcme, must, putInForce } from "./api.ts";
import { type InProcessControl, openControl } from "./in-process.ts";

/** A use case whose charter bounds the share of passed cases, and a text version behind a server of its own. */
let control: InProcessControl;
let acme: Acme;
let server: TextServer;

const charter = readTemplate("flight-delays").replace("metric: roc_auc", "metric: pass_rate");
const stated = "Written for this test, published nowhere.";

beforeAll(async () => {
  server = await TextServer.start();
  control = await openControl();
  control.alsoClose(() => server.close());
  acme = await bootstrapAcme(control, control.secret);
  await putInForce(control, charter);
  await post("ci", "/v1/models/helper/upstreams", {
    useCaseId: acme.useCaseId,
    upstream: { protocol: "openai", url: server.url, model: "parrot", region: "local", owner: "self" },
  });
});
afterAll(() => control.close());

const call = async (who: string, method: ApiMethod, path: string, body?: unknown) =>
  control.call(method, path, body, await control.token(who));
const post = async (who: string, path: string, body: unknown) =>
  must(control, "POST", path, body, await control.token(who));

/** The server repeats what it is asked: a case passes when it expects its own words. */
const lines = (passing: number, failing: number) =>
  Array.from({ length: passing + failing }, (_, i) => {
    const content = i < passing ? `word${i}` : "anything";
    const messages = [{ role: "user", content }];
    return `${JSON.stringify({ id: `case-${i}`, messages, expect: { exact: `word${i}` }, maxTokens: 20 })}\n`;
  }).join("");

async function upload(text: string): Promise<string> {
  const path = `/v1/artifacts?${new URLSearchParams({ environment: "production", useCaseId: acme.useCaseId }).toString()}`;
  return String((await post("ci", path, Buffer.from(text)))["digest"]);
}

async function addSet(name: string, text: string, heldOut?: string) {
  const body = { name, useCaseId: acme.useCaseId, artifact: await upload(text) };
  return call("ci", "POST", "/v1/evaluation-sets", {
    ...body,
    ...(heldOut === undefined ? {} : { heldOut }),
  });
}

async function evaluate(setId: string): Promise<Readonly<Record<string, unknown>>> {
  const { job } = await post("ci", "/v1/text-evaluations", { model: "helper", version: 1, setId });
  await control.runJobs(control.jobs.governance);
  const { body } = await call("ci", "GET", `/v1/jobs/${String(job)}`);
  return body["result"] as Readonly<Record<string, unknown>>;
}

const promote = () => call("ci", "POST", "/v1/models/helper/versions/1/promotions", { to: "staging" });
const refusals = (body: Readonly<Record<string, unknown>>) =>
  ((body["violations"] ?? []) as { detail: string }[]).map(({ detail }) => detail);

describe("sets of cases", () => {
  test("a set that cannot be read is refused with its lines", async () => {
    const { status, body } = await addSet("broken", '{"prompt":"x","expect":"y"}\n{"prompt":1}\n');
    expect([status, body["code"]]).toEqual([422, "evaluation.text_set_invalid"]);
    expect(body["detail"]).toContain("line 2: it is no case");
  });

  test("one that is too large is refused by its size", async () => {
    const { status, body } = await addSet("large", " ".repeat(17 * 2 ** 20));
    expect([status, body["code"]]).toEqual([422, "evaluation.text_set_invalid"]);
    expect(body["detail"]).toBe("the set has 17825792 bytes, more than 16 MiB");
  });

  test("the same content is the same version, another content or statement is the next one", async () => {
    const first = await addSet("numbered", lines(1, 0));
    expect([first.status, first.body["version"], first.body["cases"]]).toEqual([201, 1, 1]);
    expect((await addSet("numbered", lines(1, 0))).body["id"]).toBe(first.body["id"]);
    expect((await addSet("numbered", lines(2, 0))).body["version"]).toBe(2);
    expect((await addSet("numbered", lines(2, 0), stated)).body["version"]).toBe(3);
  });

  test("bytes that nobody uploaded for this use case in production are no set, and another team sees none", async () => {
    const body = { name: "foreign", useCaseId: acme.useCaseId, artifact: `sha256:${"ab".repeat(32)}` };
    const missing = await call("ci", "POST", "/v1/evaluation-sets", body);
    expect([missing.status, missing.body["code"]]).toEqual([404, "registry.artifact_not_found"]);
    await post("ada", "/v1/teams", { name: "crew", displayName: "crew", businessUnit: "operations" });
    await post("ada", "/v1/users", { name: "tom", displayName: "tom" });
    const scope = { kind: "team", id: "crew" };
    await post("ada", "/v1/role-bindings", {
      principal: "tom",
      role: "ml_engineer",
      scope,
      environments: ["production"],
    });
    expect((await call("tom", "GET", "/v1/evaluation-sets")).body["sets"]).toEqual([]);
    const { sets } = (await call("ci", "GET", "/v1/evaluation-sets")).body as { sets: { id: string }[] };
    const named = { model: "helper", version: 1, setId: sets[0]?.id };
    expect((await call("tom", "POST", "/v1/text-evaluations", named)).status).toBe(404);
  });
});

describe("a text version and its gates (G8, G9)", () => {
  test("without an evaluation it stays in dev, and the gates that it lacks are those of text", async () => {
    const { status, body } = await promote();
    expect(status).toBe(409);
    expect(refusals(body).join("\n")).not.toContain("baseline");
    expect(refusals(body)).toHaveLength(2);
  });

  test("cases that it fails, or that nobody states to be unseen, keep it there", async () => {
    const { body: poor } = await addSet("poor", lines(50, 50), stated);
    const result = await evaluate(String(poor["id"]));
    expect(result).toMatchObject({
      metrics: { cases: 100, passed: 50, values: { pass_rate: 0.5 }, unanswered: 0, isEstimated: false },
      gates: [
        { gate: "accuracy", passed: false },
        { gate: "held-out", passed: true },
      ],
    });
    expect((await promote()).status).toBe(409);
    const { body: silent } = await addSet("silent", lines(60, 0));
    expect(await evaluate(String(silent["id"]))).toMatchObject({
      gates: [{ passed: true }, { gate: "held-out", passed: false }],
    });
    expect((await promote()).status).toBe(409);
  });

  test("with a statement and a share whose lower end reaches the floor it is promoted; each answer is kept", async () => {
    server.bodies.length = 0;
    const { body: set } = await addSet("good", lines(58, 2), stated);
    const result = await evaluate(String(set["id"]));
    expect(result["gates"]).toMatchObject([
      { gate: "accuracy", passed: true, required: "pass_rate >= 0.6 at the interval's lower end" },
      { gate: "held-out", passed: true, observed: expect.stringContaining(stated) as string },
    ]);
    const text = (await call("ci", "GET", `/v1/artifacts/${String(result["results"])}`)).text;
    const cases = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(cases.map(({ id }) => id)).toEqual(Array.from({ length: 60 }, (_, i) => `case-${i}`));
    expect(cases[0]).toMatchObject({ passed: true, answer: "word0", promptTokens: 11, completionTokens: 1 });
    expect(cases[59]).toMatchObject({ passed: false, answer: "anything", why: "it is another text" });
    expect(server.bodies).toHaveLength(60);
    expect(server.bodies[0]).toMatchObject({
      model: "parrot",
      temperature: 0,
      max_completion_tokens: 20,
    });
    expect((await promote()).status).toBe(200);
    const listed = await call("ci", "GET", "/v1/models/helper/versions/1/text-evaluations");
    expect(listed.body["evaluations"]).toHaveLength(3);
    const events = await call("ann", "GET", "/v1/ledger/entries?event=evaluation.completed");
    const [row] = events.body["entries"] as { detail: object }[];
    expect(row?.detail).toMatchObject({ passed: 58, of: 60, heldOut: true });
  });

  test("a charter that bounds the share higher decides at the next promotion, without a new evaluation", async () => {
    await putInForce(control, charter.replace("floor: 0.60", "floor: 0.95"));
    const { status, body } = await promote();
    expect(status).toBe(409);
    expect(refusals(body)[0]).toContain("pass_rate >= 0.95");
  });

  test("cases go to no server where the charter excludes its place, and the refusal is on the ledger", async () => {
    const upstream = {
      protocol: "openai",
      url: server.url,
      model: "parrot",
      region: "us-east-1",
      owner: "aws",
    };
    await post("ci", "/v1/models/abroad/upstreams", { useCaseId: acme.useCaseId, upstream });
    const asked = server.bodies.length;
    const { body: set } = await addSet("good", lines(58, 2), stated);
    const named = { model: "abroad", version: 1, setId: set["id"] };
    const { status, body } = await call("ci", "POST", "/v1/text-evaluations", named);
    expect([status, body["code"]]).toEqual([403, "charter.placement_refused"]);
    const rows = await call("ann", "GET", "/v1/ledger/entries?event=evaluation.refused");
    expect(rows.body["entries"]).toMatchObject([{ detail: { region: "us-east-1" } }]);
    // Who only reads what is on record asks nobody, and is refused nothing.
    for (const what of ["evaluations", "text-evaluations"]) {
      const read = await call("ci", "GET", `/v1/models/abroad/versions/1/${what}`);
      expect([read.status, read.body["evaluations"]]).toEqual([200, []]);
    }
    const after = await call("ann", "GET", "/v1/ledger/entries?event=evaluation.refused");
    expect(after.body["entries"]).toHaveLength(1);
    expect(server.bodies).toHaveLength(asked);
  });

  test("each kind of version is sent to its own evaluation", async () => {
    const rows = { model: "helper", version: 1, trainingSetId: "ts_none" };
    const answer = await call("ci", "POST", "/v1/evaluations", rows);
    expect([answer.status, answer.body["code"]]).toEqual([422, "evaluation.not_scorable"]);
    expect(String(answer.body["mend"])).toContain("--evaluation-set");
  });

  test("what its evaluations found and its promotion are attested, of the description that its signature is over", async () => {
    await control.runJobs(control.jobs.governance);
    const { body } = await call("ci", "GET", "/v1/models/helper/versions/1/record");
    expect(body).toMatchObject({
      evaluations: [
        {
          examples: 60,
          set: expect.stringMatching(/^sha256:/) as string,
          metrics: [{ name: "pass_rate", interval: { level: 0.95 } }],
        },
        {},
        {},
      ],
      promotions: [{ number: 1, to: "staging" }],
    });
    const { attestations } = body as { attestations: { about: string; digest: string }[] };
    const promotion = attestations.find(({ about }) => about === "promotion/1");
    const path = `/v1/models/helper/versions/1/attestations/${promotion?.digest ?? ""}`;
    const bundle = (await call("ci", "GET", path)).body as { dsseEnvelope?: { payload: string } };
    const payload = Buffer.from(bundle.dsseEnvelope?.payload ?? "", "base64").toString();
    expect(JSON.parse(payload)).toMatchObject({ subject: [{ name: "helper" }, { name: "upstream.json" }] });
  });

  test("a server that ignores the length of answers fills neither memory nor store", async () => {
    const { body: set } = await addSet("flooded", lines(25, 0), stated);
    server.repeats = 50_000;
    const result = await evaluate(String(set["id"]));
    server.repeats = 1;
    expect(result).toMatchObject({ metrics: { cases: 25, passed: 0, unanswered: 0 } });
    const { text } = await call("ci", "GET", `/v1/artifacts/${String(result["results"])}`);
    expect(text.match(/"isCut":true/g)).toHaveLength(25);
    expect(text.length).toBeLessThan(25 * 1400);
  });
});

describe("a judge of faithfulness (G18)", () => {
  const source = "The sky is blue.";
  const ask = (content: string) => ({
    messages: [{ role: "user", content }],
    expect: { faithfulTo: source },
    maxTokens: 20,
  });
  const label = (answer: string, isFaithful: boolean) => ({
    labelled: { answer, faithfulTo: source, isFaithful },
  });
  /** The helper repeats its questions; the examiner lets pass what does not speak of the moon. */
  const text = [
    ask("blue"),
    ask("the moon is green"),
    ask("it is blue"),
    label("blue indeed", true),
    label("red", false),
    label("the moon", false),
  ]
    .map((one) => JSON.stringify(one))
    .join("\n");
  let examiner: TextServer;
  let setId: string;

  beforeAll(async () => {
    examiner = await TextServer.start();
    control.alsoClose(() => examiner.close());
    examiner.says = (message) =>
      message.split("Answer:").at(-1)?.includes("moon") ? "UNFAITHFUL" : "FAITHFUL";
    await post("ci", "/v1/models/examiner/upstreams", {
      useCaseId: acme.useCaseId,
      upstream: { protocol: "openai", url: examiner.url, model: "parrot", region: "local", owner: "self" },
    });
    setId = String((await addSet("sources", text, stated)).body["id"]);
  });

  const judged = async (judge: object): Promise<Readonly<Record<string, unknown>>> => {
    const asked = { model: "helper", version: 1, setId, ...judge };
    const { job } = await post("ci", "/v1/text-evaluations", asked);
    await control.runJobs(control.jobs.governance);
    return (await call("ci", "GET", `/v1/jobs/${String(job)}`)).body;
  };

  test("its verdicts decide the cases, what it gets wrong is counted, and they are replayed and not asked for again", async () => {
    const judge = { judge: { model: "examiner", version: 1 } };
    const { result } = await judged(judge);
    expect(result).toMatchObject({
      metrics: {
        cases: 3,
        passed: 2,
        values: { groundedness: 2 / 3 },
        faithfulness: { judged: 3, faithful: 2, labelled: 3, wrong: 1, passedWrongly: 1, replayed: 0 },
      },
    });
    const asked = examiner.bodies.length;
    expect(asked).toBe(6);
    // Its server may say what it wants now.
    examiner.says = () => "UNFAITHFUL";
    expect((await judged(judge))["result"]).toMatchObject({
      metrics: { passed: 2, faithfulness: { faithful: 2, wrong: 1, replayed: 6 } },
    });
    expect(examiner.bodies.length).toBe(asked);
  });

  test("a version does not judge itself, a set with sources needs a judge, and one without has nothing to judge", async () => {
    const asked = { model: "helper", version: 1, setId };
    const refused = async (judge: object) =>
      (await call("ci", "POST", "/v1/text-evaluations", { ...asked, judge })).body;
    expect(await refused({ model: "helper", version: 1 })).toMatchObject({
      code: "evaluation.no_judge",
      detail: expect.stringContaining("itself") as string,
    });
    const none = await call("ci", "POST", "/v1/text-evaluations", asked);
    expect([none.status, none.body["code"]]).toEqual([422, "evaluation.no_judge"]);
    const { body: plain } = await addSet("plain", lines(1, 0));
    const idle = { ...asked, setId: plain["id"], judge: { model: "examiner", version: 1 } };
    expect((await call("ci", "POST", "/v1/text-evaluations", idle)).body).toMatchObject({
      detail: "no case of the set has a source (faithfulTo)",
    });
    expect(await refused({ model: "nobody", version: 1 })).toMatchObject({
      code: "registry.version_not_found",
    });
  });
});

// The last test: its job is left to be tried again.
test("where the server refuses every case nothing is recorded, and the error has its words", async () => {
  const recorded = async () =>
    (await call("ci", "GET", "/v1/models/helper/versions/1/text-evaluations")).body["evaluations"];
  const before = await recorded();
  const { body: set } = await addSet("refused", lines(25, 0), stated);
  server.mode = "refuse";
  await expect(evaluate(String(set["id"]))).rejects.toThrow(
    /evaluation\.all_refused: none of 25 cases was answered; the first: refused: 400 .*temperature must be/,
  );
  expect(await recorded()).toEqual(before);
});
