/**
 * Lines of a stream of UTF-8 text, parted by LF alone; a CR before it is left out, and a last line without one is a line. `node:readline`
 * also parts at U+2028 and U+2029, which JSON carries as they are, and at a lone CR: a text that holds one would come in two halves.
 *
 * @throws what the stream throws
 */
export async function* linesOf(input: AsyncIterable<Uint8Array | string>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  // Parts of the line that is not over: a long one comes in many chunks, and is put together once.
  let parts: string[] = [];
  for await (const chunk of input) {
    const text = typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
    let from = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", from)) {
      parts.push(text.slice(from, end));
      yield withoutReturn(parts.join(""));
      parts = [];
      from = end + 1;
    }
    if (from < text.length) parts.push(text.slice(from));
  }
  parts.push(decoder.decode());
  const last = parts.join("");
  if (last !== "") yield withoutReturn(last);
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}
