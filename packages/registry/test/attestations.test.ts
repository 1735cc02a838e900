import { asEpochMicros, type Digest, digestHex, digestJson } from "@portolan/kernel";
import { aCall } from "@portolan/testkit";
import { expect, test } from "vitest";
import { statementOf } from "../src/dsse.ts";
import {
  findReleaseAttestations,
  promoteVersion,
  readAttestation,
  readAttestations,
  requestAttestation,
} from "../src/index.ts";
import { missingEvidence, verifyAttestation } from "../src/policy.ts";
import { folderOf } from "../src/provenance/attest-version.ts";
import { chainStatements } from "../src/provenance/attestation-store.ts";
import { readVersionRecord } from "../src/provenance/read-record.ts";
import { sealStatement } from "../src/sign-files.ts";
import {
  attest,
  ci,
  db,
  decided,
  deployed,
  deps,
  evaluate,
  key,
  made,
  manyParams,
  objects,
  openAttestationWorld,
  push,
  verified,
} from "./attestation-world.ts";
import { aDecision, aDeployment, anEvaluation, aTraining } from "./record-fixture.ts";

openAttestationWorld();

test("a trained version has its training attested as SLSA provenance with the digest of everything that went in", async () => {
  await attest();
  const [provenance] = await verified(/^training$/);
  expect(provenance).toMatchObject({
    buildDefinition: {
      externalParameters: { params: aTraining.params, seed: 7, trainingSet: "ts_1" },
      internalParameters: { python: "3.12.4", isolation: "namespaces", networkBlocked: true },
    },
    runDetails: {
      metadata: { startedOn: "2023-11-14T22:13:20Z", finishedOn: "2023-11-14T22:14:20.5Z" },
    },
  });
  const { buildDefinition } = provenance as {
    buildDefinition: { resolvedDependencies: { name: string; digest: { sha256: string } }[] };
  };
  const digests = buildDefinition.resolvedDependencies.map(({ name, digest }) => [name, digest.sha256[0]]);
  expect(Object.fromEntries(digests)).toEqual({
    code: "d",
    "environment-lock": "c",
    "training-set": "e",
    "dataset of flights": "1",
    "feature view routes@3": "3",
    "feature log of routes@3": "4",
  });
});

test("an evaluation and a promotion are attested, and the promotion names what it rests on and who signed the charter (G6)", async () => {
  await evaluate();
  const [result] = await verified(/^evaluation\/ev_1$/);
  expect(result).toMatchObject({
    result: "PASSED",
    passedTests: ["accuracy"],
    failedTests: [],
    portolan_evaluation: { metrics: anEvaluation.metrics },
  });
  await promoteVersion(deps(), ci, { model: "delays", version: 1, to: "staging" });
  const intents = async () =>
    (
      await db.database.session((session) =>
        session.query("select * from database.intents where kind = 'released'"),
      )
    ).length;
  const intended = await intents();
  await attest();
  expect(await intents()).toBe(intended + 1);
  const [summary] = await verified(/^promotion[/]/);
  const before = await readAttestations(deps(), ci, "delays", 1);
  const inputs = before.filter(({ about }) => !about.startsWith("promotion"));
  expect(summary).toMatchObject({
    verificationResult: "PASSED",
    verifiedLevels: ["PORTOLAN_STAGING"],
    policy: { digest: { sha256: "6".repeat(64) } },
    inputAttestations: inputs.map(({ digest }) => ({ digest: { sha256: digest.slice("sha256:".length) } })),
    portolan_promotion: { to: "staging", origin: "trained", gates: anEvaluation.gates },
    portolan_approvals: [{ role: "approver_risk", signer: "usr_ron" }],
  });
});

