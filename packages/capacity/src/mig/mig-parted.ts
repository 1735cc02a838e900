import { PortolanError, type Violation } from "@portolan/kernel";
import { type Static, Type, Value } from "@portolan/typebox";
import { placeOf, readYaml } from "@portolan/yaml-source";
import { stringify } from "yaml";
import type { CapacityErrorCode } from "../errors.ts";
import { type Instance, standing } from "./layouts.ts";
import { type MigModel, migModels } from "./models.ts";

const closed = { additionalProperties: false } as const;
const DeviceFilter = Type.String({ pattern: "^0x[0-9A-Fa-f]{8}$" });

/** One part of a configuration: which cards, and what they are cut into. */
const MigDevices = Type.Object(
  {
    "device-filter": Type.Optional(Type.Union([DeviceFilter, Type.Array(DeviceFilter, { minItems: 1 })])),
    devices: Type.Union([
      Type.Literal("all"),
      Type.Array(Type.Integer({ minimum: 0, maximum: 63 }), { minItems: 1 }),
    ]),
    "mig-enabled": Type.Boolean(),
    "mig-devices": Type.Optional(Type.Record(Type.String(), Type.Integer({ minimum: 1, maximum: 8 }))),
  },
  closed,
);
export type MigDevices = Static<typeof MigDevices>;

/** What NVIDIA's `nvidia-mig-parted` and GPU operator read (`version: v1`). */
const MigPartedFile = Type.Object(
  {
    version: Type.Literal("v1"),
    "mig-configs": Type.Record(Type.String(), Type.Array(MigDevices, { minItems: 1 })),
  },
  closed,
);
export type MigPartedFile = Static<typeof MigPartedFile>;

export interface MigPartedReading {
  readonly file: MigPartedFile;
  /** Parts that stand on no card that is known here, though they may on another: names of profiles repeat, and nothing says which card is meant. */
  readonly doubts: readonly Violation[];
}

/** Its authors' own defaults have 25 kB. */
const kind = { noun: "MIG configuration", maximumBytes: 512 * 1024 };

/**
 * Reads a file of mig-parted, with every finding at once: its form, and whether each card can be cut so.
 *
 * @param model all parts without a device filter are for this one; absent: what stands on no known card is in doubt
 * @throws PortolanError `capacity.mig_config_not_valid`
 */
export function readMigParted(text: string, file: string, model?: MigModel): MigPartedReading {
  const source = readYaml(text, kind, file);
  if (source.kind === "unreadable") throw notValid(file, source.violations);
  const { value, lines } = source;
  const at = (pointer: string) => ({ file, pointer, ...placeOf(pointer, lines) });
  const formFaults: Violation[] = [...Value.Errors(MigPartedFile, value)].map((error) => ({
    detail: `${error.instancePath || "the file"} ${error.message}`,
    at: at(error.instancePath),
  }));
  if (formFaults.length > 0) throw notValid(file, formFaults);
  const read = value as MigPartedFile;
  const faults: Violation[] = [];
  const doubts: Violation[] = [];
  for (const [name, parts] of Object.entries(read["mig-configs"]))
    for (const [index, part] of parts.entries()) {
      const found = faultOfPart(part, model);
      if (found === undefined) continue;
      const violation = { detail: `${name}: ${found.detail}`, at: at(pointerTo(name, index)) };
      (found.isSure ? faults : doubts).push(violation);
    }
  for (const [name, parts] of Object.entries(read["mig-configs"])) faults.push(...cutTwice(name, parts, at));
  if (faults.length > 0) throw notValid(file, faults);
  return { file: read, doubts };
}

interface PartFault {
  readonly detail: string;
  /** Whether the card is known that it is for. */
  readonly isSure: boolean;
}

function faultOfPart(part: MigDevices, model: MigModel | undefined): PartFault | undefined {
  const devices = Object.entries(part["mig-devices"] ?? {});
  if (!part["mig-enabled"])
    return devices.length > 0
      ? { detail: "cards that are not cut have no mig-devices", isSure: true }
      : undefined;
  const candidates = candidatesOf(part, model);
  const isSure = candidates !== migModels;
  const having = candidates.filter((one) =>
    devices.every(([profile]) => one.profiles.some(({ name }) => name === profile)),
  );
  if (having.some((one) => standing(one, countsOfNames(one, devices)) !== undefined)) return undefined;
  const shown = devices.map(([profile, count]) => `${count} x ${profile}`).join(", ");
  if (having.length > 0)
    return { detail: `${shown} cannot stand on one ${having.map(({ name }) => name).join(" or ")}`, isSure };
  const names = isSure ? candidates.map(({ name }) => name).join(", ") : "no card that is known here";
  const has = isSure ? "has no profiles" : "has the profiles";
  return { detail: `${names} ${has} ${devices.map(([profile]) => profile).join(", ")} together`, isSure };
}

