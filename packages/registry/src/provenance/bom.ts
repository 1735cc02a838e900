import {
  asEpochMicros,
  type Digest,
  digestHex,
  digestJson,
  formatInstant,
  type JsonObject,
} from "@portolan/kernel";
import type { TensorSpec } from "../model-version.ts";
import { modelCardOf } from "./bom-model-card.ts";
import type { LockedPackage, TrainingFacts, TrainingSetFacts, VersionRecord } from "./record.ts";

/** References inside the document. */
const modelRef = "model";
const trainingSetRef = "training-set";

/** A component that others refer to. */
type Component = JsonObject & { readonly "bom-ref": string };

/**
 * A machine-learning bill of materials in CycloneDX 1.6: the model with its card, the data and the program that it was made
 * of, and each package that the environment's lock pins. The same record gives the same document, with the same serial number. Pure.
 */
export function modelBom(record: VersionRecord): JsonObject {
  const { version, training, trainingSet, packages } = record;
  const { model, version: number, artifact, signature } = version;
  const parts = [
    ...(trainingSet ? dataComponents(trainingSet, training?.data ?? trainingSet.object) : []),
    ...(training ? codeComponents(training) : []),
    ...promptComponents(version.lineage.prompt),
    ...distinct(packages).map(packageComponent),
  ];
  const described: JsonObject = {
    type: "machine-learning-model",
    "bom-ref": modelRef,
    name: model,
    version: String(number),
    ...(record.charter ? { description: record.charter.description } : {}),
    hashes: [sha256(artifact)],
    externalReferences: attestationReferences(record),
    modelCard: modelCardOf(record, { trainingSetRef, formats: formatsOf(signature) }),
    properties: propertiesOf(record),
  };
  const refs = parts.map((part) => part["bom-ref"]);
  const body: JsonObject = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      timestamp: changedAt(record),
      tools: { components: [{ type: "application", name: "portolan" }] },
      component: described,
    },
    components: parts,
    dependencies: [{ ref: modelRef, dependsOn: refs }, ...refs.map((ref) => ({ ref }))],
  };
  return { ...body, serialNumber: `urn:uuid:${uuidOf(digestJson(body))}` };
}

/** When anything was last signed for the version. */
function changedAt({ version, attestations }: VersionRecord): string {
  const last = Math.max(version.signedAt, ...attestations.map(({ signedAt }) => signedAt));
  return formatInstant(asEpochMicros(last));
}

/** A UUID of version 8 (RFC 9562) of the first bits of a digest. */
function uuidOf(digest: Digest): string {
  const hex = digestHex(digest);
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join("-");
}

function sha256(digest: string): JsonObject {
  return { alg: "SHA-256", content: digest.replace(/^sha256:/, "") };
}

/** @param learned the rows as they were when the model learned from them: an erasure restates those of the set */
function dataComponents(set: TrainingSetFacts, learned: string): Component[] {
  const { id, name, object, contract, dataset, datasetId, views, dataClass } = set;
  const data = (named: string) => [
    { type: "dataset", name: named, ...(dataClass ? { classification: dataClass } : {}) },
  ];
  const component = (ref: string, named: string, version: string, digest: string): Component => ({
    type: "data",
    "bom-ref": ref,
    name: named,
    version,
    hashes: [sha256(digest)],
    data: data(named),
  });
  return [
    {
      ...component(trainingSetRef, name, id, learned),
      ...(object === learned ? {} : { properties: [{ name: "portolan:restated-as", value: object }] }),
    },
    component("dataset", contract, datasetId, dataset),
    ...views.map(({ view, digest }) => {
      const [named = view, version = ""] = view.split("@");
      return {
        type: "data",
        "bom-ref": `feature-view:${view}`,
        name: named,
        version,
        hashes: [sha256(digest)],
        data: [{ type: "definition", name: named }],
      };
    }),
  ];
}

function file(ref: string, name: string, digest: string): Component {
  return { type: "file", "bom-ref": ref, name, hashes: [sha256(digest)] };
}

/** The prompt of a text version: its words stay in the registry. */
function promptComponents(prompt: string | undefined): Component[] {
  return prompt === undefined ? [] : [file("prompt", "prompt", prompt)];
}

function codeComponents({ code, environmentLock, python }: TrainingFacts): Component[] {
  return [
    file("trainer", "training program", code),
    file("environment-lock", "lock of the environment", environmentLock),
    { type: "platform", "bom-ref": "python", name: "CPython", version: python },
  ];
}

/**
 * A package has as many files as there are platforms, and any of them may be installed: their hashes are those of its distributions,
 * not of one component, as cyclonedx-python writes requirements.
 */
function packageComponent(one: LockedPackage): Component {
  const { name, version, marker, hashes } = one;
  const purl = packageUrl(one);
  return {
    type: "library",
    "bom-ref": packageRef(one),
    name,
    version,
    purl,
    externalReferences: [
      {
        type: "distribution",
        // Where its files come from is each installation's own index: the package is named, no address.
        url: purl,
        comment: "one of these files is installed",
        hashes: hashes.map((hash) => sha256(hash)),
      },
    ],
    ...(marker === undefined ? {} : { properties: [{ name: "portolan:marker", value: marker }] }),
  };
}

/** A lock may name a package in several lines, e.g. with and without an extra: it is one component, with the files of all of them. */
function distinct(packages: readonly LockedPackage[]): LockedPackage[] {
  const byRef = new Map<string, LockedPackage>();
  for (const one of packages) {
    const ref = packageRef(one);
    const hashes = [...new Set([...(byRef.get(ref)?.hashes ?? []), ...one.hashes])];
    byRef.set(ref, { ...one, hashes });
  }
  return [...byRef.values()];
}

function packageUrl({ name, version }: LockedPackage): string {
  const normal = name.toLowerCase().replaceAll(/[-_.]+/g, "-");
  return `pkg:pypi/${normal}@${encodeURIComponent(version)}`;
}

function packageRef(one: LockedPackage): string {
  return one.marker === undefined ? packageUrl(one) : `${packageUrl(one)}#${one.marker}`;
}

/** By content address, as the registry keeps them. */
function attestationReferences({ version, attestations }: VersionRecord): JsonObject[] {
  const reference = (comment: string, digest: string): JsonObject => ({
    type: "attestation",
    url: `urn:portolan:${digest}`,
    comment,
    hashes: [sha256(digest)],
  });
  return [
    reference("model signature (OpenSSF Model Signing v1.0)", version.bundle),
    ...attestations.map(({ about, predicateType, digest }) =>
      reference(`${about} (${predicateType})`, digest),
    ),
  ];
}

function propertiesOf({ version, training, charter }: VersionRecord): JsonObject[] {
  const values: Readonly<Record<string, string | undefined>> = {
    "portolan:origin": version.lineage.origin,
    "portolan:source": version.lineage.source,
    "portolan:training-run": training?.runId,
    "portolan:seed": training && String(training.seed),
    "portolan:params": training && JSON.stringify(training.params),
    "portolan:charter": charter && `${charter.id} ${charter.digest}`,
    "portolan:promoted-in": version.stages.join(", ") || undefined,
  };
  return Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
}

function formatsOf(signature: VersionRecord["version"]["signature"]) {
  const format = ({ name, datatype, shape }: TensorSpec): JsonObject => ({
    format: `${name}: ${datatype}[${shape.join(",")}]`,
  });
  return { inputs: signature.inputs.map(format), outputs: signature.outputs.map(format) };
}