test("a gate that did not pass is a failed test, and without any gate nothing passed", async () => {
  const gates = anEvaluation.gates.map((gate) => ({ ...gate, passed: false }));
  await evaluate({ id: "ev_2", gates });
  await evaluate({ id: "ev_3", gates: [] });
  expect(await verified(/^evaluation\/ev_2$/)).toMatchObject([
    { result: "FAILED", passedTests: [], failedTests: ["accuracy"] },
  ]);
  expect(await verified(/^evaluation\/ev_3$/)).toMatchObject([{ result: "WARNED", passedTests: [] }]);
});

test("each thing is attested once, however often it is asked for, and each attestation is on the ledger", async () => {
  const before = await readAttestations(deps(), ci, "delays", 1);
  await attest();
  await attest();
  expect(await readAttestations(deps(), ci, "delays", 1)).toEqual(before);
  const rows = await db.database.session((session) =>
    session.query<{ event: string }>("select event from ledger.rows"),
  );
  expect(rows.filter(({ event }) => event === "registry.version.attested")).toHaveLength(before.length);
});

test("a record shows the evaluations, newest first", async () => {
  const record = await readVersionRecord(deps(), ci, "delays", 1);
  expect(record.evaluations.map(({ id }) => id)).toEqual(["ev_3", "ev_2", "ev_1"]);
  expect(record).toMatchObject({
    training: { runId: "run_7" },
    packages: [{ name: "numpy" }],
    charter: { id: "cht_1" },
    promotions: [{ to: "staging", charterId: "cht_1" }],
  });
});

test("a promotion to dev says that no gate was judged, and names no charter", async () => {
  await promoteVersion(deps(), ci, { model: "delays", version: 1, to: "dev" });
  await attest();
  const { promotions } = await readVersionRecord(deps(), ci, "delays", 1);
  expect(promotions.map(({ number, to, gates }) => [number, to, gates])).toEqual([
    [1, "staging", anEvaluation.gates],
    [2, "dev", []],
  ]);
  expect(await verified(/^promotion[/]2$/)).toMatchObject([
    {
      verifiedLevels: ["PORTOLAN_DEV"],
      policy: { uri: "urn:portolan:policy:dev" },
      portolan_promotion: { number: 2, gates: [] },
      portolan_approvals: [],
    },
  ]);
});

test("a promotion does not rest on an evaluation that came after it", async () => {
  await promoteVersion(deps(), ci, { model: "delays", version: 1, to: "dev" });
  await evaluate({ id: "ev_late" });
  const all = await readAttestations(deps(), ci, "delays", 1);
  const late = all.find(({ about }) => about === "evaluation/ev_late");
  const [summary] = await verified(/^promotion[/]3$/);
  const inputs = JSON.stringify(summary?.["inputAttestations"]);
  expect(inputs).not.toContain(late?.digest.slice("sha256:".length));
  expect(inputs).toContain("evaluation%2Fev_1");
});

test("what a gateway is told of a version is what its newest promotion to that environment rests on", async () => {
  const { organisationId } = ci.actor;
  const asked = [
    { name: "delays", version: 1 },
    { name: "unknown", version: 1 },
  ];
  const find = (environment: "staging" | "production", organisation: string = organisationId) =>
    db.uow.read(ci, (sql) => findReleaseAttestations(sql, organisation, environment, asked));
  expect(await find("production")).toEqual(new Map());
  expect(await find("staging", "org_other")).toEqual(new Map());
  const found = await find("staging");
  expect([...found.keys()]).toEqual(["delays/1"]);
  const about = (found.get("delays/1") ?? []).map((one) => one.about);
  expect(about).toContain("training");
  expect(about.at(-1)).toBe("promotion/1");
  expect(about).not.toContain("evaluation/ev_late");
  const { version } = await readVersionRecord(deps(), ci, "delays", 1);
  const statements = await Promise.all(
    (found.get("delays/1") ?? []).map(async ({ digest, signedAt }) => {
      const trust = { keys: [key], signedAt: asEpochMicros(signedAt) };
      const verdict = verifyAttestation(await objects.get(digest as Digest), folderOf(version), trust);
      if (verdict.kind === "invalid") throw new Error(verdict.reason);
      return { ...verdict, digest };
    }),
  );
  const release = { organisationId, model: "delays", version: 1 };
  expect(missingEvidence(statements, { ...release, environment: "staging" })).toEqual([]);
  expect(missingEvidence(statements, { ...release, environment: "production" })).not.toEqual([]);
});

