import { afterAll, beforeAll, expect, test } from "vitest";
import { must } from "./api.ts";
import { openTeamWorld, prepareData, type TeamWork, type TeamWorld } from "./team-world.ts";
import { visitsContract } from "./visits.ts";

let world: TeamWorld;
let work: TeamWork;
const owner = { useCaseId: "flight-delays" };

beforeAll(async () => {
  world = await openTeamWorld();
  work = await prepareData(world);
  const sam = await world.as("sam");
  const raised = visitsContract.replace(/^version: .*$/m, "version: 9.0.0");
  await must(world.control, "PUT", "/v1/contracts/visits", { document: raised, ...owner }, sam);
  const other = visitsContract.replace(/^id: visits$/m, "id: arrivals");
  await must(world.control, "PUT", "/v1/contracts/arrivals", { document: other, ...owner }, sam);
}, 60_000);
afterAll(() => world.control.close());

type Body = Readonly<Record<string, unknown>>;

async function read(who: string, path: string): Promise<Body> {
  return must(world.control, "GET", path, undefined, await world.as(who));
}

const items = (body: Body, what: string): Body[] => body[what] as Body[];

/** Everything, one at a time. */
async function pages(who: string, path: string, cursor: string, what: string): Promise<Body[]> {
  const all: Body[] = [];
  for (let next: unknown; ; ) {
    const after = typeof next === "string" ? `&${cursor}=${next}` : "";
    const page = await read(who, `${path}?limit=1${after}`);
    all.push(...items(page, what));
    next = page["next"];
    if (next === undefined) return all;
  }
}

test("contracts are listed by name, each once, in its newest version and without its document", async () => {
  const { contracts } = await read("sam", "/v1/contracts");
  expect(contracts).toMatchObject([
    { name: "arrivals", columns: expect.any(Number) },
    { name: "visits", version: "9.0.0" },
  ]);
  const { document: _, references: __, ...newest } = await read("sam", "/v1/contracts/visits");
  expect((contracts as Body[])[1]).toEqual({ ...newest, columns: expect.any(Number) });
  expect(await pages("sam", "/v1/contracts", "after", "contracts")).toEqual(contracts);
});

test("feature views and training sets are listed as they are read one by one", async () => {
  const { document: _, ...view } = await read("sam", "/v1/feature-views/visits-by-place");
  expect(await read("sam", "/v1/feature-views")).toEqual({ views: [view] });
  const { trainingSets } = await read("sam", "/v1/training-sets");
  expect(trainingSets).toMatchObject([
    { id: work.heldOut, state: "ready", contract: "visits", environment: "production" },
    { id: work.trainingSet, useCaseId: work.place.useCaseId },
  ]);
  const { manifest } = await read("sam", `/v1/training-sets/${work.trainingSet}`);
  expect((trainingSets as Body[])[1]?.["rows"]).toBe((manifest as Body)["rowsAfter"]);
  expect(await pages("sam", "/v1/training-sets", "before", "trainingSets")).toEqual(trainingSets);
});

test.each([
  ["/v1/contracts", "contracts"],
  ["/v1/feature-views", "views"],
  ["/v1/training-sets", "trainingSets"],
])("%s shows another team nothing", async (path, what) => {
  expect(items(await read("tom", path), what)).toEqual([]);
});
