import { type Evidence, type Finding, findingOf } from "../findings.ts";
import { importsAny, methodOf, type Program, seenAt } from "../program.ts";
import { requirementsOf } from "../requirements.ts";
import { openSecrets, withoutSecrets } from "../secrets.ts";

/** What keeps the same program from running elsewhere, or lets it lie open. */
export function judgeHygiene(program: Program): Finding[] {
  return [
    ...unread(program),
    ...secrets(program),
    ...missingPins(program),
    ...hardCodedPaths(program),
    ...uncheckedInput(program),
    ...orderOfCells(program),
    ...keptOutputs(program),
  ];
}

function unread(program: Program): readonly Finding[] {
  const evidence = program.facts.units.flatMap(({ name, problem }) =>
    problem ? [{ unit: name, line: problem.line, saw: problem.message }] : [],
  );
  return findingOf(
    {
      rule: "not-python",
      severity: "gap",
      title: "Parts are no Python 3 and were not examined",
      mend: "Mend the syntax, or remove what is left over.",
    },
    evidence,
  );
}

function secrets(program: Program): readonly Finding[] {
  return findingOf(
    {
      rule: "secret",
      severity: "blocker",
      title: "Secrets lie open in the file",
      mend: "Revoke them: whoever has the file has them. Read credentials of data sources from the operator's connections (docs/data-sources.md), never from code.",
    },
    openSecrets(program),
  );
}

function missingPins(program: Program): readonly Finding[] {
  const evidence = requirementsOf(program).flatMap(({ pin, evidence: place }) =>
    pin === undefined && place ? [place] : [],
  );
  return findingOf(
    {
      rule: "missing-pin",
      severity: "gap",
      title: "Libraries without an exact version",
      mend: "Write versions into training/requirements.in and lock them with hashes.",
    },
    evidence,
  );
}

const absolutePath =
  /^(\/(home|Users|root|mnt|media|data|tmp|var|opt|srv|content|dbfs|Volumes|kaggle)\/\S|~\/|[A-Za-z]:[\\/]|\\\\\w)/;
const remotePath = /^(s3|s3a|gs|abfss?|wasbs?|hdfs|dbfs|adl|file):\/\//i;

function hardCodedPaths(program: Program): readonly Finding[] {
  const evidence = program.facts.texts.flatMap(({ at, value }) =>
    absolutePath.test(value) || remotePath.test(value)
      ? [seenAt(program, at, withoutSecrets(value).slice(0, 120))]
      : [],
  );
  return findingOf(
    {
      rule: "hard-coded-path",
      severity: "gap",
      title: "Paths of one machine or bucket",
      mend: "The trainer reads PORTOLAN_TRAINING_SET; data comes in under a contract (portolan data ingest).",
    },
    evidence,
  );
}

const readers =
  /^read_(csv|parquet|excel|json|sql|sql_query|sql_table|feather|table|pickle|hdf|orc)$|^(loadtxt|genfromtxt|scan_csv|scan_parquet)$/;
const checkers = ["pandera", "great_expectations", "pydantic", "jsonschema", "cerberus", "marshmallow"];
const checkingMethods = new Set([
  "isna",
  "isnull",
  "notna",
  "notnull",
  "dropna",
  "between",
  "duplicated",
  "is_unique",
  "raise_for_status",
]);

function uncheckedInput(program: Program): readonly Finding[] {
  const { calls, asserts } = program.facts;
  const checks =
    asserts.length > 0 ||
    importsAny(program, checkers) ||
    calls.some((call) => checkingMethods.has(methodOf(call)));
  const reads = calls.filter((call) => readers.test(methodOf(call)));
  const requests = calls.filter(({ name }) => /(^|\.)request\.(get_json|json|form)/.test(name));
  const evidence: Evidence[] = checks
    ? []
    : [...reads, ...requests].map((call) =>
        seenAt(program, call.at, `${methodOf(call)} is read, and nothing checks what came`),
      );
  return findingOf(
    {
      rule: "input-check",
      severity: "gap",
      title: "Nothing checks the rows that come in",
      mend: "Describe them in a data contract: portolan adopt … --data rows.csv drafts one, portolan contract test tries it.",
    },
    evidence,
  );
}

function orderOfCells({ source }: Program): readonly Finding[] {
  return findingOf(
    {
      rule: "cell-order",
      severity: "gap",
      title: "Cells were run in another order than they stand in",
      mend: "Restart and run all: what comes out now depends on state that is not in the file.",
    },
    source.outOfOrder.map((unit) => ({ unit, saw: "it was run before a cell above it" })),
  );
}

function keptOutputs({ source }: Program): readonly Finding[] {
  const evidence = source.outputBytes === 0 ? [] : [{ unit: "outputs", saw: `${source.outputBytes} bytes` }];
  return findingOf(
    {
      rule: "kept-output",
      severity: "hint",
      title: "Outputs are kept in the notebook, and may hold rows of data",
      mend: "Clear them before the notebook is shared (jupyter nbconvert --clear-output).",
    },
    evidence,
  );
}
