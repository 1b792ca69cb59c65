/** `tf-trusted enclave measure`: the measurement that a policy should expect of the enclave that is installed here. */
import {defineCommand} from "../../command.ts";
import {exitCodes} from "../../exit-codes.ts";
import {formatBytes} from "../../render/quantities.ts";
import {renderTable} from "../../render/table.ts";
import {engineFlags} from "../prediction-flags.ts";

export const enclaveMeasureCommand = defineCommand({
  name: "enclave measure",
  summary: "Print the measurement of the installed enclave",
  description:
    "Reads and hashes every file of the enclave. The measurement is what a policy names as mrEnclave for simulated " +
    "enclaves. Ends with 1 if a file differs from what was built.",
  operands: [],
  flags: {...engineFlags, files: {help: "list the measured files as well"}},
  examples: [
    {line: "enclave measure", what: "the measurement alone"},
    {line: "enclave measure --files", what: "and what it was made of"},
  ],
  async run(_operands, {files: listFiles, engine}, {print, progress, note, noteStyle}) {
    progress.step("Measuring the enclave");
    const {artefactWith, chooseEngine, measureArtefact} = await import("@tf-trusted/enclave");
    const chosen = chooseEngine(engine ?? "auto");
    const {measurement, expected, altered, manifest} = await measureArtefact(await artefactWith(chosen.engine));
    await print({
      json: {
        engine: chosen.engine,
        measurement,
        expected,
        altered,
        target: manifest.target,
        arguments: manifest.arguments,
        files: manifest.files.map(({name, size, sha256}) => ({name, size, sha256})),
      },
      text: (style, columns) => {
        if (!listFiles) return `${measurement}\n`;
        const rows = manifest.files.map(({name, size, sha256}) => [name, formatBytes(size), style.dim(sha256)]);
        const table = renderTable(
          [{title: "file"}, {title: "size", align: "right"}, {title: "SHA-256"}],
          rows,
          style,
          columns,
        );
        return `${measurement}\n\n${table}\n`;
      },
    });
    if (altered.length === 0) return exitCodes.done;
    note(`${noteStyle.red("altered")} ${altered.join(", ")}: the build's measurement was ${expected}`);
    return exitCodes.failed;
  },
});
