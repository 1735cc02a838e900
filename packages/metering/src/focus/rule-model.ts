import { isPortolanError, PortolanError } from "@portolan/kernel";
import { type Static, Type, Value } from "@portolan/typebox";
import type { MeteringErrorCode } from "../errors.ts";

const Text = Type.Optional(Type.String());
/** A check without those below it. */
const OwnCheck = Type.Object({
  CheckFunction: Type.String(),
  ModelRuleId: Text,
  ColumnName: Text,
  /** So the model calls `ColumnName` in two places. */
  CheckCondition: Text,
  ColumnAName: Text,
  ColumnBName: Text,
  ResultColumnName: Text,
  Value: Type.Optional(Type.Union([Type.String(), Type.Number(), Type.Null()])),
  ExpectedCount: Type.Optional(Type.Number()),
});

/** One check of a rule, as the FOCUS group's rule model writes it. */
export interface RuleCheck extends Static<typeof OwnCheck> {
  readonly Items?: readonly RuleCheck[];
}

/** @throws PortolanError `metering.rules_not_valid` for what is no check */
export function checkOf(value: unknown): RuleCheck {
  if (!Value.Check(OwnCheck, value)) throw rulesNotValid("a rule has no check, or one of another form");
  const below = (value as { readonly Items?: unknown }).Items;
  return below === undefined ? value : { ...value, Items: [below].flat().map(checkOf) };
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
