import { type Static, Type } from "@portolan/typebox";

const Micros = Type.Integer({ description: "Microseconds since 1970-01-01T00:00:00Z" });
export const noticeKinds = ["refused", "quarantined", "failed", "drift"] as const;

/** CloudEvents 1.0, structured mode: what is sent, byte for byte. No row of data is in it. */
export const NoticeEvent = Type.Object({
  specversion: Type.Literal("1.0"),
  id: Type.String(),
  source: Type.String(),
  type: Type.String(),
  subject: Type.String(),
  time: Type.String(),
  datacontenttype: Type.Literal("application/json"),
  data: Type.Object({
    contract: Type.String(),
    version: Type.String(),
    environment: Type.String(),
    useCaseId: Type.Optional(Type.String()),
    ingestion: Type.String(),
    people: Type.Array(Type.String()),
    reasons: Type.Array(Type.String()),
    counts: Type.Optional(
      Type.Object({ accepted: Type.Integer(), quarantined: Type.Integer(), deadLetters: Type.Integer() }),
    ),
    rules: Type.Optional(Type.Record(Type.String(), Type.Integer())),
  }),
});
export type NoticeEvent = Static<typeof NoticeEvent>;

export const NoticeView = Type.Object({
  id: Type.String(),
  kind: Type.Union(noticeKinds.map((kind) => Type.Literal(kind))),
  contract: Type.String(),
  version: Type.String(),
  environment: Type.String(),
  useCaseId: Type.Optional(Type.String()),
  ingestionId: Type.String(),
  people: Type.Array(Type.String(), { description: "Members of the contract's team on that day" }),
  channel: Type.Optional(Type.String()),
  url: Type.Optional(Type.String()),
  state: Type.Union(
    (["kept", "waiting", "sent", "failed"] as const).map((state) => Type.Literal(state)),
    {
      description: "kept: the channel has no address that a notice can be sent to",
    },
  ),
  failure: Type.Optional(Type.String()),
  event: NoticeEvent,
  createdAt: Micros,
  settledAt: Type.Optional(Micros),
});
export interface NoticeView {
  readonly id: string;
  readonly kind: (typeof noticeKinds)[number];
  readonly contract: string;
  readonly version: string;
  readonly environment: string;
  readonly useCaseId?: string;
  readonly ingestionId: string;
  readonly people: readonly string[];
  readonly channel?: string;
  readonly url?: string;
  readonly state: "kept" | "waiting" | "sent" | "failed";
  readonly failure?: string;
  readonly event: NoticeEvent;
  readonly createdAt: number;
  readonly settledAt?: number;
}
