/**
 * What an action does to the world. Policies permit whole effects (`action in Portolan::Action::"reads"`), so a new
 * action is governed from the day it is added to the table.
 *
 * `reads` changes nothing. `works` is daily work on unreleased things. `releases` changes what production does or may
 * use. `serves` is machine traffic. `administers` changes who may do what.
 */
export type ActionEffect = "reads" | "works" | "releases" | "serves" | "administers";

/**
 * Where an action's effect lies; every action says it, so that no new one forgets the wall between environments.
 *
 * `one`: what it touches belongs to one environment, and whoever asks must name it: asked without, it is denied.
 * `all`: it changes all environments at once and is judged as done in production, the strictest of them: with a
 * credential that reaches production, in a role that is held there.
 * `none`: what it touches belongs to no environment, like the text of a charter.
 */
export type ActionReach = "one" | "all" | "none";

export interface ActionSpec {
  /** One line for `docs/policies.md`, in the infinitive. */
  readonly does: string;
  readonly effect: ActionEffect;
  readonly reach: ActionReach;
  /** The action that shows the same resource: who may not do that either gets the 404 of a missing one. */
  readonly seenBy: string;
  /** It concerns the installation that all organisations share: only the one that owns it may. */
  readonly ofInstallation?: true;
}

function action(effect: ActionEffect, reach: ActionReach, seenBy: string, does: string): ActionSpec {
  return { does, effect, reach, seenBy };
}

function ofInstallation(spec: ActionSpec): ActionSpec {
  return { ...spec, ofInstallation: true };
}

