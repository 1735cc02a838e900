/**
 * What is done in an incident, as data. A command is one of the product's own; `{name}` stands for what the incident knows (`fill-step.ts`), and
 * stays a word in capitals where it does not know it.
 */
export interface PlaybookStep {
  /** Steps are ticked by it: once released it stays what it is. */
  readonly id: string;
  readonly text: string;
  readonly command: string;
  /** What shows that it worked. */
  readonly check: { readonly text: string; readonly command: string };
}

export interface Playbook {
  readonly title: string;
  /** When it fits. */
  readonly when: string;
  readonly steps: readonly PlaybookStep[];
}

const place = "--environment {environment}";
const why = "--reason {incident}";

const halt: PlaybookStep = {
  id: "halt",
  text: "Stop the endpoint if its answers do harm while you look; callers get 503",
  command: `portolan endpoint halt {endpoint} ${place} ${why}`,
  check: { text: "It says halted", command: "portolan endpoint list" },
};
const resume: PlaybookStep = {
  id: "resume",
  text: "Let the endpoint go on, if it was stopped",
  command: `portolan endpoint resume {endpoint} ${place} ${why}`,
  check: { text: "It serves, and says the version that it should", command: "portolan endpoint list" },
};
const rollback: PlaybookStep = {
  id: "rollback",
  text: "Take the endpoint back to the version before",
  command: `portolan release rollback {endpoint} ${place} ${why}`,
  check: { text: "The release is rolled back", command: `portolan release status {endpoint} ${place}` },
};
const revokeKey: PlaybookStep = {
  id: "revoke-key",
  text: "Revoke the key; gateways refuse it within seconds",
  command: `portolan api-key revoke {key} ${why}`,
  check: {
    text: "The revocation is on the ledger",
    command: "portolan audit search --event identity.api_key.revoked --subject {key}",
  },
};
const keepEvidence: PlaybookStep = {
  id: "keep-evidence",
  text: "Keep the records of the time from being erased or expiring",
  command: `portolan predictions hold ${place} --endpoint {endpoint} --from {since} ${why}`,
  check: { text: "The hold is listed", command: "portolan predictions holds" },
};
const callers: PlaybookStep = {
  id: "callers",
  text: "See who called, how often and when last: which of them should not have",
  command: `portolan endpoint callers {endpoint} ${place}`,
  check: {
    text: "Each caller is known to its owner; note those that are not",
    command: "portolan service-account list",
  },
};
const records: PlaybookStep = {
  id: "records",
  text: "Look at what was asked and answered since it began",
  command: "portolan predictions list --endpoint {endpoint} --from {since}",
  check: {
    text: "The records are those that were written: the ledger's chain holds",
    command: "portolan audit verify",
  },
};

export const playbooks = {
  rollback: {
    title: "Roll back",
    when: "a release, or a model that got worse, answers wrongly",
    steps: [
      {
        id: "first-mover",
        text: "See what moved first: a release, machines, data or the model",
        command: "portolan timeline {endpoint} -e {environment} --from {since}",
        check: {
          text: "The release is among the first movers; otherwise taking it back will not help",
          command: `portolan release status {endpoint} ${place}`,
        },
      },
      halt,
      rollback,
      resume,
      {
        id: "recovered",
        text: "See that the figures come back",
        command: "portolan performance report {endpoint}",
        check: {
          text: "No alert of the endpoint is open",
          command: `portolan alert list --state open ${place}`,
        },
      },
    ],
  },
  "revoke-access": {
    title: "Revoke access",
    when: "a key or an account is in hands that should not have it",
    steps: [
      revokeKey,
      callers,
      {
        id: "what-it-did",
        text: "See what the account did since it began",
        command: "portolan audit search --actor {actor} --from {since}",
        check: {
          text: "Nothing of it has to be undone, or it is noted here; the rows are whole",
          command: "portolan audit verify",
        },
      },
      {
        id: "new-key",
        text: "Give the rightful caller a new key",
        command: "portolan api-key create NAME --for {actor}",
        check: {
          text: "It answers the caller again",
          command: `portolan endpoint callers {endpoint} ${place} --days 1`,
        },
      },
    ],
  },
  "delete-data": {
    title: "Delete data",
    when: "data of a person has to go, or was taken in without a right to it",
    steps: [
      {
        id: "holds",
        text: "See what legal holds keep: that is not erased",
        command: "portolan data holds",
        check: { text: "The same of prediction records", command: "portolan predictions holds" },
      },
      {
        id: "dry-run",
        text: "See what would go; name the person to the command alone, never in a note",
        command: `portolan data erase SUBJECT --environment {environment} ${why} --dry-run`,
        check: {
          text: "Places and counts are those that were expected",
          command: "portolan data erasure ERASURE",
        },
      },
      {
        id: "erase",
        text: "Erase it",
        command: `portolan data erase SUBJECT --environment {environment} ${why}`,
        check: { text: "Nothing was found after it", command: "portolan data erasure ERASURE" },
      },
      {
        id: "models",
        text: "See which versions learned from the data",
        command: "portolan lineage CONTRACT --downstream",
        check: {
          text: "Each is trained again without it, or a note says why it stays",
          command: "portolan retrain list",
        },
      },
    ],
  },
  "model-leak": {
    title: "Model leak",
    when: "a model's file, or what it learned, got out or is being copied by questions",
    steps: [
      callers,
      revokeKey,
      halt,
      keepEvidence,
      {
        id: "downloads",
        text: "See what was done to the version since it began (its id: portolan model show). Reads of its file are not on the ledger: the access log of the object store, or of the proxy before control, has them if there is one",
        command: "portolan audit search --subject VERSION_ID --from {since} --limit 200",
        check: {
          text: "What is served is still the signed version",
          command: `portolan model verify {model} {version} --for {environment}`,
        },
      },
      {
        id: "what-it-tells",
        text: "Measure what the version gives away of the rows it learned from",
        command: "portolan model evaluate {model} {version} --training-set SET --membership",
        check: {
          text: "Rows of training are told from others no better than the charter allows",
          command: "portolan model card {model} {version}",
        },
      },
      resume,
    ],
  },
  "prompt-injection": {
    title: "Prompt injection",
    when: "what callers or documents say made a text model do what it must not",
    steps: [
      halt,
      keepEvidence,
      records,
      callers,
      revokeKey,
      {
        id: "case",
        text: "Add the attack to the set of cases, and measure the version by it",
        command: "portolan model evaluate {model} {version} --evaluation-set SET",
        check: {
          text: "The version refuses the attack; otherwise another one has to answer",
          command: "portolan model card {model} {version}",
        },
      },
      rollback,
      resume,
    ],
  },
} as const satisfies Record<string, Playbook>;

export type PlaybookName = keyof typeof playbooks;
export const playbookNames = Object.keys(playbooks) as readonly PlaybookName[];

/** Its steps, in the order in which they are done. */
export function stepsOf(name: PlaybookName): readonly PlaybookStep[] {
  return playbooks[name].steps;
}
