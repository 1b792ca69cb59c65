/** `tf-trusted policy explain`: a policy in plain language, for whoever signs it off. */
import {explainPolicy, parsePolicy} from "@tf-trusted/attestation";
import {defineCommand} from "../../command.ts";
import {exitCodes} from "../../exit-codes.ts";
import {readTextFile} from "../../files.ts";
import {printable} from "../../render/style.ts";

export const policyExplainCommand = defineCommand({
  name: "policy explain",
  summary: "Say in plain language what a policy accepts",
  operands: [{name: "FILE", help: "a policy (JSON)"}],
  flags: {},
  examples: [{line: "policy explain policy.json", what: "a sentence for each condition"}],
  async run([path], _flags, {print}) {
    const statements = explainPolicy(parsePolicy(await readTextFile(path!)));
    await print({
      json: {policy: path!, statements},
      text: () => `${statements.map(printable).join("\n")}\n`,
    });
    return exitCodes.done;
  },
});