test("a promotion names what was published, though jobs that signed something else are killed and resume", async () => {
  await push("resumed", "run_7");
  const [first, second] = [new Map<string, unknown>(), new Map<string, unknown>()];
  const killed = { killedBefore: "publish inputs" };
  await expect(attest("resumed", { journal: first, ...killed })).rejects.toThrow("killed");
  await promoteVersion(deps(), ci, { model: "resumed", version: 1, to: "staging" });
  await expect(attest("resumed", { journal: second, ...killed })).rejects.toThrow("killed");
  await Promise.all([attest("resumed", { journal: first }), attest("resumed", { journal: second })]);
  const published = await readAttestations(deps(), ci, "resumed", 1);
  expect(published.map(({ about }) => about).filter((about) => !about.startsWith("evaluation"))).toEqual([
    "training",
    "promotion/1",
  ]);
  const [summary] = await verified(/^promotion/, "resumed");
  const inputs = summary?.["inputAttestations"] as { digest: { sha256: string } }[];
  expect(inputs.map(({ digest }) => `sha256:${digest.sha256}`)).toEqual(
    published.filter(({ about }) => !about.startsWith("promotion")).map(({ digest }) => digest),
  );
});

test("what people decided and how it was served is attested once each, beside the chain that gateways demand", async () => {
  decided.push(aDecision, {
    ...aDecision,
    kind: "size",
    id: "run_7",
    what: "8 cards, above 4",
    outcome: "approved",
  });
  deployed.push(aDeployment);
  await attest();
  await attest();
  // A release that was promoted and is rolled back by hand is decided twice.
  decided.push({ ...aDecision, outcome: "rolled_back", decidedBy: "usr_max", approvals: [] });
  await attest();
  const about = (await readAttestations(deps(), ci, "delays", 1)).map((one) => one.about);
  expect(about.filter((one) => /^(release|size|deployment)[/]/.test(one)).toSorted()).toEqual([
    "deployment/dpl_1",
    "release/rel_1/promoted",
    "release/rel_1/rolled_back",
    "size/run_7/approved",
  ]);
  const { organisationId } = ci.actor;
  expect(await verified(/^release[/]rel_1[/]promoted$/)).toEqual([
    {
      resourceUri: `urn:portolan:${organisationId}:model:delays:1`,
      kind: "release",
      uri: `urn:portolan:${organisationId}:release:rel_1`,
      environment: "production",
      endpoint: "delays",
      requestedBy: "usr_max",
      requestedOn: "2023-11-14T22:15:10Z",
      approvalsNeeded: 2,
      approvals: [
        { by: "usr_lee", on: "2023-11-14T22:15:11Z" },
        { by: "usr_rita", on: "2023-11-14T22:15:12Z" },
      ],
      outcome: "promoted",
      decidedBy: "release-controller",
      decidedOn: "2023-11-14T22:15:20Z",
      reasons: aDecision.reasons,
    },
  ]);
  expect(await verified(/^size[/]/)).toMatchObject([
    { kind: "size", what: "8 cards, above 4", uri: `urn:portolan:${organisationId}:training-run:run_7` },
  ]);
  expect(await verified(/^deployment[/]/)).toMatchObject([
    { role: "champion", configuration: { digest: { sha256: "9".repeat(64) }, content: aDeployment.config } },
  ]);
  const record = await readVersionRecord(deps(), ci, "delays", 1);
  expect(record.decisions.map(({ outcome }) => outcome)).toEqual(["rolled_back", "approved", "promoted"]);
  expect(record.deployments).toEqual([aDeployment]);
  // How an endpoint serves it is for whoever may read the endpoint: limits, shares, rules of traffic.
  const reader = aCall({ roles: ["data_scientist"] });
  const seen = await readVersionRecord(deps(), reader, "delays", 1);
  expect([seen.deployments, seen.decisions]).toEqual([[], record.decisions]);
  const isOfDeployment = ({ about }: { readonly about: string }): boolean => about.startsWith("deployment/");
  expect(seen.attestations).toEqual(record.attestations.filter((one) => !isOfDeployment(one)));
  expect(await readAttestations(deps(), reader, "delays", 1)).toEqual(seen.attestations);
  const digest = record.attestations.find(isOfDeployment)?.digest ?? "";
  await expect(
    readAttestation(deps(), reader, { model: "delays", version: 1, digest }),
  ).rejects.toMatchObject({ code: "registry.artifact_not_found" });
  // One that is older than those that are looked at is for whoever may read them all.
  deployed.length = 0;
  expect((await readAttestations(deps(), reader, "delays", 1)).some(isOfDeployment)).toBe(false);
  expect((await readAttestations(deps(), ci, "delays", 1)).some(isOfDeployment)).toBe(true);
  deployed.push(aDeployment);
  // A later promotion rests on neither, and gateways are not told of them.
  await promoteVersion(deps(), ci, { model: "delays", version: 1, to: "staging" });
  await attest();
  const found = await db.uow.read(ci, (sql) =>
    findReleaseAttestations(sql, organisationId, "staging", [{ name: "delays", version: 1 }]),
  );
  const ids = await db.database.session((session) =>
    session.query<{ id: string }>("select id from registry.versions where model = 'delays'"),
  );
  const read = await db.uow.read(ci, (sql) =>
    chainStatements(
      sql,
      ids.map(({ id }) => id),
    ),
  );
  expect(read.filter(({ about }) => /^(release|size|deployment)[/]/.test(about))).toEqual([]);
  expect(read.map((one) => one.about)).toEqual(
    expect.arrayContaining((found.get("delays/1") ?? []).map((one) => one.about)),
  );
  const told = (found.get("delays/1") ?? []).map((one) => one.about.replace(/[/].*$/, ""));
  expect([...new Set(told)].toSorted()).toEqual(["evaluation", "promotion", "training"]);
});

