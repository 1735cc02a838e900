import type { SourceCall } from "../facts.ts";
import { type Evidence, type Finding, findingOf } from "../findings.ts";
import { isBefore, methodOf, namesGiven, type Program, seenAt } from "../program.ts";

const splitters = new Set(["train_test_split"]);
const fitting = new Set(["fit", "fit_transform", "fit_resample"]);
const timely = new Set(["to_datetime", "date_range"]);

/** Ways in which rows that judge a model may have taught it. They are hints: names are followed, not values. */
export function judgeLeakage(program: Program): readonly Finding[] {
  return findingOf(
    {
      rule: "leakage",
      severity: "hint",
      title: "What judges the model may have taught it",
      mend: "Split first, by time where rows have one; fit on the training part alone, best as steps of a Pipeline. Portolan's held-out sets are later rows.",
    },
    [
      ...fittedBeforeSplit(program),
      ...fittedOnTest(program),
      ...judgedOnTraining(program),
      ...shuffledTime(program),
    ],
  );
}

function splitsOf({ facts }: Program): SourceCall[] {
  return facts.calls.filter((call) => splitters.has(methodOf(call)));
}

function fittedBeforeSplit(program: Program): Evidence[] {
  return splitsOf(program).flatMap((split) => {
    const given = new Set(namesGiven(split));
    return program.facts.calls
      .filter((call) => fitting.has(methodOf(call)) && isBefore(call, split))
      .filter((call) => [...namesGiven(call), ...(call.targets ?? [])].some((name) => given.has(name)))
      .map((call) => seenAt(program, call.at, `${shortName(call)} sees all rows, before they are split`));
  });
}

const testName = /(^|_)(test|valid|validation|val|holdout|held_out)(_|$)/i;

function fittedOnTest(program: Program): Evidence[] {
  return program.facts.calls.flatMap((call) => {
    const name = call.args.flatMap(({ names }) => names ?? []).find((one) => testName.test(one));
    return fitting.has(methodOf(call)) && name !== undefined
      ? [seenAt(program, call.at, `${shortName(call)} is fitted on ${name}`)]
      : [];
  });
}

/** A model that is fitted on what it is judged by, in a program without any split. */
function judgedOnTraining(program: Program): Evidence[] {
  const { calls } = program.facts;
  if (
    splitsOf(program).length > 0 ||
    calls.some((call) => /^cross_val|Fold$|SearchCV$|Split$/.test(methodOf(call)))
  )
    return [];
  const fitted = calls.filter((call) => methodOf(call) === "fit" && call.on !== undefined);
  return calls.flatMap((call) => {
    if (!/^(score|predict|predict_proba)$/.test(methodOf(call))) return [];
    const [first] = namesGiven(call);
    const same = fitted.some(
      (fit) => fit.on === call.on && first !== undefined && namesGiven(fit)[0] === first,
    );
    return same
      ? [seenAt(program, call.at, `${shortName(call)} is asked about the rows it was fitted on`)]
      : [];
  });
}

function shuffledTime(program: Program): Evidence[] {
  const { calls } = program.facts;
  const hasTime = calls.some(
    (call) => timely.has(methodOf(call)) || call.keywords["parse_dates"] !== undefined,
  );
  if (!hasTime) return [];
  return splitsOf(program).flatMap((split) =>
    split.keywords["shuffle"]?.value === false
      ? []
      : [seenAt(program, split.at, "rows with a time are split at random: the future teaches the past")],
  );
}

/** `StandardScaler.fit_transform`. */
function shortName({ name }: SourceCall): string {
  return name.split(".").slice(-2).join(".");
}
