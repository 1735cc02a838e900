import type { CiSettings } from "./settings.ts";

/** The folder, beside the repository's own files, that the pipeline keeps the command line in. */
const cli = ".portolan-cli";

/** Where the pipeline asks for promotion to; people go on from there. */
const target = "staging";
/** Where evaluations are made: what they prove, they prove of production's rows. */
const evidence = "production";
/** The environments that a pipeline's account needs. */
export const ciEnvironments = `${target},${evidence}`;

/** One shell step, for people and machines. */
export interface CiStep {
  readonly name: string;
  /** For POSIX sh; everything variable comes by the environment. */
  readonly run: string;
}

/** What every step may read; none of it is secret. */
export function ciVariables(settings: CiSettings): Readonly<Record<string, string>> {
  return { PORTOLAN_SOURCE: settings.source, PORTOLAN_REF: settings.ref };
}

/** What only the job that releases gets. */
export function releaseVariables(settings: CiSettings): Readonly<Record<string, string>> {
  return {
    PORTOLAN_URL: settings.url,
    PORTOLAN_USE_CASE: settings.useCase,
    PORTOLAN_MODEL: settings.model,
  };
}

/** A commit id is the digest of what it names; a runner that keeps its folders fetches once. */
const bring: CiStep = {
  name: "Bring the command line",
  run: `if [ ! -e ${cli}/portolan ]; then
  git clone --quiet --no-checkout "$PORTOLAN_SOURCE" ${cli}
  git -C ${cli} checkout --quiet --detach "$PORTOLAN_REF"
fi
${cli}/portolan --version`,
};

/** For every change, also of strangers: no credential is there. */
export const checkSteps: readonly CiStep[] = [
  bring,
  { name: "Check the charter", run: `${cli}/portolan charter check charter.yaml` },
  { name: "Check the data contracts", run: `${cli}/portolan contract lint contracts` },
];

/** For the branch that releases. */
export const releaseSteps: readonly CiStep[] = [
  bring,
  { name: "Log in with the job's own token", run: `${cli}/portolan whoami` },
  {
    name: "Train",
    run: `rm -f portolan.env
${cli}/portolan model train "$PORTOLAN_MODEL" training --use-case "$PORTOLAN_USE_CASE" --environment ${evidence} --save portolan.env`,
  },
  {
    name: "Evaluate on later rows",
    run: `. ./portolan.env
${cli}/portolan model evaluate "$PORTOLAN_MODEL" "$PORTOLAN_VERSION" --training-set "$PORTOLAN_HELD_OUT"`,
  },
  {
    name: "Ask for promotion to staging",
    run: `. ./portolan.env
${cli}/portolan model promote "$PORTOLAN_MODEL" "$PORTOLAN_VERSION" --to ${target}`,
  },
];
