import { type Cells, cellsOf, columnOf, named, rowChecks } from "./row-checks.ts";
import { checkOf, type ModelRule, type RuleCheck, type RuleModel, rulesNotValid } from "./rule-model.ts";
import type { Table } from "./table.ts";

/** A rule that rows, or the whole table, do not follow. */
export interface RuleFinding {
  readonly rule: string;
  /** The rule model's class of rule, such as `Presence` or `Nullability`. */
  readonly kind: string;
  readonly severity: "must" | "should";
  readonly column: string;
  /** In the rule's own words. */
  readonly says: string;
  /** How many rows; 0 where it is about the table. */
  readonly rows: number;
  /** The first of them, from 1 on. */
  readonly firstRow?: number;
}

export interface RuleReport {
  readonly version: string;
  /** Static rules of the model; the next three say what became of them. */
  readonly staticRules: number;
  readonly checked: number;
  /** For a criterion that does not apply, of the rule or of one above it. */
  readonly notApplicable: number;
  /** Of a column that is not there and need not be. */
  readonly withoutColumn: number;
  /** Rules that no reading of one table can decide. */
  readonly dynamicRules: number;
  readonly findings: readonly RuleFinding[];
}

export interface RuleQuestion {
  /** Applicability criteria that do not hold for the table; all others do. */
  readonly without?: readonly string[];
}

/** What of a check holds: of the table, and of each row. */
interface Verdict {
  readonly table: boolean;
  readonly rows: Uint8Array;
  /** Rows that it is about: by its condition a rule may say nothing of a row. Absent: all. */
  readonly about?: Uint8Array;
}

interface Walk {
  readonly model: RuleModel;
  readonly table: Table;
  readonly cells: Cells;
  readonly without: ReadonlySet<string>;
  readonly checked: Set<string>;
  readonly notApplicable: Set<string>;
  readonly withoutColumn: Set<string>;
  readonly findings: Map<string, RuleFinding>;
  /** Rules that are being judged: those below which the next one stands. */
  readonly above: Set<string>;
}

/**
 * Checks a table against every static rule of a rule model of FOCUS. A rule counts where its own condition holds and those of all rules above it; of rules
 * joined by OR each row has to follow one of those that are about it. Words like MUST NOT are the rule's prose: the check itself says what has to be. Pure.
 *
 * @throws PortolanError `metering.rules_not_valid` for a check that is not known here
 */
export function checkRules(model: RuleModel, table: Table, { without = [] }: RuleQuestion = {}): RuleReport {
  const unknown = without.filter((criterion) => !(criterion in model.ApplicabilityCriteria));
  if (unknown.length > 0)
    throw rulesNotValid(
      `no criterion ${unknown.join(", ")} is in the rules; there are ${Object.keys(model.ApplicabilityCriteria).join(", ")}`,
    );
  const walk: Walk = {
    model,
    table,
    cells: cellsOf(table),
    without: new Set(without),
    checked: new Set(),
    notApplicable: new Set(),
    withoutColumn: new Set(),
    findings: new Map(),
    above: new Set(),
  };
  const all = new Uint8Array(table.rows.length).fill(1);
  for (const { ModelRules: roots } of Object.values(model.ModelDatasets))
    for (const root of roots) judgeRule(walk, root, all, true);
  // Attributes stand below no column: their formats are checked where a column has them, the rest of them is dynamic.
  for (const [id, rule] of Object.entries(model.ModelRules))
    if (rule.EntityType === "Attribute" && isStatic(rule) && !walk.checked.has(id))
      judgeRule(walk, id, all, true);
  return reportOf(walk);
}

function reportOf({ model, checked, notApplicable, withoutColumn, findings }: Walk): RuleReport {
  const rules = Object.values(model.ModelRules);
  const only = (set: ReadonlySet<string>) => [...set].filter((id) => !checked.has(id));
  return {
    version: model.Details.ModelVersion,
    staticRules: rules.filter(isStatic).length,
    checked: checked.size,
    notApplicable: only(notApplicable).length,
    withoutColumn: only(withoutColumn).filter((id) => !notApplicable.has(id)).length,
    dynamicRules: rules.filter((rule) => !isStatic(rule)).length,
    findings: [...findings.values()],
  };
}

