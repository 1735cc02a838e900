import { expect, test } from "vitest";
import { coherenceFindings } from "./coherence.ts";
import { deriveFromCharter } from "./derive.ts";
import { CharterDocument } from "./document.ts";
import { parseCharter, requireValid } from "./parse-charter.ts";
import { productionBlockers } from "./production-blockers.ts";
import { readTemplate } from "./templates.ts";

const document: CharterDocument = {
  ...requireValid(parseCharter(readTemplate("flight-delays"))).document,
  explainability: "per_prediction",
};
const stated = (explanations: NonNullable<CharterDocument["explanations"]>): CharterDocument => ({
  ...document,
  explanations,
});
const itemOf = (of: CharterDocument) =>
  deriveFromCharter(of).items.find(({ control }) => control === "explainability");

test("explanations that a charter asks for always, or of a share, are enforced; on request they are not", () => {
  const always = stated({ when: "always", fixed: ["distance"] });
  expect(itemOf(always)?.enforcement.kind).toBe("enforced");
  expect(itemOf(always)?.from.map(({ pointer }) => pointer)).toEqual(["/explainability", "/explanations"]);
  expect(itemOf(always)?.statement).toBe(
    "Every prediction that a model makes is explained after the answer, and what was found is kept with the record; its counterfactual leaves distance alone.",
  );
  expect(deriveFromCharter(always).terms.explanations).toEqual({ share: 1, top: 5, fixed: ["distance"] });
  const sampled = stated({ when: "sampled", sample: "2.5%", top: 3 });
  expect(itemOf(sampled)?.statement).toMatch(
    /^2\.5 % of the predictions, chosen by their ids, are explained/,
  );
  expect(deriveFromCharter(sampled).terms.explanations).toEqual({ share: 0.025, top: 3, fixed: [] });
  for (const silent of [document, stated({ when: "on_request" })]) {
    expect(itemOf(silent)?.enforcement.kind).toBe("not_enforced");
    expect(deriveFromCharter(silent).terms).not.toHaveProperty("explanations");
  }
});

test("a charter that demands explanations may go to production once it says which are made", () => {
  const demanding = { ...document, demandedControls: ["explainability" as const] };
  const blocked = (of: CharterDocument) => productionBlockers(of).map(({ control }) => control);
  expect(blocked(demanding)).toEqual(["explainability"]);
  expect(blocked({ ...demanding, explanations: { when: "always" } })).toEqual([]);
});

test("nothing in a charter has a default in its schema: an answer would state it, and what was signed does not", () => {
  expect(JSON.stringify(CharterDocument)).not.toContain('"default":');
});

test.each([
  [
    "only the model is explained",
    { ...stated({ when: "always" }), explainability: "model" as const },
    "when",
  ],
  [
    "the answers are texts",
    { ...stated({ when: "always" }), model: { ...document.model, task: "generation" as const } },
    "when",
  ],
  ["no share is stated", stated({ when: "sampled" }), "sample"],
  ["a share is stated, of all", stated({ when: "always", sample: "5%" }), "sample"],
  ["the share is none", stated({ when: "sampled", sample: "0%" }), "sample"],
  ["the share is more than all", stated({ when: "sampled", sample: "101%" }), "sample"],
])("explanations are refused where %s", (_why, of, member) => {
  expect(coherenceFindings(of).map(({ pointer }) => pointer)).toContain(`/explanations/${member}`);
  expect(coherenceFindings(stated({ when: "sampled", sample: "100%" }))).toEqual([]);
});
