import { PortolanError } from "@portolan/kernel";
import { Compile, Type } from "@portolan/typebox";
import { FeatureValue, type PredictionPayload } from "../contract.ts";

/** Section tags (P5). A tag is never reused; readers skip those they do not know. */
export const sections = { inputs: 1, features: 2, outputs: 3, subject: 4 } as const;
/** Tag and length. */
export const sectionHeadBytes = 5;

const Features = Compile(Type.Array(FeatureValue));
const Subject = Compile(
  Type.Object({ onBehalfOf: Type.Optional(Type.String()), subject: Type.Optional(Type.String()) }),
);

/** @throws PortolanError `predictions.corrupt` */
export function decodePayload(bytes: Buffer, inputsType = "", outputsType = ""): PredictionPayload {
  let payload: PredictionPayload = {};
  let at = 0;
  while (at < bytes.length) {
    if (at + sectionHeadBytes > bytes.length) throw corrupt("a payload section is cut off");
    const tag = bytes.readUInt8(at);
    const length = bytes.readUInt32LE(at + 1);
    at += sectionHeadBytes;
    if (length > bytes.length - at) throw corrupt("a payload section is longer than its payload");
    const body = bytes.subarray(at, at + length);
    at += length;
    if (tag === sections.inputs) payload = { ...payload, inputs: { mediaType: inputsType, bytes: body } };
    if (tag === sections.outputs) payload = { ...payload, outputs: { mediaType: outputsType, bytes: body } };
    if (tag === sections.features) payload = { ...payload, features: checked(Features, body, "features") };
    if (tag === sections.subject) payload = { ...payload, ...checked(Subject, body, "subject") };
  }
  return payload;
}

interface Checker<T> {
  Check(value: unknown): value is T;
}

function checked<T>(checker: Checker<T>, bytes: Buffer, what: string): T {
  const value = parseJson(bytes, what);
  if (!checker.Check(value)) throw corrupt(`the ${what} section does not fit its schema`);
  return value;
}

/** @throws PortolanError `predictions.corrupt` for anything but JSON in UTF-8. */
export function parseJson(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw corrupt(`the ${what} is not JSON`, cause);
  }
}

export function corrupt(detail: string, cause?: unknown): PortolanError<"predictions.corrupt"> {
  return new PortolanError("predictions.corrupt", { detail, ...(cause === undefined ? {} : { cause }) });
}