function pointerTo(config: string, index: number): string {
  return `/mig-configs/${config.replaceAll("~", "~0").replaceAll("/", "~1")}/${index}`;
}

/** mig-parted goes through the parts one after the other: a card that two of them name ends as the last one has it, and is never as the file says. */
function cutTwice(
  name: string,
  parts: readonly MigDevices[],
  at: (pointer: string) => NonNullable<Violation["at"]>,
): Violation[] {
  return parts.flatMap((part, index) => {
    const devices = part.devices === "all" ? [] : part.devices;
    const twice = devices.find((device, place) => devices.indexOf(device) !== place);
    const other = parts.slice(0, index).find((before) => cutsOneOf(before, part));
    const detail =
      twice !== undefined
        ? `card ${twice} is named twice`
        : other && "a card is cut by two parts: by this one, and by one above it";
    return detail === undefined ? [] : [{ detail: `${name}: ${detail}`, at: at(pointerTo(name, index)) }];
  });
}

/** Whether one card is surely meant by both. */
function cutsOneOf(a: MigDevices, b: MigDevices): boolean {
  const filters = [a, b].map((part) => [part["device-filter"] ?? []].flat().map((id) => id.toLowerCase()));
  const [ofA = [], ofB = []] = filters;
  const isSameKind = ofA.length === 0 || ofB.length === 0 || ofA.some((id) => ofB.includes(id));
  if (!isSameKind) return false;
  const [first, second] = [a.devices, b.devices];
  return first === "all" || second === "all" || first.some((device) => second.includes(device));
}

/** By its device filter, by the model that was named, or any. */
function candidatesOf(part: MigDevices, model: MigModel | undefined): readonly MigModel[] {
  const filter = part["device-filter"];
  if (filter !== undefined) {
    const ids = new Set([filter].flat().map((id) => id.toLowerCase()));
    const found = migModels.filter(({ deviceIds }) => deviceIds.some((id) => ids.has(id.toLowerCase())));
    return found.length > 0 ? found : migModels;
  }
  return model ? [model] : migModels;
}

function countsOfNames(model: MigModel, devices: readonly (readonly [string, number])[]): number[] {
  const counts = new Map(devices);
  return model.profiles.map(({ name }) => counts.get(name) ?? 0);
}

/** The file by which mig-parted cuts these cards, under a name: cards of the same counts stand together. */
export function writeMigParted(name: string, cards: readonly (readonly Instance[])[]): string {
  const parts = new Map<string, { devices: number[]; counts: Record<string, number> }>();
  for (const [device, layout] of cards.entries()) {
    const counts: Record<string, number> = {};
    for (const { profile } of layout) counts[profile.name] = (counts[profile.name] ?? 0) + 1;
    const sorted = Object.fromEntries(Object.entries(counts).toSorted(([a], [b]) => a.localeCompare(b)));
    const key = JSON.stringify(sorted);
    const known = parts.get(key);
    if (known) known.devices.push(device);
    else parts.set(key, { devices: [device], counts: sorted });
  }
  const configs = [...parts.values()].map(({ devices, counts }) => ({
    devices,
    "mig-enabled": Object.keys(counts).length > 0,
    ...(Object.keys(counts).length > 0 ? { "mig-devices": counts } : {}),
  }));
  return stringify({ version: "v1", "mig-configs": { [name]: configs } });
}

function notValid(file: string, violations: readonly Violation[]): PortolanError<CapacityErrorCode> {
  const [first] = violations;
  return new PortolanError<CapacityErrorCode>("capacity.mig_config_not_valid", {
    detail: `${file}: ${first?.detail ?? "not valid"}${violations.length > 1 ? ` (and ${violations.length - 1} more)` : ""}`,
    mend: "See which instances can stand together with: portolan pool layouts <model>",
    violations,
  });
}