/** Every action of the system. A route or use case that names another one is refused at start-up. */
export const actions = {
  "charter:create": action("works", "none", "charter:read", "Write a charter or a new version of one"),
  "charter:read": action(
    "reads",
    "none",
    "charter:read",
    "Read charters, their versions and what they derive",
  ),
  "charter:sign": action("releases", "all", "charter:read", "Sign a charter version in a role"),
  "plan:create": action("works", "none", "plan:read", "Compute a plan (cost, placement, gaps) for a charter"),
  "plan:read": action("reads", "none", "plan:read", "Read plans"),
  "readiness:read": action("reads", "one", "readiness:read", "Read how far a use case is from production"),
  "advice:read": action("reads", "one", "advice:read", "Read what could cost less, and what was saved"),
  "advice:dismiss": action("works", "one", "advice:read", "Say why a recommendation is not followed"),
  "data:publish_contract": action(
    "works",
    "none",
    "data:read_contract",
    "Publish a version of a data contract",
  ),
  "data:read_contract": action("reads", "none", "data:read_contract", "Read data contracts"),
  "data:ingest": action("works", "one", "data:read_ingestion", "Bring data in under its contract"),
  "data:read_ingestion": action(
    "reads",
    "one",
    "data:read_ingestion",
    "Read ingestions and quarantined rows",
  ),
  "data:read_dataset": action("reads", "one", "data:read_dataset", "Read published datasets"),
  "data:read_rows": action(
    "reads",
    "one",
    "data:read_dataset",
    "Read rows of datasets, as far as the policies on data allow",
  ),
  "data:read_policy": action("reads", "none", "data:read_policy", "Read the policies on data"),
  "data:write_policy": action(
    "administers",
    "all",
    "data:read_policy",
    "Publish and withdraw policies on data",
  ),
  "data:erase": action("administers", "one", "data:read_dataset", "Erase what is known of a data subject"),
  "data:apply_retention": action(
    "administers",
    "one",
    "data:read_dataset",
    "Remove data that is older than its contract keeps it",
  ),
  "data:hold": action("administers", "one", "data:read_dataset", "Place and release legal holds on data"),
  "features:publish_view": action(
    "works",
    "none",
    "features:read_view",
    "Publish a version of a feature view",
  ),
  "features:read_view": action("reads", "none", "features:read_view", "Read feature views"),
  "features:materialize": action(
    "works",
    "one",
    "features:read_view",
    "Write feature values to the online store",
  ),
  "features:build_training_set": action("works", "one", "features:read_training_set", "Build a training set"),
  "features:replay_values": action(
    "reads",
    "one",
    "features:read_view",
    "Derive served feature values again, offline",
  ),
  "features:read_online": action(
    "serves",
    "one",
    "serving:read",
    "Read the features of an endpoint online, without a prediction",
  ),
  "features:read_training_set": action("reads", "one", "features:read_training_set", "Read training sets"),
  "training:start": action("works", "one", "training:read", "Start, preempt or cancel a training run"),
  "training:track": action(
    "works",
    "one",
    "training:read",
    "Log parameters and metrics of a run: of training with its trainer's token alone, else make one through MLflow's API and log to it",
  ),
  "training:read": action("reads", "one", "training:read", "Read training runs and their logs"),
  "evaluation:run": action("works", "one", "evaluation:read", "Evaluate a model version"),
  "evaluation:register_set": action(
    "works",
    "one",
    "evaluation:read",
    "Register cases that text versions are evaluated by",
  ),
  "evaluation:read": action("reads", "none", "evaluation:read", "Read evaluations and gates"),
  "registry:create_model": action("works", "none", "registry:read", "Create a registered model"),
  "registry:push_version": action("releases", "one", "registry:read", "Push a model version"),
  "registry:import": action(
    "releases",
    "one",
    "registry:read",
    "Import a model file that was trained elsewhere",
  ),
  "registry:promote": action("releases", "one", "registry:read", "Move a version to another stage or alias"),
  "registry:read": action(
    "reads",
    "none",
    "registry:read",
    "Read models and versions: lineage, signatures, and the record of what a version is made of",
  ),
  "serving:deploy": action("releases", "one", "serving:read", "Create or change an endpoint"),
  "serving:halt": action("releases", "one", "serving:read", "Stop an endpoint at once"),
  "serving:resume": action("releases", "one", "serving:read", "Let a halted endpoint go on"),
  "rollout:approve": action(
    "releases",
    "one",
    "serving:read",
    "Approve a release that somebody else asked for",
  ),
  "pipeline:read": action("reads", "one", "pipeline:read", "Read pipelines and their runs"),
  "pipeline:publish": action("works", "one", "pipeline:read", "Publish a pipeline and its schedule"),
  "pipeline:run": action(
    "works",
    "one",
    "pipeline:read",
    "Begin and cancel runs of a pipeline; each stage asks for its own right besides",
  ),
  "retraining:read": action(
    "reads",
    "one",
    "serving:read",
    "Read when an endpoint's model is trained again, and its retrainings",
  ),
  "retraining:start": action(
    "releases",
    "one",
    "serving:read",
    "Have an endpoint's model trained again, promoted and released, and cancel that",
  ),
  "retraining:approve": action(
    "releases",
    "one",
    "serving:read",
    "Let a retrained version go on to its release",
  ),
  "retraining:set_policy": action(
    "releases",
    "one",
    "serving:read",
    "State when an endpoint's model is trained again",
  ),
  "serving:read": action("reads", "one", "serving:read", "Read endpoints, their state and snapshots"),
  "serving:declare_gateway": action("serves", "one", "serving:read", "Declare where a gateway stands"),
  "serving:predict": action("serves", "one", "serving:read", "Ask an endpoint for predictions"),
  "scoring:run": action("works", "one", "data:read_dataset", "Score a dataset snapshot with a version"),
  "predictions:read": action("reads", "one", "predictions:read", "Read prediction records"),
  "predictions:deliver": action("serves", "one", "predictions:read", "Deliver a gateway's prediction blocks"),
  "predictions:erase": action("administers", "one", "predictions:read", "Erase payloads of predictions"),
  "predictions:hold": action(
    "administers",
    "one",
    "predictions:read",
    "Place and release legal holds on predictions",
  ),
  "outcomes:write": action(
    "serves",
    "one",
    "outcomes:read",
    "Report what really happened after a prediction",
  ),
  "outcomes:read": action("reads", "one", "outcomes:read", "Read outcomes, and performance from them"),
  "feedback:write": action("serves", "one", "predictions:read", "Say what one thinks of an answer"),
  "reviews:read": action(
    "reads",
    "one",
    "reviews:read",
    "Read the queue of reviews and its figures, without what they are about",
  ),
  "reviews:decide": action("releases", "one", "reviews:read", "See the requests of reviews, and decide them"),
  "alerts:read": action("reads", "one", "alerts:read", "Read alerts, and where they go"),
  "alerts:manage": action("works", "one", "alerts:read", "Silence alerts, and say where they go"),
  "incidents:read": action("reads", "one", "incidents:read", "Read the records of incidents"),
  "incidents:manage": action(
    "works",
    "one",
    "incidents:read",
    "Open incidents, take them, write in their records, end them",
  ),
  "snapshots:read": action("serves", "one", "snapshots:read", "Pull the signed route snapshot and its parts"),
  "lineage:read": action("reads", "one", "lineage:read", "Read the lineage that other tools reported"),
  "lineage:write": action("works", "one", "lineage:read", "Report lineage of other tools (OpenLineage)"),
  "usage:read": action("reads", "one", "usage:read", "Read what was used, and how budgets stand"),
  "usage:record": action("administers", "all", "usage:read", "Record usage that another source counted"),
  "capacity:read": action(
    "reads",
    "none",
    "capacity:read",
    "Read the organisation's quotas, and who uses how much of them",
  ),
  "capacity:approve": action(
    "releases",
    "one",
    "capacity:read",
    "Let work begin that asks for more than its charter lets begin by itself, or refuse it",
  ),
  "capacity:write_quotas": action(
    "administers",
    "all",
    "capacity:read",
    "Say who may have how much of the cluster",
  ),
  "ledger:read": action("reads", "none", "ledger:read", "Search ledger rows and get proofs"),
  "ledger:export": action("reads", "none", "ledger:read", "Export the ledger"),
  "ledger:verify": action("reads", "none", "ledger:read", "Verify the ledger online"),
  "identity:read": action(
    "reads",
    "none",
    "identity:read",
    "List people, service accounts, roles, keys and policies",
  ),
  "identity:manage": action(
    "administers",
    "all",
    "identity:read",
    "Change organisations, teams and principals",
  ),
  "identity:create_organisation": ofInstallation(
    action("administers", "all", "identity:read", "Create a further organisation"),
  ),
  "identity:bind_role": action("administers", "one", "identity:read", "Give or take a role"),
  "identity:issue_key": action("administers", "one", "identity:read", "Create an API key"),
  "identity:revoke_key": action("administers", "one", "identity:read", "Revoke an API key"),
  "identity:register_key": action(
    "works",
    "all",
    "identity:read",
    "Register or retire one's own charter key",
  ),
  "identity:revoke_charter_key": action(
    "administers",
    "all",
    "identity:read",
    "Revoke somebody's charter key",
  ),
  "identity:rotate_platform_key": ofInstallation(
    action("administers", "all", "identity:read", "Rotate or revoke a signing key of the installation"),
  ),
  "identity:write_policies": action(
    "administers",
    "all",
    "identity:read",
    "Replace the organisation's policies",
  ),
  "identity:act_for": action("serves", "one", "identity:read", "Name another principal as the one acted for"),
  "identity:whoami": action("reads", "none", "identity:whoami", "Read one's own identity and roles"),
  "jobs:read": action("reads", "none", "jobs:read", "Read jobs and their progress"),
  "jobs:cancel": action("works", "none", "jobs:read", "Cancel a job"),
  "artifacts:read": action("reads", "one", "artifacts:read", "Read content-addressed bytes"),
  "artifacts:write": action("works", "one", "artifacts:read", "Store content-addressed bytes"),
  "backup:create": ofInstallation(
    action("administers", "all", "backup:read", "Make a backup of all organisations"),
  ),
  "backup:read": ofInstallation(action("reads", "none", "backup:read", "List backups")),
} as const satisfies Record<string, ActionSpec>;

