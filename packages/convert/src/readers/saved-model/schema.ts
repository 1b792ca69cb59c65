/** The messages of tensorflow/core/protobuf/{saved_model,meta_graph,saver}.proto, as far as a converter reads them. */
import type {MessageTable} from "../../bytes/wire.ts";
import {graphDef, tensorShape} from "../graphdef/schema.ts";
import {savedObjectGraph} from "./object-graph.ts";

const tensorInfo: MessageTable = {
  1: {name: "name", kind: "string"},
  2: {name: "dtype", kind: "enum"},
  3: {name: "tensor_shape", kind: "message", message: () => tensorShape},
  4: {name: "coo_sparse", kind: "bytes"},
  5: {name: "composite_tensor", kind: "bytes"},
};

const signatureDef: MessageTable = {
  1: {name: "inputs", kind: "map", message: () => tensorInfo},
  2: {name: "outputs", kind: "map", message: () => tensorInfo},
  3: {name: "method_name", kind: "string"},
};

const metaInfo: MessageTable = {4: {name: "tags", kind: "string", repeated: true}};

const saverDef: MessageTable = {3: {name: "restore_op_name", kind: "string"}};

const assetFile: MessageTable = {
  1: {name: "tensor_info", kind: "message", message: () => tensorInfo},
  2: {name: "filename", kind: "string"},
};

const metaGraph: MessageTable = {
  1: {name: "meta_info_def", kind: "message", message: () => metaInfo},
  2: {name: "graph_def", kind: "message", message: () => graphDef},
  3: {name: "saver_def", kind: "message", message: () => saverDef},
  5: {name: "signature_def", kind: "map", message: () => signatureDef},
  6: {name: "asset_file_def", kind: "message", repeated: true, message: () => assetFile},
  7: {name: "object_graph_def", kind: "message", message: () => savedObjectGraph},
};

export const savedModel: MessageTable = {
  1: {name: "saved_model_schema_version", kind: "int64"},
  2: {name: "meta_graphs", kind: "message", repeated: true, message: () => metaGraph},
};
