export {type Percentiles, percentiles} from "./benchmark/percentiles.ts";
export {CliError, type CliErrorCode, cliErrors} from "./cli-error.ts";
export {type ExitCode, exitCodes} from "./exit-codes.ts";
export {type Bar, renderBars} from "./render/bars.ts";
export {type Picture, renderPicture} from "./render/picture.ts";
export {formatMs, formatShare} from "./render/quantities.ts";
export {createStyle, type Style, wantsColor} from "./render/style.ts";
export {type OutputStream, runCli, type Surroundings} from "./run-cli.ts";
