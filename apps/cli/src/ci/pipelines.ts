import { stringify } from "yaml";
import type { CiSettings, CiSystem } from "./settings.ts";
import { checkSteps, ciVariables, releaseSteps, releaseVariables } from "./steps.ts";

/** A pipeline as one file of a repository. */
export interface CiPipeline {
  /** Where it belongs, from the repository's root. */
  readonly path: string;
  readonly text: string;
  /** Subject of the token of the job that releases. */
  readonly subject: string;
  /** Where the issuer publishes its keys. */
  readonly jwksUri: string;
}

/** The pipeline of a use case, for one system. */
export function writePipeline(system: CiSystem, settings: CiSettings): CiPipeline {
  return { github: githubPipeline, gitlab: gitlabPipeline, argo: argoPipeline }[system](settings);
}

/** actions/checkout v5.0.0. */
const checkout = "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8";
/** An exact version, but a tag: put the digest that your registry serves in its place. */
const image = "node:24.12.0-bookworm";
const releaseMinutes = 120;

function document(heading: string, value: unknown): string {
  return `# ${heading}\n# Written by \`portolan ci init\`; it is yours to change.\n${stringify(value, { lineWidth: 0 })}`;
}

function githubPipeline(settings: CiSettings): CiPipeline {
  const { branch, useCase, audience, issuer, place } = settings;
  const source = { uses: checkout, with: { "persist-credentials": false } };
  const job = { "runs-on": "ubuntu-24.04", env: ciVariables(settings) };
  const workflow = {
    name: `portolan-${useCase}`,
    on: { pull_request: {}, push: { branches: [branch] }, workflow_dispatch: {} },
    permissions: {},
    jobs: {
      check: {
        ...job,
        permissions: { contents: "read" },
        "timeout-minutes": 15,
        steps: [source, ...checkSteps],
      },
      release: {
        ...job,
        needs: "check",
        if: `github.event_name != 'pull_request' && github.ref == 'refs/heads/${branch}'`,
        permissions: { contents: "read", "id-token": "write" },
        concurrency: { group: `portolan-${useCase}`, "cancel-in-progress": false },
        "timeout-minutes": releaseMinutes,
        env: { ...job.env, ...releaseVariables(settings), PORTOLAN_OIDC_AUDIENCE: audience },
        steps: [source, ...releaseSteps],
      },
    },
  };
  return {
    path: `.github/workflows/portolan-${useCase}.yml`,
    text: document("Only the job that releases may ask for a token; no secret is stored.", workflow),
    subject: `repo:${place}:ref:refs/heads/${branch}`,
    jwksUri: `${issuer}/.well-known/jwks`,
  };
}

function gitlabPipeline(settings: CiSettings): CiPipeline {
  const { branch, useCase, audience, issuer, place } = settings;
  const onBranch = { if: `$CI_COMMIT_BRANCH == "${branch}"` };
  const pipeline = {
    stages: ["check", "release"],
    [`portolan-${useCase}-check`]: {
      stage: "check",
      image,
      variables: ciVariables(settings),
      rules: [{ if: '$CI_PIPELINE_SOURCE == "merge_request_event"' }, onBranch],
      timeout: "15m",
      script: checkSteps.map(({ run }) => run),
    },
    [`portolan-${useCase}-release`]: {
      stage: "release",
      image,
      variables: { ...ciVariables(settings), ...releaseVariables(settings) },
      // Its token lives as long as the job may.
      id_tokens: { PORTOLAN_TOKEN: { aud: audience } },
      rules: [onBranch],
      timeout: `${releaseMinutes}m`,
      resource_group: `portolan-${useCase}`,
      script: releaseSteps.map(({ run }) => run),
    },
  };
  return {
    path: ".gitlab-ci.yml",
    text: document("Only the job that releases gets a token (id_tokens); no secret is stored.", pipeline),
    subject: `project_path:${place}:ref_type:branch:ref:${branch}`,
    jwksUri: `${issuer}/oauth/discovery/keys`,
  };
}

const account = "portolan-ci";
const tokenFolder = "/var/run/secrets/portolan";

function argoPipeline(settings: CiSettings): CiPipeline {
  const { useCase, audience, issuer, place, branch } = settings;
  const workflow = {
    apiVersion: "argoproj.io/v1alpha1",
    kind: "WorkflowTemplate",
    metadata: { name: `portolan-${useCase}`, namespace: place },
    spec: {
      entrypoint: "pipeline",
      arguments: { parameters: [{ name: "repository" }, { name: "revision", value: branch }] },
      serviceAccountName: account,
      // Pods get the one token below, which the cluster's API does not take.
      automountServiceAccountToken: false,
      executor: { serviceAccountName: account },
      activeDeadlineSeconds: releaseMinutes * 60,
      synchronization: { mutexes: [{ name: `portolan-${useCase}` }] },
      securityContext: { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000 },
      templates: [
        {
          name: "pipeline",
          steps: [[{ name: "check", template: "check" }], [{ name: "release", template: "release" }]],
        },
        argoTemplate("check", checkSteps, ciVariables(settings)),
        {
          ...argoTemplate(
            "release",
            releaseSteps,
            {
              ...ciVariables(settings),
              ...releaseVariables(settings),
              PORTOLAN_TOKEN_FILE: `${tokenFolder}/token`,
            },
            [{ name: "portolan-token", mountPath: tokenFolder, readOnly: true }],
          ),
          volumes: [
            {
              name: "portolan-token",
              projected: {
                sources: [{ serviceAccountToken: { audience, expirationSeconds: 3600, path: "token" } }],
              },
            },
          ],
        },
      ],
    },
  };
  return {
    path: `argo/portolan-${useCase}.yaml`,
    text: document("Only the step that releases mounts a token (projected); no secret is stored.", workflow),
    subject: `system:serviceaccount:${place}:${account}`,
    jwksUri: `${issuer}/openid/v1/jwks`,
  };
}

function argoTemplate(
  name: string,
  steps: readonly { readonly run: string }[],
  variables: Readonly<Record<string, string>>,
  volumeMounts: readonly object[] = [],
) {
  return {
    name,
    inputs: {
      artifacts: [
        {
          name: "source",
          path: "/source",
          git: {
            repo: "{{workflow.parameters.repository}}",
            revision: "{{workflow.parameters.revision}}",
            depth: 1,
          },
        },
      ],
    },
    script: {
      image,
      command: ["sh"],
      workingDir: "/source",
      env: Object.entries(variables).map(([key, value]) => ({ name: key, value })),
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
      ...(volumeMounts.length === 0 ? {} : { volumeMounts }),
      source: `set -eu\n${steps.map(({ run }) => run).join("\n")}\n`,
    },
  };
}
