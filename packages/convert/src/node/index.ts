/** What only Node.js can do for the converter: models that are folders on disk. */
export {openFolder} from "./folder.ts";
export {openModelSource, sourceOfFile} from "./source.ts";
