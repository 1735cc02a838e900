import type { FlagDefinition } from "@portolan/serving/contract";
import { aCall, testAuthorizer } from "@portolan/testkit";
import { beforeEach, describe, expect, test } from "vitest";
import { approveFlagChange } from "../src/flags/approve-flag.ts";
import type { FlagRequest, FlagView } from "../src/flags/contract.ts";
import { flagsInForce, readFlags } from "../src/flags/read-flags.ts";
import { type FlagDeps, removeFlag, setFlag } from "../src/flags/set-flag.ts";
import { charter, db, deps, endpoint, engineer, events, openReleaseWorld, setUp } from "./release-world.ts";

openReleaseWorld();

const plain: FlagDefinition = { default: false, enabled: true, rules: [], split: [], sticky: "entity" };
const on: FlagDefinition = { ...plain, rules: [{ by: "tenant", values: ["bu_1"], value: true }] };
let published = 0;
let flagDeps: FlagDeps;
beforeEach(() => use());

function use(): void {
  published = 0;
  flagDeps = { ...deps, publish: async () => void published++ };
}

function inProduction(riskTolerance: "low" | "medium" | "high"): void {
  setUp("production");
  use();
  charter.terms = { latencyMsP95: 50, riskTolerance };
}

const set = (flag: FlagDefinition, over: Partial<FlagRequest> = {}, call = engineer(), key = "new-form") =>
  setFlag(flagDeps, call, { endpoint, key }, { environment: "dev", reason: "to try", flag, ...over });
const production = { environment: "production" } as const;
const approve = (view: FlagView, call = engineer("usr_mia")) =>
  approveFlagChange(flagDeps, call, view.waiting?.id ?? "");
const inForce = async () => {
  const { organisationId } = engineer().actor;
  const all = await db.uow.read(engineer(), (sql) => flagsInForce(sql, organisationId));
  return ["dev", "production"].flatMap((environment) => all.get(`${environment}/${endpoint}`) ?? []);
};
const remove = (environment: "dev" | "production") =>
  removeFlag(flagDeps, engineer(), { endpoint, key: "new-form" }, { environment, reason: "done" });

describe("below production", () => {
  test("a flag is in force at once, published, and on the ledger; the next word replaces it", async () => {
    expect(await set(plain)).toMatchObject({ version: 1, inForce: plain, waiting: null });
    expect(await set(on)).toMatchObject({ version: 2, inForce: on, setBy: "usr_lee" });
    expect(published).toBe(2);
    const [flag] = await inForce();
    expect(flag).toMatchObject({ key: "new-form", rules: on.rules });
    expect(await events({ id: flag?.seed ?? "" } as never)).toEqual(["rollout.flag.set", "rollout.flag.set"]);
    await expect(set(plain, { ifVersion: 1 })).rejects.toMatchObject({ code: "kernel.conflict" });
    await remove("dev");
    expect(await inForce()).toEqual([]);
    await expect(remove("dev")).rejects.toMatchObject({ code: "kernel.not_found" });
    expect(await set(plain, { ifVersion: 0 })).toMatchObject({ version: 1 });
  });

  test("one that cannot be evaluated, and a second one that decides who answers, are refused", async () => {
    await expect(set({ ...plain, default: "x" })).rejects.toMatchObject({ code: "rollout.bad_flag" });
    const deciding: FlagDefinition = {
      ...plain,
      values: ["champion"],
      default: "champion",
      decides: "variant",
    };
    await set(deciding, {}, engineer(), "first");
    await set(deciding, {}, engineer(), "first");
    await expect(set(deciding, {}, engineer(), "second")).rejects.toMatchObject({
      code: "rollout.flag_decides_already",
    });
  });
});

describe("in production", () => {
  test("a change waits for as many others as the charter asks for, and changes nothing until then", async () => {
    inProduction("low");
    const asked = await set(plain, production);
    expect(asked).toMatchObject({ version: 0, inForce: null, waiting: { approvals: { needed: 2 } } });
    expect([published, await inForce()]).toEqual([0, []]);
    await expect(approve(asked, engineer())).rejects.toMatchObject({ code: "rollout.not_approver" });
    const service = aCall({ id: "sa_1", kind: "service_account", roles: ["approver_risk"] });
    await expect(approve(asked, service)).rejects.toMatchObject({ code: "rollout.not_approver" });
    expect(await approve(asked)).toMatchObject({ inForce: null, waiting: { approvals: { given: [{}] } } });
    await expect(approve(asked)).rejects.toMatchObject({ code: "rollout.not_approver" });
    expect(await approve(asked, engineer("usr_zoe"))).toMatchObject({
      version: 1,
      inForce: plain,
      setBy: "usr_lee",
      waiting: null,
    });
    expect(published).toBe(1);
    await expect(approve(asked, engineer("usr_kim"))).rejects.toMatchObject({
      code: "rollout.flag_change_settled",
    });
  });

  test("switching off takes nobody's leave and ends what waits; switching on again does", async () => {
    inProduction("medium");
    await approve(await set(plain, production));
    const waiting = await set(on, production);
    expect(await set({ ...plain, enabled: false }, production)).toMatchObject({ version: 2, waiting: null });
    expect(await inForce()).toMatchObject([{ enabled: false }]);
    await expect(approve(waiting)).rejects.toMatchObject({ code: "rollout.flag_change_settled" });
    expect(await set(plain, production)).toMatchObject({ waiting: { approvals: { needed: 1 } } });
    // Off with another default is another answer to everybody.
    expect(await set({ ...plain, enabled: false, default: true }, production)).toMatchObject({ version: 2 });
  });

  test("a charter that comes to ask for more is heeded, and one with a high tolerance still asks one other person", async () => {
    inProduction("medium");
    const asked = await set(plain, production);
    charter.terms = { latencyMsP95: 50, riskTolerance: "low" };
    expect(await approve(asked)).toMatchObject({ inForce: null, waiting: { approvals: { needed: 2 } } });
    inProduction("high");
    const alone = await set(on, production);
    expect(alone).toMatchObject({ inForce: null, waiting: { approvals: { needed: 1 } } });
    expect(await approve(alone)).toMatchObject({ inForce: on });
  });

  test("those who may not see the endpoint learn nothing, and a deletion ends what waits", async () => {
    inProduction("medium");
    const asked = await set(plain, production);
    const stranger = aCall({ id: "usr_eve", roles: [] });
    expect(await readFlags(flagDeps, stranger, endpoint)).toEqual([]);
    expect(await readFlags(flagDeps, engineer(), endpoint)).toMatchObject([{ key: "new-form", version: 0 }]);
    const hidden = ["serving:deploy", "rollout:approve"];
    flagDeps = { ...flagDeps, authorizer: testAuthorizer({}, { hidden }) };
    const tried = [
      () => set(plain, production, stranger),
      () => approve(asked, stranger),
      () => approveFlagChange(flagDeps, stranger, "fch_none"),
    ];
    for (const attempt of tried) await expect(attempt()).rejects.toMatchObject({ code: "kernel.not_found" });
    use();
    await remove("production");
    await expect(approve(asked)).rejects.toMatchObject({ code: "rollout.flag_change_settled" });
  });
});
