import fc from "fast-check";
import { expect, test } from "vitest";
import { randomOf, randomTree } from "../../test/quota-runs.ts";
import { readQuotas } from "../quota/read-quotas.ts";
import { quotaChanges } from "./quota-changes.ts";

const file = (quotas: string, more = ""): string =>
  `version: 1\nbusinessUnits:\n  - name: retail\n    teams:\n      - { name: fraud, quotas: ${quotas} }\n${more}`;
const treeOf = (text: string) => readQuotas(text, "quotas.yaml").tree;

test("a change says what was and what is, as people write it, and what comes and goes", () => {
  const before = treeOf(
    file(
      "{ cpu: { nominal: 9, maximum: 14 }, memory: 64GiB }",
      "      - { name: churn, quotas: { cpu: 1 } }\n",
    ),
  );
  const after = treeOf(
    file("{ cpu: { nominal: 9, maximum: 15 }, memory: 64GiB, gpus: { H100-80GB: 1g.10gb=4 } }"),
  );
  expect(quotaChanges(before, after)).toEqual([
    { member: "retail/churn", resource: "cpu", before: "1 CPU" },
    {
      member: "retail/fraud",
      resource: "cpu",
      before: "9 CPU, borrows at most 5 CPU",
      after: "9 CPU, borrows at most 6 CPU",
    },
    { member: "retail/fraud", resource: "gpu/H100-80GB", after: "4 slices of H100-80GB (8 a card)" },
  ]);
});

test("quotas do not differ from themselves, and turned round a change says the opposite", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = randomOf(seed);
      const [one, other] = [randomTree(random), randomTree(random)];
      expect(quotaChanges(one, one)).toEqual([]);
      const turned = quotaChanges(other, one).map(({ member, resource, before, after }) => ({
        member,
        resource,
        ...(after === undefined ? {} : { before: after }),
        ...(before === undefined ? {} : { after: before }),
      }));
      expect(quotaChanges(one, other)).toEqual(turned);
      expect(quotaChanges(undefined, one)).toHaveLength(
        one.nodes.reduce((sum, { quotas }) => sum + Object.keys(quotas).length, 0),
      );
    }),
    { numRuns: 200 },
  );
});
