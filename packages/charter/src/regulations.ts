import type { ControlName } from "./controls.ts";
import type { Regulation, SigningRole } from "./document.ts";

/** What a regulation adds to a charter that names it. Data, so that a lawyer can read and correct it. */
export interface RegulationRule {
  /** Controls without which a charter under this regulation must not go to production. */
  readonly demands: readonly ControlName[];
  readonly signatures: readonly SigningRole[];
  /** Shortest time that prediction records are kept, as a unit text. */
  readonly keepAtLeast?: string;
  /** The log is fsynced before the answer. */
  readonly durableLog: boolean;
  /** A person must be able to step in: `humanReview` may not be `none`. */
  readonly humanOversight: boolean;
  /** Access that was taken away must end: `snapshotAge.beyond` may not be `serve`. */
  readonly accessEnds?: boolean;
  /** Where the figures come from. */
  readonly source: string;
}

export const regulationRules: Readonly<Record<Regulation, RegulationRule>> = {
  HIPAA: {
    demands: ["log_durability", "purpose_required", "residency", "retention"],
    signatures: ["approver_compliance"],
    keepAtLeast: "6y",
    durableLog: true,
    humanOversight: false,
    accessEnds: true,
    source: "45 CFR 164.308(a)(3)(ii)(C) access ends, 164.312(b) audit controls, 164.316(b)(2)(i) six years",
  },
  SOX: {
    demands: ["log_durability", "accuracy_gate", "retention"],
    signatures: ["approver_risk"],
    keepAtLeast: "7y",
    durableLog: true,
    humanOversight: false,
    source: "17 CFR 210.2-06 seven years; section 404 controls",
  },
  GDPR: {
    demands: ["purpose_required", "residency", "retention"],
    signatures: ["approver_compliance"],
    durableLog: false,
    humanOversight: false,
    source: "Regulation (EU) 2016/679 Art. 5(1)(b) purpose, 5(1)(e) storage limitation, Art. 44 transfers",
  },
  "EU-AI-Act": {
    demands: ["log_durability", "human_review", "accuracy_gate", "retention"],
    signatures: ["approver_compliance", "approver_risk"],
    keepAtLeast: "184d",
    durableLog: true,
    humanOversight: true,
    source: "Regulation (EU) 2024/1689 Art. 12 logs, 14 oversight, 15 accuracy, 26(6) six months (high risk)",
  },
  "PCI-DSS": {
    demands: ["log_durability", "retention"],
    signatures: ["approver_risk"],
    keepAtLeast: "1y",
    durableLog: true,
    humanOversight: false,
    accessEnds: true,
    source: "PCI DSS v4.0 requirements 8.2.5 access ends, 10.5.1 twelve months",
  },
  SOC2: {
    demands: ["required_signatures"],
    signatures: ["approver_risk"],
    durableLog: false,
    humanOversight: false,
    source: "AICPA TSP section 100, CC8.1 change management",
  },
};
