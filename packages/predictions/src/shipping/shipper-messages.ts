import type { DeliveryAnswer, ShipperOptions, ShipperStatus } from "./shipper.ts";

export type ShipperThreadOptions = Omit<ShipperOptions, "deliver" | "onProblem">;

/** Main thread → shipper's thread. A delivery is answered before the next one is asked for. */
export type ToShipperThread =
  | { readonly kind: "answer"; readonly answer: DeliveryAnswer }
  | { readonly kind: "unreached"; readonly reason: string }
  | { readonly kind: "flush"; readonly number: number }
  | { readonly kind: "close" };

/** Shipper's thread → main thread. */
export type FromShipperThread =
  | { readonly kind: "deliver"; readonly bytes: Uint8Array }
  | { readonly kind: "status"; readonly status: ShipperStatus }
  | { readonly kind: "flushed"; readonly number: number; readonly problem?: string };
