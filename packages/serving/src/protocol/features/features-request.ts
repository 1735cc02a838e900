import type { FeaturePlan } from "../../snapshot/schema.ts";
import { badRequest } from "../bad-request.ts";
import { parseWireJson, type WireJson, type WireObject } from "../json.ts";

/** What `POST /v1/features/online` asks for: the features of an endpoint, of some entities. */
export interface FeaturesRequest {
  readonly endpoint: string;
  /** By entity key one value per row; all of one length. */
  readonly entities: ReadonlyMap<string, readonly string[]>;
  readonly rows: number;
  /** Views (`name@1`) and features (`name@1.feature`); absent: all that the endpoint reads. */
  readonly features?: readonly string[];
}

/** One view as far as it is asked for. */
export interface AskedView {
  readonly name: string;
  readonly digest: string;
  readonly entityKeys: readonly string[];
  readonly features: readonly string[];
}

export const mostFeatureRows = 1000;
const mostKeys = 16;
const mostNames = 1000;
const members = ["endpoint", "entities", "features"];

/** Reads the body. Pure. @throws PortolanError `serving.bad_request` with the place and what to change */
export function readFeaturesRequest(body: Uint8Array): FeaturesRequest {
  const request = parseWireJson(body);
  if (!isObject(request)) throw badRequest("The body is not a JSON object.", "", "Send an object.");
  const other = Object.keys(request).find((name) => !members.includes(name));
  if (other !== undefined)
    throw badRequest(`"${other.slice(0, 60)}" is not asked for here.`, "", `Send ${members.join(", ")}.`);
  const { endpoint, features } = request;
  if (typeof endpoint !== "string" || endpoint === "" || endpoint.length > 200)
    throw badRequest("The endpoint is not named.", "/endpoint", "Name the endpoint whose features are read.");
  const entities = readEntities(request["entities"]);
  const rows = entities.values().next().value?.length ?? 0;
  return {
    endpoint,
    entities,
    rows,
    ...(features === undefined ? {} : { features: readNames(features) }),
  };
}

function readEntities(value: WireJson | undefined): Map<string, string[]> {
  const mend = 'Send each entity key with a list of values, e.g. {"account": ["a1", "a2"]}.';
  if (!isObject(value)) throw badRequest("The entities are not given.", "/entities", mend);
  const names = Object.keys(value);
  if (names.length === 0 || names.length > mostKeys)
    throw badRequest(`Entities have 1 to ${mostKeys} keys.`, "/entities", mend);
  const entities = new Map(names.map((name) => [name, readKey(value[name], `/entities/${name}`, mend)]));
  const lengths = new Set([...entities.values()].map(({ length }) => length));
  if (lengths.size > 1)
    throw badRequest(
      "The entity keys have lists of different lengths.",
      "/entities",
      "Send one value per row.",
    );
  return entities;
}

function readKey(values: WireJson | undefined, pointer: string, mend: string): string[] {
  if (!Array.isArray(values) || values.length === 0) throw badRequest("This is no list.", pointer, mend);
  if (values.length > mostFeatureRows)
    throw badRequest(
      `${values.length} entities are too many.`,
      pointer,
      `Ask for ${mostFeatureRows} at a time.`,
    );
  return values.map((value, row) => {
    if (typeof value === "string") return value;
    const isWhole = typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value));
    if (isWhole) return String(value);
    throw badRequest(
      "A key is no text and no integer.",
      `${pointer}/${row}`,
      "Send what the view's key holds.",
    );
  });
}

function readNames(value: WireJson): string[] {
  const names = Array.isArray(value) ? value.filter((name) => typeof name === "string") : [];
  if (Array.isArray(value) && names.length === value.length && names.length > 0 && names.length <= mostNames)
    return names;
  throw badRequest(
    `The features are no list of 1 to ${mostNames} names.`,
    "/features",
    'Name views or features, e.g. ["accounts@1", "shops@1.sales_1h"], or leave the list out.',
  );
}

function isObject(value: WireJson | undefined): value is WireObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The views that are asked for, with those of their features that the endpoint's model is fed with. Pure.
 * @throws PortolanError `serving.bad_request` for an endpoint without features, an unknown name, or a missing entity key
 */
export function askedViews(
  plan: FeaturePlan | null,
  { endpoint, entities, features }: FeaturesRequest,
): readonly AskedView[] {
  const known = plan ? featuresByView(plan) : [];
  if (known.length === 0)
    throw badRequest(
      `${endpoint} reads no features.`,
      "/endpoint",
      "Name an endpoint whose deployment has some.",
    );
  for (const [index, name] of (features ?? []).entries())
    if (
      !known.some((view) => view.name === name || view.features.some((one) => `${view.name}.${one}` === name))
    )
      throw badRequest(
        `${endpoint} reads no "${name.slice(0, 120)}".`,
        `/features/${index}`,
        `It reads ${known.map((view) => view.name).join(", ")}.`,
      );
  const asked = features ? narrowed(known, features) : known;
  requireKeys(asked, entities);
  return asked;
}

function narrowed(known: readonly AskedView[], features: readonly string[]): AskedView[] {
  return known.flatMap((view) => {
    const own = view.features.filter(
      (one) => features.includes(view.name) || features.includes(`${view.name}.${one}`),
    );
    return own.length > 0 ? [{ ...view, features: own }] : [];
  });
}

function requireKeys(asked: readonly AskedView[], entities: FeaturesRequest["entities"]): void {
  const needed = (): string => [...new Set(asked.flatMap(({ entityKeys }) => entityKeys))].join(", ");
  for (const { entityKeys } of asked)
    for (const name of entityKeys)
      if (!entities.has(name))
        throw badRequest(`The entity key "${name}" is missing.`, "/entities", `Send ${needed()}.`);
  for (const name of entities.keys())
    if (!asked.some(({ entityKeys }) => entityKeys.includes(name)))
      throw badRequest(
        `No view that is asked for has the entity key "${name.slice(0, 60)}".`,
        "/entities",
        `Send ${needed()}.`,
      );
}

const byPlan = new WeakMap<FeaturePlan, AskedView[]>();

/** The plan's views with the stored features that its columns take (nobody sends a request to compute others from); of a plan it is found out once. */
function featuresByView(plan: FeaturePlan): AskedView[] {
  const found = byPlan.get(plan);
  if (found) return found;
  const views = plan.views.map(({ name, digest, entityKeys, onDemand }) => {
    const computed = new Set(onDemand?.features.map((feature) => feature.name));
    const features = plan.columns.flatMap(({ from }) =>
      from.kind === "feature" && from.view === name && !computed.has(from.feature) ? [from.feature] : [],
    );
    return { name, digest, entityKeys, features: [...new Set(features)] };
  });
  const known = views.filter(({ features }) => features.length > 0);
  byPlan.set(plan, known);
  return known;
}
