import { describe, expect, test } from "vitest";
import { deriveFromCharter } from "./derive.ts";
import { parseCharter, requireValid } from "./parse-charter.ts";
import { productionBlockers } from "./production-blockers.ts";
import { requiredSignatures } from "./required-signatures.ts";
import { parseTemplateName, readTemplate, templateNames } from "./templates.ts";

function template(name: (typeof templateNames)[number]) {
  return requireValid(parseCharter(readTemplate(name), `${name}.yaml`)).document;
}

describe("templates", () => {
  test.each(templateNames)("%s is a valid charter that derives controls from its own lines", (name) => {
    const reading = parseCharter(readTemplate(name), "charter.yaml");
    expect(reading.kind === "invalid" ? reading.violations : []).toEqual([]);
    const { document, lines } = requireValid(reading);
    const derived = deriveFromCharter(document, lines);
    expect(derived.items.length).toBeGreaterThan(12);
    expect(derived.items.flatMap((item) => item.from).every((from) => from.line !== undefined)).toBe(true);
  });

  test("no two templates are the same charter", () => {
    const digests = templateNames.map((name) => requireValid(parseCharter(readTemplate(name))).digest);
    expect(new Set(digests).size).toBe(templateNames.length);
  });

  test("each template is signed by the roles that its content demands", () => {
    const roles = Object.fromEntries(
      templateNames.map((name) => [name, requiredSignatures(template(name)).map((entry) => entry.role)]),
    );
    expect(roles).toEqual({
      "financial-fraud": ["team_lead", "approver_risk", "finance"],
      "healthcare-readmission": ["team_lead", "approver_risk", "approver_compliance", "finance"],
      "manufacturing-maintenance": ["team_lead"],
      churn: ["team_lead", "approver_compliance"],
      recommendation: ["team_lead", "approver_compliance", "finance"],
      chatbot: ["team_lead", "approver_risk", "approver_compliance", "finance"],
      "flight-delays": ["team_lead", "approver_risk"],
      readmission: ["team_lead", "approver_risk"],
      ai4i: ["team_lead", "approver_risk"],
      "credit-default": ["team_lead", "approver_risk"],
    });
  });

  test.each(["flight-delays", "readmission", "ai4i", "credit-default"] as const)(
    "the %s charter may go to production: what it demands is enforced",
    (name) => {
      expect(productionBlockers(template(name))).toEqual([]);
    },
  );

  test("a charter that demands what nothing enforces may not go to production", () => {
    const blocked = productionBlockers(template("healthcare-readmission")).map((blocker) => blocker.control);
    expect(blocked).toEqual(["human_review"]);
  });

  test("an unknown template name is no template", () => {
    expect(parseTemplateName("../../etc/passwd")).toBeUndefined();
    expect(parseTemplateName("churn")).toBe("churn");
  });
});
