import type { DeliverBlocks, DeliveryAnswer } from "../src/shipping/shipper.ts";

/** The delivery port over HTTP, as the gateway app has it. */
export function deliverOverHttp(url: string): DeliverBlocks {
  return async (bytes, signal) => {
    const response = await fetch(`${url}/v1/prediction-blocks`, {
      method: "POST",
      headers: { "content-type": "application/octet-stream" },
      body: Buffer.from(bytes),
      signal,
    });
    if (response.ok) return (await response.json()) as DeliveryAnswer;
    const reason = await response.text();
    if (response.status >= 500) throw new Error(reason);
    return { kind: "refused", reason };
  };
}
