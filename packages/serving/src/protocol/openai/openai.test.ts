import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EventSplitter } from "./event-stream.ts";
import { readTextRequest, tokensToReserve, writeTextRequest } from "./text-request.ts";
import { TextMeter } from "./text-usage.ts";

const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
const chat = (over: object = {}) => ({ model: "m", messages: [{ role: "user", content: "hi" }], ...over });
const read = (over: object = {}) => readTextRequest("chat", bytes(chat(over)));

describe("what is asked", () => {
  test("only the model's name changes on the way, and a stream is asked for its usage", () => {
    const body = chat({ temperature: 0.5, response_format: { type: "json_object" }, seed: 7 });
    const sent = (over: object) => JSON.parse(String(writeTextRequest(read({ ...body, ...over }), "theirs")));
    expect(sent({})).toEqual({ ...body, model: "theirs" });
    expect(sent({ stream: true, stream_options: { x: 1 } })).toMatchObject({
      stream_options: { x: 1, include_usage: true },
    });
  });

  test("a seed beyond 2^53 goes on digit by digit", () => {
    const text = '{"model":"m","messages":[{"role":"user","content":"hi"}],"seed":9223372036854775807}';
    const request = readTextRequest("chat", Buffer.from(text));
    expect(String(writeTextRequest(request, "m"))).toContain('"seed":9223372036854775807');
  });

  test("the estimate bounds what the answer may use: its limit, for each choice", () => {
    const reserved = (over: object, contextTokens?: number) =>
      tokensToReserve(read(over), contextTokens).maxTokens;
    expect(reserved({ max_tokens: 10, n: 3 })).toBe(30);
    expect(reserved({ max_tokens: 10, n: 3, best_of: 5 })).toBe(50);
    expect(reserved({ max_tokens: 10_000, n: 3 }, 4096), "the context bounds each choice").toBe(3 * 4096);
    const prompts = (prompt: unknown) =>
      tokensToReserve(readTextRequest("completions", bytes({ model: "m", prompt, max_tokens: 10, n: 2 })))
        .maxTokens;
    expect([prompts("a"), prompts(["a", "b", "c"]), prompts([1, 2, 3]), prompts([[1], [2]])]).toEqual([
      20, 60, 20, 40,
    ]);
    expect(read({ max_tokens: 10, max_completion_tokens: 7 }).estimate.maxTokens).toBe(7);
    expect(read().estimate.maxTokens).toBe(1024);
    const tokens = { model: "m", input: [1, 2, 3] };
    expect(readTextRequest("embeddings", bytes(tokens)).estimate).toEqual({ promptTokens: 3, maxTokens: 0 });
    const image = `data:image/png;base64,${"A".repeat(100_000)}`;
    const seen = read({ messages: [{ role: "user", content: [{ type: "image_url", image_url: image }] }] });
    expect(seen.estimate.promptTokens).toBeLessThan(1100);
  });

  test("a name that an object has twice is refused, as in requests of tensors: the upstream and the record would be read otherwise", () => {
    const text = '{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":1,"max_tokens":9000}';
    expect(() => readTextRequest("chat", Buffer.from(text))).toThrow(
      expect.objectContaining({
        code: "serving.bad_request",
        detail: 'The name "max_tokens" appears twice in an object.',
      }) as Error,
    );
  });

  test("whatever comes, it is read or refused as a bad request", () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.constantFrom("chat", "completions", "embeddings"),
        (value, operation) => {
          try {
            readTextRequest(operation as "chat", bytes(value));
          } catch (error) {
            expect(error).toMatchObject({ code: "serving.bad_request" });
          }
        },
      ),
    );
  });
});

describe("what is answered", () => {
  test("a stream is cut into the same events wherever its parts end, and no byte is lost", () => {
    const stream = 'data: {"a":1}\n\n: ping\n\nevent: x\r\ndata: b\r\ndata: c\r\n\r\ndata: [DONE]\n\n';
    const expected = ['{"a":1}', undefined, "b\nc", "[DONE]"];
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: stream.length })), (cuts) => {
        const splitter = new EventSplitter();
        const at = [...new Set([0, ...cuts, stream.length])].toSorted((a, b) => a - b);
        const events = at.slice(1).flatMap((end, i) => splitter.push(Buffer.from(stream.slice(at[i], end))));
        expect(events.map(({ data }) => data)).toEqual(expected);
        expect(Buffer.concat(events.map((event) => event.bytes)).toString()).toBe(stream);
      }),
    );
  });

  test("an event without an end is given up", () => {
    const splitter = new EventSplitter();
    const part = Buffer.alloc(600_000, 0x61);
    splitter.push(part);
    expect(() => splitter.push(part)).toThrow(RangeError);
  });

  test("tokens are the upstream's where it says so, else guessed, and marked", () => {
    const meter = new TextMeter(read());
    expect(meter.note({ choices: [{ delta: { content: "a few words" }, finish_reason: null }] })).toBe(
      "content",
    );
    expect(meter.usage()).toMatchObject({ completionTokens: 3, isEstimated: true });
    for (let i = 0; i < 9; i++) meter.note({ choices: [{ delta: { content: "x" } }] });
    expect(meter.usage().completionTokens, "a token a chunk").toBe(10);
    expect(meter.note({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 6 } })).toBe("usage");
    expect(meter.usage()).toEqual({ promptTokens: 5, completionTokens: 6, isEstimated: false });
    meter.note({ choices: [{ delta: {}, finish_reason: "length" }] });
    expect(meter.finishReason).toBe("length");
    expect(meter.note({ error: { message: "lost" } })).toBe("error");
    for (const odd of [null, 7, [], { choices: 3 }, { choices: [null] }, { usage: { prompt_tokens: -1 } }])
      expect(meter.note(odd)).toBe("content");
  });
});
