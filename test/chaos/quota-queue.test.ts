import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { environments } from "@portolan/kernel";
import { expect, test } from "vitest";
import { type Api, bootstrapAcme, must } from "../../apps/control/test/api.ts";
import { startControlProcess } from "../../apps/control/test/control-process.ts";
import { visitsContract, visitsCsv, visitsSet, visitsView } from "../../apps/control/test/visits.ts";

/** Its first start leaves a checkpoint and works for ever; the next one ends. */
const program = `import json, os, time
from pathlib import Path
kept = Path(os.environ["PORTOLAN_CHECKPOINT"]) / "state"
quick = json.loads(Path(os.environ["PORTOLAN_PARAMS"]).read_text())["params"].get("quick", False)
print("at work", flush=True)
while not quick and not kept.exists():
    time.sleep(1)
    kept.with_suffix(".part").write_text("half")
    kept.with_suffix(".part").rename(kept)
    while True:
        time.sleep(1)
output = Path(os.environ["PORTOLAN_OUTPUT"])
(output / "model.onnx").write_bytes(b"whole")
(output / "metrics.json").write_text("{}")
`;
const quotas =
  "version: 1\nbusinessUnits:\n  - name: operations\n    teams:\n      - { name: network-planning, quotas: { cpu: 2 } }\n";

type Body = Readonly<Record<string, unknown>>;

async function until<T>(read: () => Promise<T>, is: (found: T) => boolean): Promise<T> {
  for (let waited = 0; ; waited += 100) {
    const found = await read();
    if (is(found)) return found;
    if (waited > 90_000) throw new Error(JSON.stringify(found));
    await sleep(100);
  }
}

test("a control that is killed while one run works and one waits lets in nobody twice, and leaves nothing held", async () => {
  const home = await mkdtemp(join(tmpdir(), "portolan-quota-"));
  let control = await startControlProcess({ home });
  try {
    const { organisationId, useCaseId } = await bootstrapAcme(
      control,
      (await readFile(join(home, "local-credential"), "utf8")).trim(),
    );
    const post = async (path: string, body: unknown, as = "max"): Promise<Body> =>
      must(control as Api, "POST", path, body, await control.token(as));
    const get = async (path: string): Promise<Body> =>
      must(control as Api, "GET", path, undefined, await control.token("max"));
    await post("/v1/users", { name: "max", displayName: "max" }, "ada");
    const scope = { kind: "organisation", id: organisationId };
    const held = { principal: "max", role: "data_scientist", scope, environments: [...environments] };
    await post("/v1/role-bindings", held, "ada");
    const max = await control.token("max");
    await must(control, "PUT", "/v1/contracts/visits", { document: visitsContract }, max);
    await must(control, "PUT", "/v1/feature-views/visits-by-place", { document: visitsView }, max);
    const place = { environment: "dev", useCaseId };
    const upload = async (text: string): Promise<unknown> => {
      const url = new URL(`/v1/artifacts?${new URLSearchParams(place).toString()}`, control.url);
      const headers = { authorization: `Bearer ${max}`, "content-type": "application/octet-stream" };
      const answer = await fetch(url, { method: "POST", headers, body: text });
      return ((await answer.json()) as Body)["digest"];
    };
    const sources = [{ object: await upload(visitsCsv), format: "csv" }];
    const { id: ingestion } = await post("/v1/ingestions", { contract: "visits", ...place, sources });
    await until(
      () => get(`/v1/ingestions/${String(ingestion)}`),
      ({ datasetId }) => datasetId !== undefined,
    );
    const { id: trainingSetId } = await post("/v1/training-sets", visitsSet(place));
    await until(
      () => get(`/v1/training-sets/${String(trainingSetId)}`),
      ({ state }) => state === "ready",
    );
    const ada = await control.token("ada");
    await must(control, "PUT", "/v1/quotas", { file: "quotas.yaml", quotas }, ada);
    const minor = execFileSync("python3", ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"], {
      encoding: "utf8",
    }).trim();
    const locks = { [minor]: await upload("# nothing is locked\n") };
    const asked = { ...place, trainingSetId, code: await upload(program), locks, seed: 7 };
    const runOf = async (params: object) =>
      String((await post("/v1/training-runs", { ...asked, params, resources: { cpu: "2" } }))["id"]);
    const [first, second] = [await runOf({}), await runOf({ quick: true })];
    const read = async (id: string) =>
      (await get(`/v1/training-runs/${id}`)) as { state: string; queue: { state: string } };
    const attempts = async (): Promise<readonly { readonly checkpoints: number }[]> =>
      ((await get(`/v1/training-runs/${first}`))["work"] as { attempts: { checkpoints: number }[] }).attempts;
    await until(attempts, ([one]) => one !== undefined && one.checkpoints > 0);

    await control.kill();
    control = await startControlProcess({ home });
    const seen = new Set<string>();
    await until(
      async () => {
        const [a, b] = [await read(first), await read(second)];
        seen.add(`${a.queue.state} ${b.queue.state}`);
        return [a.state, b.state];
      },
      ([a, b]) => a === "succeeded" && b === "succeeded",
    );
    expect([...seen]).not.toContain("running running");
    expect([...seen]).toContain("running waiting");
    expect(await attempts()).toHaveLength(2);
    expect((await get("/v1/queue"))["items"]).toEqual([]);
    const { teams } = (await get("/v1/pool-status")) as {
      teams: readonly { resources: readonly { used: { amount: number } }[] }[];
    };
    expect(teams[0]?.resources[0]?.used.amount).toBe(0);
  } finally {
    await control[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  }
}, 240_000);