function isStatic({ Type }: ModelRule): boolean {
  return Type === "Static";
}

function ruleOf({ model }: Walk, id: string): ModelRule {
  const rule = model.ModelRules[id];
  if (!rule) throw rulesNotValid(`a rule names ${id}, which is not there`);
  return rule;
}

/**
 * @param isTold whether a finding is noted; below an OR one that fails is none yet
 * @throws PortolanError `metering.rules_not_valid` for a rule that stands below itself
 */
function judgeRule(walk: Walk, id: string, mask: Uint8Array, isTold: boolean): Verdict {
  if (walk.above.has(id)) throw rulesNotValid(`the rule ${id} stands below itself`);
  walk.above.add(id);
  const verdict = judgeOwn(walk, id, mask, isTold);
  walk.above.delete(id);
  return verdict;
}

function judgeOwn(walk: Walk, id: string, mask: Uint8Array, isTold: boolean): Verdict {
  const rule = ruleOf(walk, id);
  const holds: Verdict = { table: true, rows: new Uint8Array(mask.length).fill(1) };
  if (!isStatic(rule)) return holds;
  if (rule.ApplicabilityCriteria.some((criterion) => walk.without.has(criterion))) {
    noteBelow(walk, id, walk.notApplicable);
    return holds;
  }
  const { Condition: condition, Requirement: requirement, Keyword: keyword } = rule.ValidationCriteria;
  const check = checkOf(requirement);
  if (rule.EntityType === "Column" && !walk.cells.has(rule.Reference)) {
    noteBelow(walk, id, walk.withoutColumn);
    return holds;
  }
  const within = Object.keys(condition).length > 0 ? narrowed(walk, conditionOf(condition), mask) : mask;
  walk.checked.add(id);
  const isComposite = rule.Function === "Composite";
  const verdict = judge(walk, check, within, isTold && !(isComposite && check.CheckFunction === "OR"));
  const rows = verdict.rows.map((holdsHere, row) => (within[row] === 1 ? holdsHere : 1));
  const told = severityOf(keyword);
  // Of an AND of other rules each tells for itself.
  const isLeaf = !isComposite || check.CheckFunction === "OR";
  if (isTold && isLeaf && told !== undefined) note(walk, id, told, { table: verdict.table, rows });
  return told === "must" ? { table: verdict.table, rows, about: within } : holds;
}

function severityOf(keyword: string): RuleFinding["severity"] | undefined {
  if (keyword.startsWith("MUST")) return "must";
  return keyword.startsWith("SHOULD") || keyword === "RECOMMENDED" ? "should" : undefined;
}

function note(walk: Walk, id: string, severity: RuleFinding["severity"], { table, rows }: Verdict): void {
  const first = rows.indexOf(0);
  if (table && first < 0) return;
  const rule = ruleOf(walk, id);
  walk.findings.set(id, {
    rule: id,
    kind: rule.Function,
    severity,
    column:
      rule.EntityType === "Dataset"
        ? (checkOf(rule.ValidationCriteria.Requirement).ColumnName ?? rule.Reference)
        : rule.Reference,
    says: rule.ValidationCriteria.MustSatisfy,
    rows: table ? rows.reduce((count, holdsHere) => count + 1 - holdsHere, 0) : 0,
    ...(table ? { firstRow: first + 1 } : {}),
  });
}

/** Marks a rule and all static ones below it. */
function noteBelow(walk: Walk, id: string, set: Set<string>): void {
  const rule = ruleOf(walk, id);
  if (!isStatic(rule) || set.has(id)) return;
  set.add(id);
  const down = (check: RuleCheck): void => {
    if (check.ModelRuleId !== undefined) noteBelow(walk, check.ModelRuleId, set);
    for (const item of check.Items ?? []) down(item);
  };
  down(checkOf(rule.ValidationCriteria.Requirement));
}

