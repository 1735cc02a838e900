import { isPortolanError, PortolanError } from "@portolan/kernel";
import { type Static, Type, Value } from "@portolan/typebox";
import type { MeteringErrorCode } from "../errors.ts";

/** One check of a rule, as the FOCUS group's rule model writes it. */
export interface RuleCheck {
  readonly CheckFunction: string;
  readonly Items?: readonly RuleCheck[];
  readonly ModelRuleId?: string;
  readonly ColumnName?: string;
  /** So the model calls `ColumnName` in two places. */
  readonly CheckCondition?: string;
  readonly ColumnAName?: string;
  readonly ColumnBName?: string;
  readonly ResultColumnName?: string;
  readonly Value?: string | number | null;
  readonly ExpectedCount?: number;
}

const ModelRule = Type.Object({
  Function: Type.String(),
  Reference: Type.String(),
  EntityType: Type.String(),
  ApplicabilityCriteria: Type.Array(Type.String()),
  Type: Type.Enum(["Static", "Dynamic"]),
  ValidationCriteria: Type.Object({
    MustSatisfy: Type.String(),
    Keyword: Type.String(),
    Requirement: Type.Record(Type.String(), Type.Unknown()),
    Condition: Type.Record(Type.String(), Type.Unknown()),
  }),
});
const RuleModel = Type.Object({
  Details: Type.Object({ ModelVersion: Type.String(), FOCUSVersion: Type.String() }),
  ApplicabilityCriteria: Type.Record(Type.String(), Type.Unknown()),
  CheckFunctions: Type.Record(Type.String(), Type.Object({ FormatAttributes: Type.Array(Type.String()) })),
  ModelDatasets: Type.Record(Type.String(), Type.Object({ ModelRules: Type.Array(Type.String()) })),
  ModelRules: Type.Record(Type.String(), ModelRule),
});
export type RuleModel = Static<typeof RuleModel>;
export type ModelRule = Static<typeof ModelRule>;

/**
 * Reads a rule model of the FOCUS validator (`model-1.2.json`).
 *
 * @throws PortolanError `metering.rules_not_valid`
 */
export function readRuleModel(text: string, file: string): RuleModel {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    if (isPortolanError(cause)) throw cause;
    throw rulesNotValid(`${file} is no JSON`);
  }
  const [fault] = [...Value.Errors(RuleModel, value)];
  if (fault) throw rulesNotValid(`${file}: ${fault.instancePath || "the file"} ${fault.message}`);
  return value as RuleModel;
}

export function rulesNotValid(detail: string): PortolanError<MeteringErrorCode> {
  return new PortolanError<MeteringErrorCode>("metering.rules_not_valid", {
    detail,
    mend: "Name the rule model of the FOCUS group's validator, such as model-1.2.json.",
  });
}
