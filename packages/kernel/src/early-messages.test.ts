import { MessageChannel } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { EarlyMessages } from "./early-messages.ts";

function channel() {
  const { port1, port2 } = new MessageChannel();
  const early = new EarlyMessages();
  const got: unknown[] = [];
  early.listen(port2, (message) => got.push(message));
  return { early, got, from: port1, to: port2 };
}

describe("messages are taken", () => {
  test("before the event loop comes to them, each once and in order", async () => {
    const { early, got, from } = channel();
    from.postMessage(1);
    from.postMessage(2);
    early.take(10);
    expect(got).toEqual([1, 2]);
    from.postMessage(3);
    early.take(10.5);
    expect(got).toEqual([1, 2]);
    early.take(11);
    from.postMessage(4);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(got).toEqual([1, 2, 3, 4]);
    from.close();
  });

  test("by the event loop alone where nobody takes them", async () => {
    const { got, from } = channel();
    from.postMessage("slow");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(got).toEqual(["slow"]);
    from.close();
  });

  test("and what should be done soon is done with them, or at the end of the turn, once", async () => {
    const { early, from } = channel();
    const done: string[] = [];
    early.soon(() => done.push("first"));
    early.soon(() => done.push("second"));
    early.take(10);
    expect(done).toEqual(["first", "second"]);
    early.soon(() => done.push("third"));
    await new Promise((resolve) => setImmediate(resolve));
    early.take(20);
    expect(done).toEqual(["first", "second", "third"]);
    from.close();
  });

  test("from no port that is closed", async () => {
    const { early, got, from, to } = channel();
    from.close();
    await new Promise((resolve) => to.once("close", resolve));
    early.take(10);
    early.drain(to);
    expect(got).toEqual([]);
  });
});