test("parameters and metrics of megabytes are stated by their digest, so that the statement opens", async () => {
  await push("large", "run_large");
  await attest("large");
  const digest = { sha256: digestHex(digestJson(manyParams)) };
  expect(await verified(/^training$/, "large")).toMatchObject([
    {
      buildDefinition: { externalParameters: { params: { digest }, seed: 7 } },
      runDetails: { portolan_metrics: { digest } },
    },
  ]);
});

test("a statement that nobody would open is not signed", async () => {
  const statement = statementOf(new Uint8Array(800_000));
  await expect(sealStatement(deps(), statement)).rejects.toMatchObject({ code: "kernel.internal" });
});

test("whoever may not see the version sees none of it, in the words for one that does not exist", async () => {
  const stranger = aCall({ roles: [] });
  const refusals = [
    () => readAttestations(deps(), stranger, "delays", 1),
    () => readVersionRecord(deps(), stranger, "delays", 1),
    () => readAttestation(deps(), stranger, { model: "delays", version: 1, digest: made }),
    () => requestAttestation(deps(), stranger, { model: "delays", version: 1, environment: "dev" }),
  ];
  for (const refusal of refusals)
    await expect(refusal()).rejects.toMatchObject({ code: "registry.version_not_found" });
  const reader = aCall({ roles: ["data_scientist"] });
  const asked = { model: "delays", version: 1, environment: "production" } as const;
  await expect(requestAttestation(deps(), reader, asked)).rejects.toMatchObject({
    code: "identity.forbidden",
  });
  const other = { model: "delays", version: 1, digest: made };
  await expect(readAttestation(deps(), ci, other)).rejects.toMatchObject({
    code: "registry.artifact_not_found",
  });
});
