import { environments } from "@portolan/kernel";
import { type Static, Type } from "@portolan/typebox";

const Micros = (description: string) => Type.Integer({ description: `${description}, epoch microseconds` });

export const AlertDelivery = Type.Object({
  destination: Type.String(),
  told: Type.Union([Type.Enum(["open", "resolved"]), Type.Null()], {
    description: "What the destination took last; null: nothing yet",
  }),
  failure: Type.Optional(Type.String({ description: "Why the last attempts were given up" })),
});
export type AlertDelivery = Static<typeof AlertDelivery>;

export const AlertSilence = Type.Object({
  until: Micros("Nothing of its opening is sent before"),
  reason: Type.String(),
  by: Type.String(),
});
export type AlertSilence = Static<typeof AlertSilence>;

/** What an alert is about and says, without its deliveries: what destinations are told. */
const about = {
  id: Type.String({ description: "`alr_…`" }),
  key: Type.String({ description: "What it is about: at most one alert of a key is open" }),
  kind: Type.Enum(["performance", "drift", "concept", "objective", "review", "budget", "idle"]),
  environment: Type.Enum([...environments]),
  useCaseId: Type.Union([Type.String(), Type.Null()]),
  endpoint: Type.String(),
  variant: Type.String(),
  model: Type.String(),
  version: Type.String(),
  state: Type.Enum(["open", "resolved"]),
  summary: Type.String(),
  evidence: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()]), {
    description: "What it was opened for, as it was known then",
  }),
  openedAt: Micros("When it was found"),
  resolvedAt: Type.Union([Type.Integer(), Type.Null()], { description: "Epoch microseconds" }),
  resolvedBecause: Type.Union([Type.String(), Type.Null()]),
};
export const Alert = Type.Object(about);
export type Alert = Static<typeof Alert>;

export const AlertView = Type.Object({
  ...about,
  silence: Type.Union([AlertSilence, Type.Null()]),
  deliveries: Type.Array(AlertDelivery),
});
export type AlertView = Static<typeof AlertView>;

export const AlertRoute = Type.Object({
  id: Type.String({ description: "`art_…`" }),
  environment: Type.Enum([...environments]),
  useCaseId: Type.Union([Type.String(), Type.Null()], { description: "Null: all of the organisation's" }),
  destination: Type.String({ description: "Name of a file of the operator's in ALERT_DESTINATIONS" }),
  createdBy: Type.String(),
  createdAt: Micros("When it was added"),
});
export type AlertRoute = Static<typeof AlertRoute>;