export type ActionName = keyof typeof actions;
export const actionNames = Object.keys(actions) as readonly ActionName[];

export function reachOf(name: ActionName): ActionReach {
  const spec: ActionSpec = actions[name];
  return spec.reach;
}

export function isOfInstallation(name: ActionName): boolean {
  const spec: ActionSpec = actions[name];
  return spec.ofInstallation === true;
}

/** Narrows text from a route's declaration to an action. */
export function parseAction(text: string): ActionName | undefined {
  return Object.hasOwn(actions, text) ? (text as ActionName) : undefined;
}

/** The Cedar entity types of `ResourceRef.type`; any other type is judged as the general `Resource`. */
export const resourceTypes = [
  "Organisation",
  "BusinessUnit",
  "Team",
  "UseCase",
  "Principal",
  "RoleBinding",
  "ApiKey",
  "SigningKey",
  "PolicySet",
  "Charter",
  "Plan",
  "Contract",
  "Dataset",
  "Ingestion",
  "FeatureView",
  "TrainingSet",
  "TrainingRun",
  "ClientRun",
  "Pipeline",
  "Evaluation",
  "Model",
  "ModelVersion",
  "Artifact",
  "Endpoint",
  "Gateway",
  "Snapshot",
  "Prediction",
  "Outcome",
  "Alert",
  "Incident",
  "Lineage",
  "Usage",
  "Ledger",
  "Job",
  "Backup",
  "Resource",
] as const;
export type ResourceType = (typeof resourceTypes)[number];
