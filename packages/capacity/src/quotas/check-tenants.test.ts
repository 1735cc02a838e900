import { expect, test } from "vitest";
import { readQuotas } from "../quota/read-quotas.ts";
import { checkTenants } from "./check-tenants.ts";

const text = (teams: readonly string[], unit = "retail"): string =>
  [
    "version: 1",
    "businessUnits:",
    `  - name: ${unit}`,
    "    teams:",
    ...teams.map((name) => `      - { name: ${name}, quotas: { cpu: 1 } }`),
  ].join("\n");

const unitOf = new Map([
  ["fraud", "retail"],
  ["desk", "markets"],
]);
const tenants = {
  hasBusinessUnit: async (_: string, name: string) => [...unitOf.values()].includes(name),
  unitOfTeam: async (_: string, name: string) => unitOf.get(name),
};
const check = (quotas: string) => checkTenants(readQuotas(quotas, "quotas.yaml"), tenants, "org_1");

test("units and teams that the organisation has pass", async () => {
  await check(text(["fraud"]));
});

test("all that it lacks is named with its line: unknown units and teams, and teams of other units", async () => {
  await expect(check(text(["fraud", "desk", "nobody"], "wholesale"))).rejects.toMatchObject({
    code: "capacity.quotas_not_valid",
    violations: [
      { at: { line: 3 }, detail: expect.stringContaining("no business unit of the organisation") },
      { at: { line: 5 }, detail: expect.stringContaining("is a team of retail, not of wholesale") },
      { at: { line: 6 }, detail: expect.stringContaining("is a team of markets, not of wholesale") },
      { at: { line: 7 }, detail: expect.stringContaining("is no team of the organisation") },
    ],
  });
});