function narrowed(walk: Walk, condition: RuleCheck, mask: Uint8Array): Uint8Array {
  const { rows } = judge(walk, condition, mask, false);
  return rows.map((holds, row) => (mask[row] === 1 ? holds : 0));
}

function judge(walk: Walk, check: RuleCheck, mask: Uint8Array, isTold: boolean): Verdict {
  const name = check.CheckFunction;
  for (const attribute of walk.model.CheckFunctions[name]?.FormatAttributes ?? [])
    markAttribute(walk, attribute);
  if (name === "AND" || name === "OR")
    return joined(
      name,
      (check.Items ?? []).map((item) => judge(walk, item, mask, isTold)),
      mask.length,
    );
  if (name === "CheckModelRule") return judgeRule(walk, check.ModelRuleId ?? "", mask, isTold);
  if (name === "ColumnPresent") {
    const isThere = walk.cells.has(columnOf(check));
    return { table: isThere, rows: new Uint8Array(mask.length).fill(1) };
  }
  if (name === "CheckDistinctCount") return { table: true, rows: distinctCounts(walk, check, mask) };
  const rowCheck = rowChecks[name];
  if (!rowCheck) throw rulesNotValid(`the check ${name.slice(0, 60)} is not known here`);
  const rows = new Uint8Array(mask.length).fill(1);
  for (const [row, counts] of mask.entries())
    if (counts === 1 && !rowCheck(check, walk.cells, row)) rows[row] = 0;
  return { table: true, rows };
}

/** What an attribute of formats says is what the check does. */
function markAttribute(walk: Walk, id: string): void {
  const rule = walk.model.ModelRules[id];
  if (rule && isStatic(rule)) walk.checked.add(id);
}

function joined(how: "AND" | "OR", items: readonly Verdict[], length: number): Verdict {
  const rows = new Uint8Array(length).fill(1);
  for (const row of rows.keys()) {
    const about = how === "AND" ? items : items.filter((item) => (item.about?.[row] ?? 1) === 1);
    const holds = (item: Verdict) => item.rows[row] === 1;
    if (how === "AND" ? !about.every(holds) : about.length > 0 && !about.some(holds)) rows[row] = 0;
  }
  const isHeld = ({ table }: Verdict) => table;
  return { table: how === "AND" ? items.every(isHeld) : items.some(isHeld), rows };
}

/** Rows whose value of A goes with another number of values of B than expected; a missing B is no value. */
function distinctCounts({ cells }: Walk, check: RuleCheck, mask: Uint8Array): Uint8Array {
  const [a, b] = [named(check, "ColumnAName"), named(check, "ColumnBName")];
  const found = new Map<string, Set<string>>();
  const rows = new Uint8Array(mask.length).fill(1);
  // Where the other column is not there, its presence is the finding.
  if (!cells.has(b)) return rows;
  const each = (work: (row: number, value: string) => void) => {
    for (const [row, counts] of mask.entries()) {
      const value = cells.at(a, row);
      if (counts === 1 && value !== null) work(row, value);
    }
  };
  each((row, value) => {
    const values = found.get(value) ?? new Set<string>();
    found.set(value, values);
    const other = cells.at(b, row);
    if (other !== null) values.add(other);
  });
  each((row, value) => {
    if (found.get(value)?.size !== (check.ExpectedCount ?? 1)) rows[row] = 0;
  });
  return rows;
}

/** A condition is a check, or, in two places of the model, checks below the word that joins them. */
function conditionOf(value: Readonly<Record<string, unknown>>): RuleCheck {
  for (const how of ["AND", "OR"] as const)
    if (how in value) return { CheckFunction: how, Items: [value[how]].flat().map(checkOf) };
  return checkOf(value);
}
