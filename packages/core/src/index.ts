export {ByteReader} from "./byte-reader.ts";
export {concatBytes, encodeHex, equalBytes, parseHex, sha256, sha512} from "./bytes.ts";
export {canonicalJson, type JsonValue} from "./canonical-json.ts";
export {CoreError, coreErrors} from "./core-error.ts";
export {crc32c, maskedCrc32c} from "./crc32c.ts";
export {type ErrorDetails, type ErrorEntry, type ErrorOptions, type ErrorTable, TfTrustedError} from "./error.ts";
