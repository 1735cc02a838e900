import { isPortolanError } from "@portolan/kernel";
import { describe, expect, test } from "vitest";
import { readQuotas } from "../quota/read-quotas.ts";
import { defaultIdlePolicy } from "./idle-policy.ts";

const file = (ofAll: string, ofChurn = "") => `version: 1
${ofAll}
businessUnits:
  - name: retail
    teams:
      - { name: fraud, quotas: { cpu: 2 } }
      - name: churn
        quotas: { cpu: 2 }
        ${ofChurn}
`;

const policies = (text: string) =>
  readQuotas(text, "quotas.yaml").tree.nodes.flatMap(({ queue }) => (queue ? [queue.idle] : []));

describe("what a file of quotas says of idle work", () => {
  test("says nothing: none is looked for, of no team", () => {
    expect(policies(file(""))).toEqual([undefined, undefined]);
  });
  test("an empty map takes the defaults for all teams", () => {
    expect(policies(file("idle: {}"))).toEqual([defaultIdlePolicy, defaultIdlePolicy]);
  });
  test("a team says what it has otherwise, or that none is looked for; it may also be the only one", () => {
    const all = file("idle: { below: 2.5%, window: 1h, stops: all }", "idle: { notice: 2h, below: 10 % }");
    const ofAll = { ...defaultIdlePolicy, below: 0.025, window: 3_600_000_000, stops: "all" };
    expect(policies(all)).toEqual([ofAll, { ...ofAll, notice: 7_200_000_000, below: 0.1 }]);
    expect(policies(file("idle: {}", "idle: off"))).toEqual([defaultIdlePolicy, undefined]);
    expect(policies(file("", "idle: {}"))).toEqual([undefined, defaultIdlePolicy]);
    expect(policies(file("idle: off"))).toEqual([undefined, undefined]);
  });
  test.each([
    ["idle: yes", "2: idle is no map"],
    ["idle:", "2: idle is no map"],
    ["idle: []", "2: idle is no map"],
    ["idle: { windows: 1h }", "2: idle.windows is not known here"],
    ["idle: { below: 0% }", "2: idle.below is no share"],
    ["idle: { below: 51% }", "2: idle.below is no share"],
    ["idle: { below: 0.05 }", "2: idle.below is no share"],
    ["idle: { window: 0s }", "2: idle.window is no such duration"],
    ["idle: { window: 25h }", "2: idle.window is no such duration"],
    ["idle: { window: 15 }", "2: idle.window is no such duration"],
    ["idle: { notice: 0s }", "2: idle.notice is no such duration"],
    ["idle: { notice: 8d }", "2: idle.notice is no such duration"],
    ["idle: { grace: -1s }", "2: idle.grace is no such duration"],
    ["idle: { longestKeep: 1s }", "2: idle.longestKeep is no such duration"],
    ["idle: { stops: some }", '2: idle.stops is "some"'],
  ])("%s is refused with its line", (text, finding) => {
    let said: string[] = [];
    try {
      readQuotas(file(text), "quotas.yaml");
    } catch (error) {
      if (!isPortolanError(error)) throw error;
      said = error.violations.map(({ detail, at }) => `${at?.line}: ${detail}`);
    }
    expect(said).toEqual([finding]);
  });
});
