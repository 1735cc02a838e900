import { PortolanError, type Violation } from "@portolan/kernel";
import { type Static, Type, Value } from "@portolan/typebox";
import { placeOf, readYaml } from "@portolan/yaml-source";
import { stringify } from "yaml";
import type { CapacityErrorCode } from "../errors.ts";

const Sharing = Type.Object(
  {
    renameByDefault: Type.Optional(Type.Boolean()),
    failRequestsGreaterThanOne: Type.Optional(Type.Boolean()),
    resources: Type.Array(
      Type.Object({
        name: Type.String({ pattern: "^nvidia\\.com/(gpu|mig-[0-9]+g\\.[0-9]+gb(\\.me)?)$" }),
        rename: Type.Optional(Type.String({ maxLength: 253 })),
        replicas: Type.Integer({ minimum: 2, maximum: 1000 }),
      }),
      { minItems: 1 },
    ),
  },
  { additionalProperties: false },
);

/** What NVIDIA's device plugin for Kubernetes reads (`version: v1`); members that are not about sharing are passed over. */
const DevicePluginFile = Type.Object({
  version: Type.Literal("v1"),
  sharing: Type.Object(
    { timeSlicing: Type.Optional(Sharing), mps: Type.Optional(Sharing) },
    { additionalProperties: false },
  ),
});

/** One kind of card or slice that is shared. */
export interface SharedResource {
  /** As pods ask for it, such as `nvidia.com/gpu.shared`. */
  readonly asked: string;
  /** Of the cards, such as `nvidia.com/gpu`. */
  readonly name: string;
  readonly how: "timeSlicing" | "mps";
  /** How many pods may be on one. */
  readonly replicas: number;
  /** What goes wrong with it sooner or later. */
  readonly warnings: readonly string[];
}

const kind = { noun: "device plugin configuration", maximumBytes: 512 * 1024 };

/**
 * Reads the sharing of a device plugin's configuration, with every finding at once.
 *
 * @throws PortolanError `capacity.sharing_not_valid`
 */
export function readSharing(text: string, file: string): readonly SharedResource[] {
  const source = readYaml(text, kind, file);
  if (source.kind === "unreadable") throw notValid(file, source.violations);
  const { value, lines } = source;
  const at = (pointer: string) => ({ file, pointer, ...placeOf(pointer, lines) });
  const faults: Violation[] = [...Value.Errors(DevicePluginFile, value)].map((error) => ({
    detail: `${error.instancePath || "the file"} ${error.message}`,
    at: at(error.instancePath),
  }));
  if (faults.length > 0) throw notValid(file, faults);
  const { sharing } = value as Static<typeof DevicePluginFile>;
  if (sharing.timeSlicing && sharing.mps)
    throw notValid(file, [
      { detail: "cards are shared by timeSlicing or by mps, not by both", at: at("/sharing/mps") },
    ]);
  const how = sharing.mps ? "mps" : "timeSlicing";
  const chosen = sharing.mps ?? sharing.timeSlicing;
  if (chosen === undefined)
    throw notValid(file, [{ detail: "nothing says how cards are shared", at: at("/sharing") }]);
  const names = chosen.resources.map(({ name }) => name);
  const twice = names.findIndex((name, index) => names.indexOf(name) !== index);
  if (twice >= 0)
    throw notValid(file, [
      { detail: `${names[twice]} is shared twice`, at: at(`/sharing/${how}/resources/${twice}`) },
    ]);
  return chosen.resources.map(({ name, rename, replicas }) => ({
    name,
    how,
    replicas,
    asked: rename ?? (chosen.renameByDefault === true ? `${name}.shared` : name),
    warnings: warningsOf(chosen, how, rename),
  }));
}

function warningsOf(
  { renameByDefault, failRequestsGreaterThanOne }: Static<typeof Sharing>,
  how: SharedResource["how"],
  rename: string | undefined,
): string[] {
  return [
    ...(how === "timeSlicing"
      ? ["memory is shared without a bound: one that takes too much ends the others"]
      : []),
    ...(renameByDefault === true || rename !== undefined
      ? []
      : [
          "a part has the name of a whole card: set renameByDefault, or quotas and bills count parts as cards",
        ]),
    ...(failRequestsGreaterThanOne === true
      ? []
      : [
          "who asks for two parts may get both on one card, and no more of it: set failRequestsGreaterThanOne",
        ]),
  ];
}

/** The configuration by which so many pods at most take turns on each card. */
export function writeSharing(replicas: number): string {
  return stringify({
    version: "v1",
    sharing: {
      timeSlicing: {
        renameByDefault: true,
        failRequestsGreaterThanOne: true,
        resources: [{ name: "nvidia.com/gpu", replicas }],
      },
    },
  });
}

function notValid(file: string, violations: readonly Violation[]): PortolanError<CapacityErrorCode> {
  const [first] = violations;
  return new PortolanError<CapacityErrorCode>("capacity.sharing_not_valid", {
    detail: `${file}: ${first?.detail ?? "not valid"}${violations.length > 1 ? ` (and ${violations.length - 1} more)` : ""}`,
    mend: "See what portolan pool share --out writes for the form.",
    violations,
  });
}
