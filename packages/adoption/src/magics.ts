/** A cell as Python can parse it. */
export interface PythonCell {
  readonly name: string;
  readonly text: string;
  /** What its `pip install` lines name, as written. */
  readonly installs: readonly string[];
  /** Commands that it gives to a shell, with their lines. */
  readonly commands: readonly { readonly line: number; readonly text: string }[];
}

/** Cell magics whose body is Python. */
const pythonMagics = new Set(["time", "timeit", "capture", "prun"]);

/**
 * Takes out what only IPython understands. Lines keep their numbers; a line that is taken out of a block leaves `pass`, so that the
 * block is still one.
 */
export function withoutMagics(name: string, source: string): PythonCell {
  const lines = source.split(/\r\n|\n|\r/);
  const commands: { line: number; text: string }[] = [];
  const cellMagic = /^%%\s*(\w+)/.exec(lines.find((line) => line.trim() !== "") ?? "")?.[1];
  const isForeign = cellMagic !== undefined && !pythonMagics.has(cellMagic);
  const isShell = cellMagic === "bash" || cellMagic === "sh";
  const text = lines.map((line, index) => {
    const magic = /^(\s*)(%%|%|!)\s*(.*)$/.exec(line);
    if (isForeign) {
      if (isShell && !magic) commands.push({ line: index + 1, text: line.trim() });
      return "";
    }
    const assigned = /^(\s*[\w, ]+=\s*)([!%])(.*)$/.exec(line);
    const command = magic?.[2] === "%%" ? undefined : (magic?.[3] ?? assigned?.[3]);
    if (command !== undefined) commands.push({ line: index + 1, text: command.trim() });
    if (magic) return `${magic[1] ?? ""}pass`;
    if (assigned) return `${assigned[1] ?? ""}None`;
    return /^[\w.]+\?{1,2}\s*$/.test(line) ? "pass" : line;
  });
  return {
    name,
    text: text.join("\n"),
    installs: commands.flatMap((command) => installedBy(command.text)),
    commands: commands.filter((command) => command.text !== ""),
  };
}

/** The requirements of a `pip install` or `conda install` line, without its options. */
export function installedBy(command: string): string[] {
  const found = /^(?:python\d?\s+-m\s+)?(?:pip\d?|conda|mamba)\s+install\s+(.*)$/.exec(command);
  return (found?.[1] ?? "")
    .split(/\s+/)
    .map((word) => word.replace(/^["']|["']$/g, ""))
    .filter((word) => /^[A-Za-z0-9][\w.-]*(\[[\w,-]*\])?([=<>!~]=?=?.*)?$/.test(word));
}
