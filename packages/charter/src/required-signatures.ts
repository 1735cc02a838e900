import { compareMoney, money } from "@portolan/kernel";
import { type CharterDocument, type SigningRole, signingRoles } from "./document.ts";
import { regulationRules } from "./regulations.ts";
import { parseMonthlyMoney } from "./terms.ts";

export interface RequiredSignature {
  readonly role: SigningRole;
  readonly because: readonly { readonly pointer: string; readonly reason: string }[];
}

/** Monthly amounts from which finance signs. A currency that is not listed always needs finance. */
const financeThresholds: Readonly<Record<string, string>> = {
  USD: "10000",
  EUR: "10000",
  GBP: "8000",
  CHF: "10000",
};

/** The roles that must sign this charter, each with its reasons; in the order of `signingRoles`. Pure. */
export function requiredSignatures(document: CharterDocument): RequiredSignature[] {
  const reasons = new Map<SigningRole, { pointer: string; reason: string }[]>();
  const add = (role: SigningRole, pointer: string, reason: string) =>
    reasons.set(role, [...(reasons.get(role) ?? []), { pointer, reason }]);

  add("team_lead", "/useCase/team", "the team that runs it answers for it");
  document.nonNegotiables.regulations.forEach((name, index) => {
    for (const role of regulationRules[name].signatures) {
      add(role, `/nonNegotiables/regulations/${index}`, `${name} applies`);
    }
  });
  if (document.riskTolerance.level === "low") {
    add("approver_risk", "/riskTolerance/level", "risk tolerance is low");
  }
  if (document.requirements.accuracy.below === "stop") {
    add("approver_risk", "/requirements/accuracy/below", "the machine may stop the service by itself");
  }
  if (needsFinance(document)) {
    add(
      "finance",
      "/nonNegotiables/costCeiling",
      `${document.nonNegotiables.costCeiling} is above the team's own limit`,
    );
  }
  (document.signOff?.alsoRequired ?? []).forEach((role, index) => {
    add(role, `/signOff/alsoRequired/${index}`, "the charter asks for it");
  });
  return signingRoles.flatMap((role) => {
    const because = reasons.get(role);
    return because ? [{ role, because }] : [];
  });
}

function needsFinance(document: CharterDocument): boolean {
  const ceiling = parseMonthlyMoney(document.nonNegotiables.costCeiling);
  const threshold = financeThresholds[ceiling.currency];
  return threshold === undefined || compareMoney(ceiling, money(threshold, ceiling.currency)) > 0;
}
